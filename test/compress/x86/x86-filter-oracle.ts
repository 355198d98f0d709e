const WINDOW_BYTES = 18;

/** The x86 filter byte by byte, as docs/format.md tells it. `direction` is 1 to filter and -1 to take it back. */
export function filterByHand(bytes: Uint8Array, direction: 1 | -1): Uint8Array {
  const out = Buffer.from(bytes);
  for (let i = 0; i + WINDOW_BYTES <= out.length; ) {
    const skip = operandOffset(out, i);
    if (skip === 0) {
      i++;
      continue;
    }
    const end = i + skip + 4;
    const operand = out.readInt32LE(i + skip);
    if (operand >= -(2 ** 24) && operand < 2 ** 24) {
      const turned = (operand + direction * end) | 0;
      out.writeInt32LE((turned << 7) >> 7, i + skip);
    }
    i = end;
  }
  return out;
}

function operandOffset(bytes: Buffer, at: number): number {
  const [first, second, third] = [bytes[at]!, bytes[at + 1]!, bytes[at + 2]!];
  if (first === 0xe8 || first === 0xe9) return 1;
  if (first === 0x0f && second >= 0x80 && second <= 0x8f) return 2;
  const isMove = second === 0x89 || second === 0x8b || second === 0x8d;
  return first >= 0x48 && first <= 0x4f && isMove && (third & 0xc7) === 0x05 ? 3 : 0;
}

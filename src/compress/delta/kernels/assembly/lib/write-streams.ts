// Writes the streams of a delta block; docs/format.md, "Delta block".
import { equalMask, isEqual } from './compare';

/** One copy: the length of the literals before it, its own, and its source, a u32 each. */
export const OP_BYTES: u32 = 12;

// @ts-ignore: decorator
@inline
function writeNumber(at: usize, value: u32): usize {
  while (value >= 128) {
    store<u8>(at++, <u8>(value | 128));
    value >>= 7;
  }
  store<u8>(at, <u8>value);
  return at + 1;
}

/** Writes the three streams of `count` ops to places of their own; ends[0..2] are set to where they end. */
export function writeOps(opsAt: usize, count: u32, literals: usize, copies: usize, shifts: usize, ends: usize): void {
  let sourceEnd: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const op = opsAt + i * OP_BYTES;
    const literal = load<u32>(op);
    const copy = load<u32>(op, 4);
    const source = load<u32>(op, 8);
    const shift = <i32>(source - (sourceEnd + literal));
    literals = writeNumber(literals, literal);
    copies = writeNumber(copies, copy);
    shifts = writeNumber(shifts, <u32>((shift << 1) ^ (shift >> 31)));
    sourceEnd = source + copy;
  }
  store<u32>(ends, <u32>literals);
  store<u32>(ends, <u32>copies, 4);
  store<u32>(ends, <u32>shifts, 8);
}

/** Writes gaps, differences and literals; see `writeBytes` of the kernel. */
export function writeCopies(
  base: usize, plain: usize, plainBytes: u32, ops: usize, opCount: u32,
  gaps: usize, differences: usize, literals: usize, limit: u32, ends: usize,
): bool {
  let at: u32 = 0;
  let gap: u32 = 0;
  let left = limit;
  for (let i: u32 = 0; i < opCount; i++) {
    const op = ops + i * OP_BYTES;
    const literal = load<u32>(op);
    const copy = load<u32>(op, 4);
    memory.copy(literals, plain + at, literal);
    literals += literal;
    at += literal;
    const a = plain + at;
    const b = base + load<u32>(op, 8);
    for (let k: u32 = 0; k < copy; ) {
      if (k + 16 <= copy) {
        const equal = <u32>ctz(~equalMask(a + k, b + k) | 0x10000);
        gap += equal;
        k += equal;
        if (equal == 16) continue;
      } else if (isEqual(a + k, b + k)) {
        gap++;
        k++;
        continue;
      }
      if (left-- == 0) return false;
      gaps = writeNumber(gaps, gap);
      gap = 0;
      const count = min(4, copy - k);
      let difference: u32 = 0;
      if (count == 4) difference = load<u32>(a + k) - load<u32>(b + k);
      else for (let m: u32 = 0; m < count; m++) difference |= (<u32>(load<u8>(a + k + m) - load<u8>(b + k + m)) & 255) << (m << 3);
      store<u32>(differences, difference);
      differences += 4;
      k += count;
    }
    at += copy;
  }
  memory.copy(literals, plain + at, plainBytes - at);
  store<u32>(ends, <u32>gaps);
  store<u32>(ends, <u32>differences, 4);
  store<u32>(ends, <u32>literals + plainBytes - at, 8);
  return true;
}

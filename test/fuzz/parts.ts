/** Several byte strings in one, each behind its length in four bytes: an input of several files. */
export function joinParts(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(
    Buffer.concat(
      parts.flatMap((part) => {
        const length = Buffer.alloc(4);
        length.writeUInt32LE(part.length);
        return [length, part];
      }),
    ),
  );
}

/** What {@link joinParts} joined; of other bytes, what can be read so. */
export function splitParts(bytes: Uint8Array): Uint8Array[] {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const parts: Uint8Array[] = [];
  for (let at = 0; at + 4 <= view.length; ) {
    const end = at + 4 + view.readUInt32LE(at);
    parts.push(bytes.slice(at + 4, end));
    at = end;
  }
  return parts;
}

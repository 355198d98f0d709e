/** The last bytes of what is appended. */
export interface Tail {
  append(bytes: Uint8Array): void;
  /** The last `keptBytes`, or all if fewer came; valid until the next `append`. */
  last(): Uint8Array;
  clear(): void;
}

/** Keeps the last `keptBytes` of a stream. The buffer is larger than that, so that few bytes are moved. */
export function createTail(keptBytes: number): Tail {
  const buffer = new Uint8Array(4 * keptBytes);
  let length = 0;
  return {
    append(bytes) {
      const kept = lastBytes(bytes, keptBytes);
      if (length + kept.length > buffer.length) {
        buffer.copyWithin(0, length - keptBytes, length);
        length = keptBytes;
      }
      buffer.set(kept, length);
      length += kept.length;
    },
    last: () => lastBytes(buffer.subarray(0, length), keptBytes),
    clear() {
      length = 0;
    },
  };
}

/** The last `count` bytes, or all if there are fewer. A view. */
export function lastBytes(bytes: Uint8Array, count: number): Uint8Array {
  return bytes.subarray(Math.max(0, bytes.length - count));
}

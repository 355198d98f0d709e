import type { CompressedFile } from '../../src/compress/exact/byte-comparer.js';

/** Bytes in memory as a file. */
export function compressedFile(bytes: Uint8Array): CompressedFile {
  return {
    sizeBytes: bytes.length,
    read(into, position) {
      const piece = bytes.subarray(position, position + into.length);
      into.set(piece);
      return piece.length;
    },
  };
}

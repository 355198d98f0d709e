import { LIMITS } from '../../core/limits.js';

/** Bytes of CRC-32 and length after a member's deflate stream. */
export const GZIP_TRAILER_BYTES = 8;

const FIXED_BYTES = 10;
const FLAGS = { headerCrc: 2, extra: 4, name: 8, comment: 16, reserved: 0xe0 } as const;

/** True where bytes begin as a gzip member does. */
export function isGzip(head: Uint8Array): boolean {
  return head[0] === 0x1f && head[1] === 0x8b;
}

/**
 * The header of a gzip member (RFC 1952, section 2.3) at the beginning of `bytes`, a view of them.
 * @returns null when there is none, or none that ends within `LIMITS.gzipHeaderBytes`
 */
export function findGzipHeader(bytes: Uint8Array): Uint8Array | null {
  if (bytes.length < FIXED_BYTES || !isGzip(bytes) || bytes[2] !== 8) return null;
  const flags = bytes[3]!;
  if ((flags & FLAGS.reserved) !== 0) return null;
  let end = FIXED_BYTES;
  if (flags & FLAGS.extra) end += 2 + (bytes[end]! | (bytes[end + 1]! << 8));
  for (const text of [FLAGS.name, FLAGS.comment]) {
    if ((flags & text) === 0) continue;
    const zero = bytes.indexOf(0, end);
    if (zero < 0) return null;
    end = zero + 1;
  }
  if (flags & FLAGS.headerCrc) end += 2;
  return end <= Math.min(bytes.length, LIMITS.gzipHeaderBytes) ? bytes.subarray(0, end) : null;
}

/** CRC-32 and length of the plain bytes, as they follow a member's deflate stream. */
export function gzipTrailer(crc: number, plainBytes: number): Uint8Array {
  const trailer = Buffer.alloc(GZIP_TRAILER_BYTES);
  trailer.writeUInt32LE(crc, 0);
  trailer.writeUInt32LE(plainBytes % 2 ** 32, 4);
  return trailer;
}

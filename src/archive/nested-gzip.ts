import type { NestedScan, ScanPiece } from './scan-piece.js';

/** Fixed part of a header, longest that is looked for, and what follows the stream (RFC 1952). */
const FIXED_BYTES = 10;
const MAX_HEADER_BYTES = 4096;
const TRAILER_BYTES = 8;
const FLAGS = { headerCrc: 2, extra: 4, name: 8, comment: 16, reserved: 0xe0 } as const;

/** A scan of a gzip file, taken to have one member and nothing after it; null when it is none. */
export function createGzipScan(head: Uint8Array, sizeBytes: number): NestedScan | null {
  const isGzip = head[0] === 0x1f && head[1] === 0x8b && head[2] === 8 && (head[3]! & FLAGS.reserved) === 0;
  return isGzip && sizeBytes > FIXED_BYTES + TRAILER_BYTES ? new GzipScan(sizeBytes) : null;
}

class GzipScan implements NestedScan {
  #header: Buffer | null = Buffer.alloc(0);
  readonly #sizeBytes: number;
  #deflateLeft = 0;
  /** What a piece has does not depend on where others ended: what follows a header that is none is like it. */
  #restIs: 'contents' | 'frame' = 'frame';

  constructor(sizeBytes: number) {
    this.#sizeBytes = sizeBytes;
  }

  *push(bytes: Uint8Array): Generator<ScanPiece> {
    let rest = bytes;
    if (this.#header) {
      const held = this.#header.length;
      this.#header = Buffer.concat([this.#header, bytes.subarray(0, MAX_HEADER_BYTES - held)]);
      const headerBytes = headerLength(this.#header);
      if (headerBytes === null && this.#header.length < MAX_HEADER_BYTES) return;
      const header = this.#header;
      this.#header = null;
      const deflateBytes = headerBytes === null ? 0 : this.#sizeBytes - headerBytes - TRAILER_BYTES;
      if (headerBytes === null || deflateBytes <= 0) {
        this.#restIs = 'contents';
        yield { kind: 'contents', bytes: header };
        rest = bytes.subarray(header.length - held);
      } else {
        const frame = header.subarray(0, headerBytes);
        yield { kind: 'frame', bytes: frame };
        yield { kind: 'begin-deflate', name: '', sizeBytes: deflateBytes, header: frame };
        this.#deflateLeft = deflateBytes;
        rest = bytes.subarray(headerBytes - held);
      }
    }
    if (this.#deflateLeft > 0 && rest.length > 0) {
      const piece = rest.subarray(0, this.#deflateLeft);
      yield { kind: 'deflate', bytes: piece };
      this.#deflateLeft -= piece.length;
      rest = rest.subarray(piece.length);
      if (this.#deflateLeft === 0) yield { kind: 'end-deflate' };
    }
    if (rest.length > 0) yield { kind: this.#restIs, bytes: rest };
  }

  *finish(): Generator<ScanPiece> {
    if (this.#header && this.#header.length > 0) yield { kind: 'contents', bytes: this.#header };
    if (this.#deflateLeft > 0) yield { kind: 'end-deflate' };
  }
}

/** Null when it is not all there. */
function headerLength(bytes: Uint8Array): number | null {
  if (bytes.length < FIXED_BYTES) return null;
  const flags = bytes[3]!;
  let end = FIXED_BYTES;
  if (flags & FLAGS.extra) end += 2 + ((bytes[end] ?? 0) | ((bytes[end + 1] ?? 0) << 8));
  for (const text of [FLAGS.name, FLAGS.comment]) {
    if ((flags & text) === 0) continue;
    const zero = bytes.indexOf(0, end);
    if (zero < 0) return null;
    end = zero + 1;
  }
  if (flags & FLAGS.headerCrc) end += 2;
  return end <= bytes.length ? end : null;
}

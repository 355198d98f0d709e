import { createGzipScan } from './nested-gzip.js';
import type { NestedScan, ScanPiece } from './scan-piece.js';

/** An `ar` archive (deb(5)): this, and before each member a header; members are padded to an even length. */
const MAGIC = '!<arch>\n';
const HEADER_BYTES = 60;
const SIZE_AT = 48;
const SIZE_DIGITS = 10;
const FIRST_MEMBER = 'debian-binary';
const HEAD_BYTES = 3;

/** A scan of a Debian package; null when it is none, also for other `ar` archives, which hold object files. */
export function createDebScan(head: Uint8Array): NestedScan | null {
  const text = Buffer.from(head).toString('latin1');
  return text.startsWith(MAGIC + FIRST_MEMBER) ? new DebScan() : null;
}

class DebScan implements NestedScan {
  #magicLeft = MAGIC.length;
  #header = Buffer.alloc(0);
  #memberLeft = 0;
  #padding = 0;
  /** Of a member, until enough is there to tell what it is. */
  #head: Buffer | null = null;
  #inner: NestedScan | null = null;
  #isLost = false;

  *push(bytes: Uint8Array): Generator<ScanPiece> {
    for (let rest = bytes; rest.length > 0; ) {
      if (this.#isLost) {
        yield { kind: 'contents', bytes: rest };
        return;
      }
      const taken =
        this.#magicLeft || this.#memberLeft || this.#padding || HEADER_BYTES - this.#header.length;
      const piece = rest.subarray(0, taken);
      rest = rest.subarray(piece.length);
      if (this.#magicLeft > 0) {
        this.#magicLeft -= piece.length;
        yield { kind: 'frame', bytes: piece };
      } else if (this.#memberLeft > 0) yield* this.#member(piece);
      else if (this.#padding > 0) {
        this.#padding = 0;
        yield { kind: 'frame', bytes: piece };
      } else {
        yield { kind: 'frame', bytes: piece };
        this.#header = Buffer.concat([this.#header, piece]);
        if (this.#header.length === HEADER_BYTES) this.#beginMember();
      }
    }
  }

  *finish(): Generator<ScanPiece> {
    if (this.#head && this.#head.length > 0) yield { kind: 'contents', bytes: this.#head };
    if (this.#inner) yield* this.#inner.finish();
  }

  #beginMember(): void {
    const digits = this.#header.toString('latin1', SIZE_AT, SIZE_AT + SIZE_DIGITS).trimEnd();
    this.#header = Buffer.alloc(0);
    if (!/^[0-9]+$/.test(digits)) {
      this.#isLost = true;
      return;
    }
    this.#memberLeft = Number(digits);
    this.#padding = this.#memberLeft % 2;
    this.#head = this.#memberLeft > HEAD_BYTES ? Buffer.alloc(0) : null;
  }

  *#member(piece: Uint8Array): Generator<ScanPiece> {
    let bytes = piece;
    const sizeBytes = this.#memberLeft + (this.#head?.length ?? 0);
    this.#memberLeft -= piece.length;
    if (this.#head) {
      bytes = Buffer.concat([this.#head, piece]);
      this.#head = null;
      if (bytes.length <= HEAD_BYTES) {
        this.#head = Buffer.from(bytes);
        return;
      }
      this.#inner = createGzipScan(bytes, sizeBytes);
    }
    if (!this.#inner) yield { kind: 'contents', bytes };
    else yield* this.#inner.push(bytes);
    if (this.#memberLeft > 0 || !this.#inner) return;
    yield* this.#inner.finish();
    this.#inner = null;
  }
}

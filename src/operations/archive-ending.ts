import { isTarHeader, TAR_BLOCK_BYTES, TarBlock, tarTypeField } from '../archive/tar-header.js';

/** Headers that speak of the member after them: types x, X, L and K. */
const EXTENSION_TYPES: ReadonlySet<number> = new Set([0x78, 0x58, 0x4c, 0x4b]);

/**
 * Watches the skeleton of a tar pass and tells whether it ended as a tar may: behind an end marker anything
 * goes; without one, where a header or what belongs to a header had begun, it was cut off.
 */
export class ArchiveEnding {
  /** The last bytes that passed. */
  readonly #tail = new TarBlock();
  /** Bytes passed of a block (and the padding before it) or of an extension body. */
  #begunBytes = 0;
  #sawEndMarker = false;
  #awaitsMember = false;

  /** These skeleton bytes passed, at most `remainingBytes`, the walk's count before them. */
  skeleton(bytes: Uint8Array, remainingBytes: number): void {
    const tail = this.#tail.bytes;
    if (bytes.length >= TAR_BLOCK_BYTES) tail.set(bytes.subarray(bytes.length - TAR_BLOCK_BYTES));
    else {
      tail.copyWithin(0, bytes.length);
      tail.set(bytes, TAR_BLOCK_BYTES - bytes.length);
    }
    this.#begunBytes += bytes.length;
    if (bytes.length < remainingBytes) return;
    if (tail.every((byte) => byte === 0)) this.#sawEndMarker = true;
    else if (EXTENSION_TYPES.has(tarTypeField(tail)) && isTarHeader(this.#tail)) this.#awaitsMember = true;
    this.#begunBytes = 0;
  }

  /** A member's header passed. */
  member(): void {
    this.#awaitsMember = false;
  }

  /** True when the bytes that passed are no whole tar. Contents that were cut off are not looked at here. */
  get isCutOff(): boolean {
    if (this.#sawEndMarker) return false;
    const begun = this.#tail.bytes.subarray(TAR_BLOCK_BYTES - Math.min(this.#begunBytes, TAR_BLOCK_BYTES));
    return this.#awaitsMember || begun.some((byte) => byte !== 0);
  }
}

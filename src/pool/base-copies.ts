import type { RegionPool } from './region-pool.js';
import type { SharedRegion } from './shared-arena.js';

/** Larger regions would be of use for few things else. */
const REGION_BYTES = 1024 * 1024;

/** Chunks to lean on, taken out of their blocks: memory that threads share, of as many bytes as they have and little more. */
export class BaseCopies {
  readonly #regions: RegionPool;
  readonly #taken: SharedRegion[] = [];
  /** Of the last region. */
  #fillBytes = 0;

  constructor(regions: RegionPool) {
    this.#regions = regions;
  }

  /** @returns a copy of `piece`, valid until {@link release} */
  add(piece: Uint8Array): Uint8Array {
    const { bytes } = this.take(piece.length);
    this.#regions.copy(bytes, 0, piece);
    return bytes;
  }

  /** Room for the next one. */
  take(sizeBytes: number): SharedRegion {
    let region = this.#taken.at(-1);
    if (!region || this.#fillBytes + sizeBytes > region.bytes.length) {
      region = this.#regions.take(Math.max(sizeBytes, REGION_BYTES));
      this.#taken.push(region);
      this.#fillBytes = 0;
    }
    const { memory, buffer, offsetBytes, bytes } = region;
    const at = this.#fillBytes;
    this.#fillBytes += sizeBytes;
    return { memory, buffer, offsetBytes: offsetBytes + at, bytes: bytes.subarray(at, at + sizeBytes) };
  }

  /** To be called once, when no thread works on the copies any more. */
  release(): void {
    for (const region of this.#taken) this.#regions.give(region);
  }
}

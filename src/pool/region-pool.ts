import { loneRegion, type SharedArena, type SharedRegion } from './shared-arena.js';

/** Room for a small chunk, and for an ordinary block. Regions for larger ones are these doubled until they fit. */
const CHUNK_BYTES = 64 * 1024;
const MOST_CHUNK_BYTES = 512 * 1024;
const BLOCK_BYTES = 2 * 1024 * 1024;

/** Regions for decoded blocks and chunks, used again and again: in an arena while that has room, else on their own. */
export class RegionPool {
  readonly #arena: SharedArena | null;
  /** By size. */
  readonly #free = new Map<number, SharedRegion[]>();

  constructor(arena: SharedArena | null) {
    this.#arena = arena;
  }

  /** A region of at least `sizeBytes`, which holds anything. */
  take(sizeBytes: number): SharedRegion {
    let regionBytes = sizeBytes <= MOST_CHUNK_BYTES ? CHUNK_BYTES : BLOCK_BYTES;
    while (regionBytes < sizeBytes) regionBytes *= 2;
    const free = this.#free.get(regionBytes)?.pop();
    return free ?? this.#arena?.allocate(regionBytes) ?? loneRegion(regionBytes);
  }

  /** Copies `source` into `target` from `at` on, the fast way where that can be. */
  copy(target: Uint8Array, at: number, source: Uint8Array): void {
    if (this.#arena) this.#arena.copy(target, at, source);
    else target.set(source, at);
  }

  /** Takes a region back that no thread works on any more. */
  give(region: SharedRegion): void {
    // All are kept: what is let go is memory until the next garbage collection, which knows nothing of its size.
    const free = this.#free.get(region.bytes.length);
    if (free) free.push(region);
    else this.#free.set(region.bytes.length, [region]);
  }
}

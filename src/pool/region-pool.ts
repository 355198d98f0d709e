import { loneRegion, type SharedArena, type SharedRegion } from './shared-arena.js';

/** Room for an ordinary block. Regions for larger ones are this doubled until they fit. */
const SMALLEST_BYTES = 2 * 1024 * 1024;

/** Regions for decoded blocks, used again and again: in an arena while that has room, else on their own. */
export class RegionPool {
  readonly #arena: SharedArena | null;
  /** By size. */
  readonly #free = new Map<number, SharedRegion[]>();

  constructor(arena: SharedArena | null) {
    this.#arena = arena;
  }

  /** A region of at least `sizeBytes`, which holds anything. */
  take(sizeBytes: number): SharedRegion {
    let regionBytes = SMALLEST_BYTES;
    while (regionBytes < sizeBytes) regionBytes *= 2;
    const free = this.#free.get(regionBytes)?.pop();
    return free ?? this.#arena?.allocate(regionBytes) ?? loneRegion(regionBytes);
  }

  /** Takes a region back that no thread works on any more. */
  give(region: SharedRegion): void {
    // All are kept: what is let go is memory until the next garbage collection, which knows nothing of its size.
    const free = this.#free.get(region.bytes.length);
    if (free) free.push(region);
    else this.#free.set(region.bytes.length, [region]);
  }
}

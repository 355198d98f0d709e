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
    const { length } = region.bytes;
    // What is outside the arena goes back to the system, but for regions of the size that is always asked for.
    if (length > SMALLEST_BYTES && !this.#arena?.holds(region)) return;
    const free = this.#free.get(length);
    if (free) free.push(region);
    else this.#free.set(length, [region]);
  }
}

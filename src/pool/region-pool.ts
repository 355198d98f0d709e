import { loneRegion, type SharedArena, type SharedRegion } from './shared-arena.js';

/** Room for a small chunk. Larger regions are this doubled until they fit. */
const LEAST_BYTES = 64 * 1024;
/** Room for an ordinary block: smaller regions are halves of it, their halves and so on. */
const BLOCK_BYTES = 2 * 1024 * 1024;

/**
 * Regions for decoded blocks and chunks, used again and again: in an arena while that has room, else on their own. Halves of a
 * region that are both free are one again, so that chunks and blocks take one another's room.
 */
export class RegionPool {
  readonly #arena: SharedArena | null;
  /** By size, and by where they begin in which of the whole regions. */
  readonly #free = new Map<number, Map<string, Part>>();
  readonly #taken = new Map<SharedRegion, Part>();
  #wholes = 0;

  constructor(arena: SharedArena | null) {
    this.#arena = arena;
  }

  /** A region of at least `sizeBytes`, which holds anything. */
  take(sizeBytes: number): SharedRegion {
    const regionBytes = regionBytesOf(sizeBytes);
    const part = this.#takePart(regionBytes);
    const { memory, buffer, offsetBytes, bytes } = part.whole;
    const region = {
      ...{ memory, buffer },
      offsetBytes: offsetBytes + part.at,
      bytes: bytes.subarray(part.at, part.at + regionBytes),
    };
    this.#taken.set(region, part);
    return region;
  }

  /** Copies bytes of one region into another, the fast way where that can be. */
  move(target: SharedRegion, at: number, source: SharedRegion, from: number, sizeBytes: number): void {
    if (this.#arena) this.#arena.move(target, at, source, from, sizeBytes);
    else target.bytes.set(source.bytes.subarray(from, from + sizeBytes), at);
  }

  /** Copies `source` into `target` from `at` on, as {@link move}. */
  copy(target: Uint8Array, at: number, source: Uint8Array): void {
    if (this.#arena) this.#arena.copy(target, at, source);
    else target.set(source, at);
  }

  /** Takes a region back that no thread works on any more. */
  give(region: SharedRegion): void {
    // All are kept: what is let go is memory until the next garbage collection, which knows nothing of its size.
    let part = this.#taken.get(region)!;
    this.#taken.delete(region);
    for (; part.sizeBytes < part.whole.bytes.length; part = joined(part)) {
      const free = this.#freeOf(part.sizeBytes);
      const other = keyOf({ ...part, at: part.at ^ part.sizeBytes });
      if (!free.delete(other)) break;
    }
    this.#freeOf(part.sizeBytes).set(keyOf(part), part);
  }

  #takePart(sizeBytes: number): Part {
    const free = this.#freeOf(sizeBytes);
    for (const [key, part] of free) {
      free.delete(key);
      return part;
    }
    if (sizeBytes >= BLOCK_BYTES) {
      const whole = this.#arena?.allocate(sizeBytes) ?? loneRegion(sizeBytes);
      return { whole, number: this.#wholes++, at: 0, sizeBytes };
    }
    const twice = this.#takePart(2 * sizeBytes);
    const second = { ...twice, at: twice.at + sizeBytes, sizeBytes };
    free.set(keyOf(second), second);
    return { ...twice, sizeBytes };
  }

  #freeOf(sizeBytes: number): Map<string, Part> {
    let free = this.#free.get(sizeBytes);
    if (!free) {
      free = new Map();
      this.#free.set(sizeBytes, free);
    }
    return free;
  }
}

/** How large a region of at least `sizeBytes` is. */
export function regionBytesOf(sizeBytes: number): number {
  let regionBytes = LEAST_BYTES;
  while (regionBytes < sizeBytes) regionBytes *= 2;
  return regionBytes;
}

/** A part of a region as the arena gave it. */
interface Part {
  whole: SharedRegion;
  number: number;
  at: number;
  sizeBytes: number;
}

/** The part that one and its other half make. */
function joined({ at, sizeBytes, ...of }: Part): Part {
  return { ...of, at: at & ~sizeBytes, sizeBytes: 2 * sizeBytes };
}

function keyOf({ number, at }: Part): string {
  return `${number}:${at}`;
}

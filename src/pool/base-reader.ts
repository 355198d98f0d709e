import type { ChunkLocation } from '../catalog/chunk-table.js';
import { DbupError } from '../core/errors.js';
import type { BaseCopies } from './base-copies.js';
import type { BlockCache, ChunkLease } from './block-cache.js';
import type { ChunkCatalog } from './chunk-catalog.js';
import type { SharedRegion } from './shared-arena.js';

/** Blocks that lean on nothing, begun to be read before it is their turn. */
const BLOCKS_AHEAD = 2;

/** A chunk to lean on. */
export interface BaseBytes {
  id: Uint8Array;
  bytes: Uint8Array;
  /** Of the block it lies in. */
  depth: number;
}

/** Room for a chunk. */
interface Room extends BaseBytes {
  into: SharedRegion;
  place: ChunkLocation;
  isBrief: boolean;
}

/** Takes chunks out of the blocks over which they lie scattered, so that few blocks are held at a time. */
export class BaseReader {
  readonly #cache: BlockCache;
  readonly #chunks: ChunkCatalog;
  readonly #deltasAtOnce: number;

  /** @param deltasAtOnce blocks being read that lean on others: each holds several of these */
  constructor(cache: BlockCache, chunks: ChunkCatalog, deltasAtOnce: number) {
    this.#cache = cache;
    this.#chunks = chunks;
    this.#deltasAtOnce = deltasAtOnce;
  }

  /**
   * @param entries of the chunk table, all in finished packs
   * @param copies of the cache, where their bytes are put
   * @returns those that could be read: who asks goes on beside damage that is none of its own
   */
  async read(entries: readonly number[], copies: BaseCopies): Promise<BaseBytes[]> {
    const rooms = this.#roomsIn(copies, entries);
    const found = new Set([...(await this.#makeBrief(rooms)), ...(await this.#takeOut(rooms))]);
    return rooms.filter((room) => found.has(room));
  }

  /** Where each chunk is put. */
  #roomsIn(copies: BaseCopies, entries: readonly number[]): Room[] {
    const { table, packs } = this.#chunks;
    return entries.map((entry) => {
      const place = table.location(entry);
      const into = copies.take(place.sizeBytes);
      const { depth } = packs[place.packIndex]!.footer.blocks[place.blockIndex]!;
      // A copy of the id: the table's view ends with its next growth.
      return {
        id: new Uint8Array(table.id(entry)),
        place,
        depth,
        into,
        bytes: into.bytes,
        isBrief: this.#cache.isBrief(place),
      };
    });
  }

  /** @returns those that could be made */
  async #makeBrief(rooms: readonly Room[]): Promise<Room[]> {
    const brief = rooms.filter(({ isBrief }) => isBrief);
    const errors = await this.#cache.makeChunks(brief.map(({ id, place, into }) => ({ id, place, into })));
    for (const error of errors) if (error && !isPoolError(error)) throw error;
    return brief.filter((_, i) => errors[i] === null);
  }

  /** @returns those that could be read */
  async #takeOut(rooms: readonly Room[]): Promise<Room[]> {
    const whole = rooms.filter(({ isBrief }) => !isBrief).sort(byBlock);
    const found: Room[] = [];
    const ahead: { lease: ChunkLease; room: Room }[] = [];
    let next = 0;
    try {
      for (;;) {
        while (next < whole.length && this.#mayBegin(whole[next]!, ahead)) {
          const room = whole[next++]!;
          const lease = this.#lease(room.id);
          if (lease) ahead.push({ lease, room });
        }
        const first = ahead.shift();
        if (!first) return found;
        const { lease, room } = first;
        try {
          await lease.ready;
          this.#cache.copy(room.bytes, 0, lease.bytes);
          found.push(room);
        } catch (error) {
          if (!isPoolError(error)) throw error;
        } finally {
          lease.release();
        }
      }
    } finally {
      for (const { lease } of ahead) lease.release();
    }
  }

  #mayBegin({ depth, place }: Room, ahead: readonly { room: Room }[]): boolean {
    const begun = new Map(ahead.map(({ room }) => [blockOf(room.place), room.depth]));
    const deltas = [...begun.values()].filter((other) => other > 0).length;
    if (begun.has(blockOf(place))) return true;
    return (
      begun.size < Math.max(BLOCKS_AHEAD, this.#deltasAtOnce) && (depth === 0 || deltas < this.#deltasAtOnce)
    );
  }

  #lease(id: Uint8Array): ChunkLease | null {
    try {
      return this.#cache.lease(id);
    } catch (error) {
      if (isPoolError(error)) return null;
      throw error;
    }
  }
}

/** Each block once, those that lean on others first: what these lean on may be wanted as well. */
function byBlock(a: Room, b: Room): number {
  return (
    b.depth - a.depth || a.place.packIndex - b.place.packIndex || a.place.blockIndex - b.place.blockIndex
  );
}

function blockOf({ packIndex, blockIndex }: ChunkLocation): string {
  return `${packIndex}:${blockIndex}`;
}

function isPoolError(error: unknown): boolean {
  return error instanceof DbupError && error.code.startsWith('POOL_');
}

import { DbupError } from '../core/errors.js';
import type { BlockCache, ChunkLease } from './block-cache.js';
import type { ChunkCatalog } from './chunk-catalog.js';

/** Blocks begun to be read before it is their turn. */
const BLOCKS_AHEAD = 2;

/** A chunk to lean on. */
export interface BaseBytes {
  id: Uint8Array;
  bytes: Uint8Array;
  /** Of the block it lies in. */
  depth: number;
}

/** Gathers chunks that lie scattered over blocks into one stretch of memory, so that few blocks are held at a time. */
export class BaseReader {
  readonly #cache: BlockCache;
  readonly #chunks: ChunkCatalog;

  constructor(cache: BlockCache, chunks: ChunkCatalog) {
    this.#cache = cache;
    this.#chunks = chunks;
  }

  /**
   * @param entries of the chunk table, all in finished packs
   * @param into a window of the cache with room for all of them; the bytes are views of it
   * @returns those that could be read: who asks goes on beside damage that is none of its own
   */
  async read(entries: readonly number[], into: Uint8Array): Promise<BaseBytes[]> {
    const found: BaseBytes[] = [];
    const ahead: { lease: ChunkLease; entry: number }[] = [];
    let next = 0;
    let at = 0;
    try {
      for (;;) {
        while (next < entries.length && this.#mayBegin(ahead)) {
          const entry = entries[next++]!;
          const lease = this.#lease(entry);
          if (lease) ahead.push({ lease, entry });
        }
        const first = ahead.shift();
        if (!first) return found;
        const { lease, entry } = first;
        try {
          await lease.ready;
          this.#cache.copy(into, at, lease.bytes);
          const bytes = into.subarray(at, at + lease.bytes.length);
          found.push({ id: lease.id, bytes, depth: this.#depthOf(entry) });
          at += bytes.length;
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

  #mayBegin(ahead: readonly { lease: ChunkLease }[]): boolean {
    return new Set(ahead.map(({ lease }) => lease.blockKey)).size < BLOCKS_AHEAD;
  }

  #lease(entry: number): ChunkLease | null {
    try {
      // A copy of the id: the table's view ends with its next growth.
      return this.#cache.lease(new Uint8Array(this.#chunks.table.id(entry)));
    } catch (error) {
      if (isPoolError(error)) return null;
      throw error;
    }
  }

  #depthOf(entry: number): number {
    const { packIndex, blockIndex } = this.#chunks.table.location(entry);
    return this.#chunks.packs[packIndex]!.footer.blocks[blockIndex]!.depth;
  }
}

function isPoolError(error: unknown): boolean {
  return error instanceof DbupError && error.code.startsWith('POOL_');
}

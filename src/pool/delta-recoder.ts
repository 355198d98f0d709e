import { DICTIONARY_LEVEL } from '../compress/delta/delta-encoder.js';
import { BLOCK_CODEC } from '../format/block-entry.js';
import { basesOfBlock } from '../format/pack.js';
import type { BlockToWrite } from '../store/pack-file.js';
import type { BlockCache, ChunkLease } from './block-cache.js';
import type { BlockWorkers } from './block-workers.js';
import type { BlockAddress, ChunkCatalog } from './chunk-catalog.js';
import type { SharedRegion } from './shared-arena.js';
import { blockEntry } from './stored-block.js';

/** Deltas upon deltas, at most, where one may have a dictionary. */
const MOST_DICTIONARY_DEPTH = 4;

/** A block's stored form and what it leans on. */
export type CodedForm = Pick<BlockToWrite, 'stored' | 'codec' | 'xxh64' | 'depth' | 'baseIds'>;

/** Codes chunks of a delta block anew against the bases it has. */
export class DeltaRecoder {
  readonly #cache: BlockCache;
  readonly #chunks: ChunkCatalog;
  readonly #workers: BlockWorkers;
  readonly #level: number;

  constructor(cache: BlockCache, chunks: ChunkCatalog, workers: BlockWorkers, level: number) {
    this.#cache = cache;
    this.#chunks = chunks;
    this.#workers = workers;
    this.#level = level;
  }

  /**
   * Codes the first `plainBytes` of a region, which are chunks of that block, as a delta against its bases, or plain
   * where a delta is not clearly smaller. The region's bytes are gone when it resolves; `stored` lies in it.
   * The depth is never greater than the block's: what leans on these chunks can go on doing so.
   * @throws DbupError POOL_DAMAGED, POOL_INCOMPLETE when a base cannot be read
   */
  async recode(address: BlockAddress, region: SharedRegion, plainBytes: number): Promise<CodedForm> {
    const entry = blockEntry(this.#chunks, address);
    const leases: ChunkLease[] = [];
    try {
      for (const id of basesOfBlock(this.#chunks.packs[address.packIndex]!.footer, entry))
        leases.push(this.#cache.lease(id));
      await Promise.all(leases.map(({ ready }) => ready));
      // Long chains are read by taking each delta apart, which a dictionary cannot be.
      const level =
        entry.depth > MOST_DICTIONARY_DEPTH ? Math.min(this.#level, DICTIONARY_LEVEL - 1) : this.#level;
      const coded = await this.#workers.encodeDelta(region, plainBytes, level, leases);
      const { stored, codec, xxh64 } = coded;
      if (codec !== BLOCK_CODEC.delta) return { stored, codec, xxh64, depth: 0, baseIds: [] };
      const baseIds = coded.usedBases.map((number) => leases[number]!.id);
      const depths = baseIds.map((id) => this.#depthOf(id));
      return { stored, codec, xxh64, depth: 1 + Math.max(...depths), baseIds };
    } finally {
      for (const { ready, release } of leases) ready.then(release, release);
    }
  }

  #depthOf(id: Uint8Array): number {
    const { table } = this.#chunks;
    return blockEntry(this.#chunks, table.location(table.find(id))).depth;
  }
}

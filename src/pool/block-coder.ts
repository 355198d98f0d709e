import { DbupError } from '../core/errors.js';
import { BLOCK_CODEC } from '../format/block-entry.js';
import { BLOCK_KIND, type BlockKind } from '../format/pack.js';
import type { BlockToWrite } from '../store/pack-file.js';
import type { BaseFinder, ChunkOrigin } from './base-finder.js';
import type { BlockCache, ChunkLease } from './block-cache.js';
import type { BlockWorkers } from './block-workers.js';
import type { ChunkCatalog } from './chunk-catalog.js';
import type { CodedForm } from './delta-recoder.js';
import type { SharedRegion } from './shared-arena.js';
import type { StreamGuide } from './stream-guide.js';
import { TurnQueue } from './turn-queue.js';

/** Base bytes for each plain byte of a block: enough for what was there before and its surroundings. */
const BASE_BYTES_PER_BYTE = 2.5;
const MIN_BASE_BYTES = 1024 * 1024;

/** New chunks put together, waiting to be coded. */
export interface SealedBlock {
  kind: BlockKind;
  region: SharedRegion;
  plainBytes: number;
  chunkIds: Uint8Array[];
  chunkBytes: number[];
  origins: (ChunkOrigin | null)[];
  /** Known chunks of each guide when the block was sealed. */
  horizon: Map<StreamGuide, number>;
}

/** Turns sealed blocks into stored ones: as a delta against bases of the pool where that is smaller, else compressed on their own. */
export class BlockCoder {
  readonly #workers: BlockWorkers;
  readonly #level: number;
  readonly #bases: { finder: BaseFinder; cache: BlockCache; chunks: ChunkCatalog } | null;
  /** Blocks whose bases are held in memory: one is coded, the bases of the next are read. */
  readonly #leaning: TurnQueue;

  /** @param bases null when the pool has nothing to lean on */
  constructor(
    workers: BlockWorkers,
    level: number,
    bases: { finder: BaseFinder; cache: BlockCache; chunks: ChunkCatalog } | null,
  ) {
    this.#workers = workers;
    this.#level = level;
    this.#bases = bases;
    this.#leaning = new TurnQueue(1 + Math.max(1, workers.threads >> 1));
  }

  get findsBases(): boolean {
    return this.#bases !== null;
  }

  /** The block's stored form, which lies in its region: the plain bytes are gone. */
  async code(block: SealedBlock): Promise<BlockToWrite> {
    const { kind, region, plainBytes, chunkIds, chunkBytes } = block;
    const sketches =
      kind === BLOCK_KIND.data ? await this.#workers.sketch(region, Uint32Array.from(chunkBytes)) : null;
    const lengths = {
      kind,
      plainBytes,
      chunkIds,
      chunkBytes,
      ...(sketches && { sketches: bytesOf(sketches) }),
    };
    const delta = await this.#leaning.add(() => this.#codeAsDelta(block, sketches)).done;
    if (delta) return { ...lengths, ...delta };
    const plain = await this.#workers.compress(region, plainBytes, this.#level);
    return { ...lengths, ...plain, depth: 0, baseIds: [] };
  }

  async #codeAsDelta(
    { kind, region, plainBytes, origins, horizon }: SealedBlock,
    sketches: Uint32Array | null,
  ): Promise<CodedForm | null> {
    if (!this.#bases) return null;
    const maxBytes = Math.max(MIN_BASE_BYTES, plainBytes * BASE_BYTES_PER_BYTE);
    const entries = await this.#bases.finder.find({ kind, origins, horizon, sketches, maxBytes });
    const leases = await this.#leaseBases(entries);
    try {
      if (leases.length === 0) return null;
      const coded = await this.#workers.encodeDelta(region, plainBytes, this.#level, leases);
      const { stored, codec, xxh64 } = coded;
      if (codec !== BLOCK_CODEC.delta) return { stored, codec, xxh64, depth: 0, baseIds: [] };
      const used = coded.usedBases.map((number) => leases[number]!);
      const depth = 1 + used.reduce((most, { depth }) => Math.max(most, depth), 0);
      return { stored, codec, xxh64, depth, baseIds: used.map(({ id }) => id) };
    } finally {
      for (const { release } of leases) release();
    }
  }

  /** What cannot be read is left out: a save goes on beside damage that is none of its own. */
  async #leaseBases(entries: readonly number[]): Promise<(ChunkLease & { depth: number })[]> {
    const { cache, chunks } = this.#bases!;
    const leases: (ChunkLease & { depth: number })[] = [];
    for (const entry of entries) {
      // A copy: the table's view ends with its next growth.
      const id = new Uint8Array(chunks.table.id(entry));
      const { packIndex, blockIndex } = chunks.table.location(entry);
      try {
        leases.push({ ...cache.lease(id), depth: chunks.packs[packIndex]!.footer.blocks[blockIndex]!.depth });
      } catch (error) {
        if (!isPoolError(error)) throw error;
      }
    }
    const ready = await Promise.allSettled(leases.map((lease) => lease.ready));
    return leases.filter(({ release }, i) => {
      const state = ready[i]!;
      if (state.status === 'fulfilled') return true;
      release();
      if (isPoolError(state.reason)) return false;
      throw state.reason;
    });
  }
}

function isPoolError(error: unknown): boolean {
  return error instanceof DbupError && error.code.startsWith('POOL_');
}

/** The bytes of a block's sketches as its pack has them; zeros are left to say that there is none. */
function bytesOf(sketches: Uint32Array): Uint8Array {
  return new Uint8Array(sketches.buffer, sketches.byteOffset, sketches.length * 4);
}

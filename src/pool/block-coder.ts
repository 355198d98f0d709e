import { BLOCK_CODEC } from '../format/block-entry.js';
import { BLOCK_KIND, type BlockKind } from '../format/pack.js';
import type { BlockToWrite } from '../store/pack-file.js';
import type { BaseFinder, ChunkOrigin } from './base-finder.js';
import { BaseReader } from './base-reader.js';
import type { BlockCache } from './block-cache.js';
import type { BlockWorkers } from './block-workers.js';
import type { ChunkCatalog } from './chunk-catalog.js';
import type { CodedForm } from './delta-recoder.js';
import type { SharedRegion } from './shared-arena.js';
import type { StreamGuide } from './stream-guide.js';
import { TurnQueue } from './turn-queue.js';

/** Base bytes for each plain byte of a full block: enough for what was there before and its surroundings. */
const BASE_BYTES_PER_BYTE = 2;

/** Where bases come from. */
export interface BaseParts {
  finder: BaseFinder;
  cache: BlockCache;
  chunks: ChunkCatalog;
}

/** Blocks whose bases are held in memory: deltas are sought for one or more, one is stored, the bases of the next are read. */
function blocksAtOnce({ searchingThreads }: BlockWorkers): number {
  return 2 + searchingThreads;
}

/** What a {@link BlockCoder} needs, at most, besides the blocks of its cache. */
export function baseWindowBytes(workers: BlockWorkers, blockBytes: number): number {
  return blocksAtOnce(workers) * blockBytes * BASE_BYTES_PER_BYTE;
}

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
  readonly #baseBytes: number;
  readonly #bases: (BaseParts & { reader: BaseReader }) | null;
  readonly #leaning: TurnQueue;
  /** One block's bases at a time: each may lean on others, and those too. */
  readonly #reading = new TurnQueue(1);

  /**
   * @param bases null when the pool has nothing to lean on
   * @param blockBytes plain bytes of a full block
   */
  constructor(workers: BlockWorkers, level: number, blockBytes: number, bases: BaseParts | null) {
    this.#workers = workers;
    this.#level = level;
    this.#baseBytes = blockBytes * BASE_BYTES_PER_BYTE;
    this.#bases = bases && {
      ...bases,
      reader: new BaseReader(bases.cache, bases.chunks, workers.searchingThreads),
    };
    this.#leaning = new TurnQueue(blocksAtOnce(workers));
    if (bases) workers.willSearch();
  }

  get findsBases(): boolean {
    return this.#bases !== null;
  }

  /** To be called as soon as there is something new: looking for bases then begins beside reading. */
  prepare(): void {
    this.#bases?.finder.prepare();
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
    const { finder, reader, cache } = this.#bases;
    const entries = await finder.find({ kind, origins, horizon, sketches, maxBytes: this.#baseBytes });
    if (entries.length === 0) return null;
    const copies = cache.baseCopies();
    try {
      const bases = await this.#reading.add(() => reader.read(entries, copies)).done;
      if (bases.length === 0) return null;
      const coded = await this.#workers.encodeDelta(region, plainBytes, this.#level, bases);
      const { stored, codec, xxh64 } = coded;
      if (codec !== BLOCK_CODEC.delta) return { stored, codec, xxh64, depth: 0, baseIds: [] };
      const used = coded.usedBases.map((number) => bases[number]!);
      const depth = 1 + used.reduce((most, { depth }) => Math.max(most, depth), 0);
      return { stored, codec, xxh64, depth, baseIds: used.map(({ id }) => id) };
    } finally {
      copies.release();
    }
  }
}

/** The bytes of a block's sketches as its pack has them; zeros are left to say that there is none. */
function bytesOf(sketches: Uint32Array): Uint8Array {
  return new Uint8Array(sketches.buffer, sketches.byteOffset, sketches.length * 4);
}

import type { ChunkLocation } from '../catalog/chunk-table.js';
import { DbupError } from '../core/errors.js';
import { sha256Hex } from '../hash/sha256.js';
import type { PoolLayout } from '../store/pool-layout.js';
import type { RebuiltBlobs } from '../store/rebuilt-blobs.js';
import type { SpillFile } from '../store/spill-file.js';
import { BaseCopies } from './base-copies.js';
import { BlockDecoder } from './block-decoder.js';
import type { BlockLease } from './block-lease.js';
import { BlockSpill } from './block-spill.js';
import type { BlockWorkers } from './block-workers.js';
import { type BlockAddress, type ChunkCatalog, locateChunk } from './chunk-catalog.js';
import type { WantedChunk } from './chunk-maker.js';
import type { GzipWorkers } from './gzip-workers.js';
import { RegionPool, regionBytesOf } from './region-pool.js';
import { SharedArena, type SharedRegion } from './shared-arena.js';
import { TurnQueue } from './turn-queue.js';

const DEFAULT_BUDGET_BYTES = 48 * 1024 * 1024;
const DEFAULT_WINDOW_BYTES = 4 * 1024 * 1024;
/** Delta blocks decoded together, at most: each holds the blocks of its bases. */
const MAX_DELTAS_AT_ONCE = 4;
/** Of larger ones, which hold more, one at a time. */
const USUAL_DELTA_BYTES = 2 * 1024 * 1024;

interface CachedBlock {
  region: SharedRegion;
  decoded: Promise<void>;
  /** No thread works on it any more. */
  isSettled: boolean;
  pins: number;
  /** Begins to decode now, without waiting for its turn. */
  hurry(): void;
}

/** A chunk's bytes, mostly inside a decoded block, held in memory until it is released. */
export interface ChunkLease {
  /** Valid after `ready` has resolved and until `release`. */
  bytes: Uint8Array;
  ready: Promise<void>;
  id: Uint8Array;
  /** Names the block, or the chunk where it was read alone: leases of one cost its memory once. */
  blockKey: string;
  /** Memory of the block. */
  blockBytes: number;
  release(): void;
}

/**
 * Decoded blocks, read by worker threads, the least recently used let go first. Memory is bounded by the leases held, the
 * budget, and what is needed to decode a few delta blocks at once: for each a quarter of the budget and the bytes of its
 * bases, at each depth.
 */
export class BlockCache {
  /** The threads that make gzip files again of what is read. */
  readonly gzip: GzipWorkers;
  /** Gzip files that were made again, where a reader wants them kept. */
  readonly rebuilt: RebuiltBlobs | null;
  readonly #chunks: ChunkCatalog;
  readonly #decoder: BlockDecoder;
  readonly #deltas: TurnQueue;
  readonly #largeDeltas = new TurnQueue(1);
  readonly #budgetBytes: number;
  readonly #arena: SharedArena;
  readonly #regions: RegionPool;
  /** In order of last use. */
  readonly #blocks = new Map<string, CachedBlock>();
  readonly #freeWindows: Uint8Array[] = [];
  #cachedBytes = 0;

  /**
   * @param options.budgetBytes of decoded blocks that nobody holds; 48 MiB by default
   * @param options.windowBytes of all windows together, into which copying is fast; 4 MiB by default
   * @param options.spill where decoded blocks are put that may be wanted again when they have been let go; nowhere by default
   */
  constructor(
    layout: PoolLayout,
    chunks: ChunkCatalog,
    workers: BlockWorkers,
    {
      budgetBytes = DEFAULT_BUDGET_BYTES,
      windowBytes = DEFAULT_WINDOW_BYTES,
      rebuilt = null,
      spill = null,
    }: {
      budgetBytes?: number;
      windowBytes?: number;
      rebuilt?: RebuiltBlobs | null;
      spill?: SpillFile | null;
    } = {},
  ) {
    this.#chunks = chunks;
    this.gzip = workers.gzip;
    this.rebuilt = rebuilt;
    this.#budgetBytes = budgetBytes;
    this.#arena = new SharedArena(budgetBytes + windowBytes);
    // Two for each thread: one waits for its bases while the other is decoded.
    this.#deltas = new TurnQueue(Math.min(2 * workers.threads, MAX_DELTAS_AT_ONCE));
    this.#regions = new RegionPool(this.#arena);
    const lease = (address: BlockAddress): BlockLease => this.leaseBlock(address);
    const heldBytes = budgetBytes / 4;
    const parts = { layout, chunks, workers, spill: spill && new BlockSpill(spill, workers) };
    this.#decoder = new BlockDecoder(parts, lease, heldBytes, this.#regions);
  }

  /**
   * Starts to read the block that holds a chunk.
   * @throws DbupError POOL_INCOMPLETE when no pack holds the chunk; `ready` rejects with POOL_DAMAGED, or with
   * POOL_INCOMPLETE when something that the block leans on is missing
   */
  lease(id: Uint8Array): ChunkLease {
    const place = locateChunk(this.#chunks, id);
    if (!place) throw missingChunk(this.#chunks, id);
    const isAlone = this.#decoder.isLight(place);
    const blockKey = isAlone ? `${keyOf(place)}:${place.offsetBytes}` : keyOf(place);
    const block = this.#pin(blockKey, () => (isAlone ? this.#readAlone(place, id) : this.#read(place)));
    const at = isAlone ? 0 : place.offsetBytes;
    return {
      bytes: block.region.bytes.subarray(at, at + place.sizeBytes),
      ready: block.decoded,
      id,
      blockKey,
      blockBytes: block.region.bytes.length,
      release: () => this.#unpin(block),
    };
  }

  /** Reads a whole block out of turn: for what leans on it, which must not wait for those that wait for it. */
  leaseBlock(address: BlockAddress): BlockLease {
    const block = this.#pin(keyOf(address), () => this.#read(address));
    block.hurry();
    return { region: block.region, ready: block.decoded, release: () => this.#unpin(block) };
  }

  /** True for a block of which some chunks are better made together with those of others: see {@link makeChunks}. */
  isBrief(address: BlockAddress): boolean {
    return this.#decoder.isBrief(address);
  }

  /**
   * Makes chunks of brief blocks in memory of the caller's, which is to be shared; what several of them come down to is read once.
   * @returns of each what is wrong with it, if anything is: DbupError POOL_DAMAGED or POOL_INCOMPLETE
   */
  makeChunks(chunks: readonly WantedChunk[]): Promise<(DbupError | null)[]> {
    return this.#decoder.makeChunks(chunks);
  }

  /** A copy of one chunk, checked against its id. For recipes and list nodes; file contents go by leases. */
  async readChunk(id: Uint8Array): Promise<Uint8Array> {
    const lease = this.lease(id);
    try {
      await lease.ready;
      const bytes = new Uint8Array(lease.bytes);
      checkChunk(id, bytes);
      return bytes;
    } finally {
      lease.release();
    }
  }

  /** Room for chunks that others lean on. Who gets it releases it. */
  baseCopies(): BaseCopies {
    return new BaseCopies(this.#regions);
  }

  /** A buffer into which `copy` is fast from the bytes of a lease; an ordinary one when there are too many. */
  window(sizeBytes: number): Uint8Array {
    return this.#freeWindows.pop() ?? this.#arena.allocate(sizeBytes)?.bytes ?? new Uint8Array(sizeBytes);
  }

  /** Gives a window back. All windows are of one size. */
  returnWindow(window: Uint8Array): void {
    this.#freeWindows.push(window);
  }

  copy(target: Uint8Array, at: number, source: Uint8Array): void {
    this.#arena.copy(target, at, source);
  }

  #pin(key: string, read: () => CachedBlock): CachedBlock {
    const cached = this.#blocks.get(key);
    if (cached) this.#blocks.delete(key);
    const block = cached ?? read();
    this.#blocks.set(key, block);
    block.pins++;
    return block;
  }

  #unpin(block: CachedBlock): void {
    block.pins--;
    this.#shrink(this.#budgetBytes);
  }

  #read(address: BlockAddress): CachedBlock {
    const { plainBytes, baseCount } =
      this.#chunks.packs[address.packIndex]!.footer.blocks[address.blockIndex]!;
    const region = this.#takeRegion(plainBytes);
    const decode = (): Promise<void> => this.#decoder.decode(address, region, false).then(() => {});
    if (baseCount > 0) {
      const turns = plainBytes > USUAL_DELTA_BYTES ? this.#largeDeltas : this.#deltas;
      const { done: decoded, hurry } = turns.add(decode);
      return cachedBlock(region, decoded, hurry);
    }
    return cachedBlock(region, decode(), () => {});
  }

  /** Reads a chunk without the block around it. */
  #readAlone(place: ChunkLocation, id: Uint8Array): CachedBlock {
    const region = this.#takeRegion(place.sizeBytes);
    const { done: decoded, hurry } = this.#deltas.add(async () => {
      const [error] = await this.#decoder.makeChunks([{ place, id, into: region }]);
      if (error) throw error;
    });
    return cachedBlock(region, decoded, hurry);
  }

  /** Memory for a block: what nobody holds goes first, so that no more than the budget is taken while that can be. */
  #takeRegion(sizeBytes: number): SharedRegion {
    this.#shrink(this.#budgetBytes - regionBytesOf(sizeBytes));
    const region = this.#regions.take(sizeBytes);
    this.#cachedBytes += region.bytes.length;
    return region;
  }

  #shrink(toBytes: number): void {
    if (this.#cachedBytes <= toBytes) return;
    for (const [key, block] of this.#blocks) {
      if (this.#cachedBytes <= toBytes) return;
      if (block.pins > 0) continue;
      this.#blocks.delete(key);
      this.#cachedBytes -= block.region.bytes.length;
      const give = (): void => this.#regions.give(block.region);
      if (block.isSettled) give();
      // Only when the thread has let go of it may the memory be used again.
      else block.decoded.then(give, give);
    }
  }
}

function cachedBlock(region: SharedRegion, decoded: Promise<void>, hurry: () => void): CachedBlock {
  const block = { region, decoded, isSettled: false, pins: 0, hurry };
  const settle = (): void => {
    block.isSettled = true;
  };
  // A block read ahead may never be waited for.
  decoded.then(settle, settle);
  return block;
}

const keyOf = ({ packIndex, blockIndex }: BlockAddress): string => `${packIndex}:${blockIndex}`;

/** @throws DbupError POOL_DAMAGED when `bytes` are not the chunk `id` */
export function checkChunk(id: Uint8Array, bytes: Uint8Array): void {
  const hex = Buffer.from(id).toString('hex');
  if (sha256Hex(bytes) === hex) return;
  throw new DbupError('POOL_DAMAGED', `chunk ${hex.slice(0, 12)} is not what its id says`, {
    hint: 'Run `dbup verify --read-data`, then `dbup repair --from OTHER_POOL`.',
    details: { chunk: hex },
  });
}

function missingChunk(chunks: ChunkCatalog, id: Uint8Array): DbupError {
  const hex = Buffer.from(id).toString('hex');
  const damaged = chunks.unusablePacks.map(({ name }) => name);
  return new DbupError('POOL_INCOMPLETE', `the pool is incomplete: it lacks chunk ${hex.slice(0, 12)}`, {
    hint:
      damaged.length > 0
        ? `${damaged.length} pack file(s) are cut off or damaged. Sync the pool again from where it is whole, or run \`dbup repair --from OTHER_POOL\`.`
        : 'Sync the pool again from where it is whole: packs/ travels before snapshots/, an interrupted copy is completed by repeating it.',
    details: { chunk: hex, unusablePacks: damaged },
  });
}

import type { ChunkLocation } from '../catalog/chunk-table.js';
import { type DeltaOps, memoryOfOps } from '../compress/delta/delta-ops.js';
import { DbupError } from '../core/errors.js';
import { BLOCK_CODEC, type BlockEntry } from '../format/block-entry.js';
import type { PoolLayout } from '../store/pool-layout.js';
import { basesInOrder } from './base-plan.js';
import { DELTA_DAMAGED } from './block-job.js';
import type { BlockWorkers } from './block-workers.js';
import type { BlockAddress, ChunkCatalog } from './chunk-catalog.js';
import { type BasePlace, type ChunkPlan, ChunkPlanner, type LeaningOps } from './chunk-plan.js';
import { TurnQueue } from './turn-queue.js';

/** Of larger deltas the bytes are wanted, not the way to them. */
const MOST_STORED_BYTES = 512 * 1024;
/** Solid blocks are larger, and coded by other means. */
const MOST_PLAIN_BYTES = 2 * 1024 * 1024;
const MOST_STREAM_BYTES = 1024 * 1024;
/** Of what blocks say: the next chunk mostly lies in the same ones. */
const CACHE_BYTES = 4 * 1024 * 1024;
/** Each takes a MiB or two: while some wait for what blocks say, others go on. */
const PLANS_AT_ONCE = 4;
const BASE_BYTES = 64;
const ENTRY_BYTES = 400;

interface CachedOps {
  ops: Promise<LeaningOps | null>;
  sizeBytes: number;
}

/**
 * Follows chains of deltas down to what has to be read, for the bytes of one chunk: no plain bytes are made of the deltas
 * between. So a version that leans on seven others costs little more to read than one that leans on one.
 */
export class DeltaChains {
  readonly #layout: PoolLayout;
  readonly #chunks: ChunkCatalog;
  readonly #workers: BlockWorkers;
  /** By block, the least recently used first. */
  readonly #ops = new Map<string, CachedOps>();
  readonly #turns = new TurnQueue(PLANS_AT_ONCE);
  readonly #freePlanners: ChunkPlanner[] = [];
  #cachedBytes = 0;

  constructor(parts: { layout: PoolLayout; chunks: ChunkCatalog; workers: BlockWorkers }) {
    this.#layout = parts.layout;
    this.#chunks = parts.chunks;
    this.#workers = parts.workers;
  }

  /** False for a block of which {@link plan} makes nothing. */
  takesApart(address: BlockAddress): boolean {
    return mayTakeApart(this.#entryOf(address));
  }

  /**
   * How the bytes of a chunk come about; null when its block is one to be decoded whole: no delta, too large a one, or one with
   * something wrong; or when the way is too long.
   * @throws DbupError POOL_DAMAGED, POOL_INCOMPLETE when a disk fails
   */
  async plan(chunk: ChunkLocation): Promise<ChunkPlan | null> {
    if ((await this.#opsOf(chunk)) === null) return null;
    return this.#turns.add(async () => {
      const planner = this.#freePlanners.pop() ?? new ChunkPlanner();
      try {
        return await this.#walk(planner, chunk);
      } finally {
        this.#freePlanners.push(planner);
      }
    }).done;
  }

  async #walk(planner: ChunkPlanner, chunk: ChunkLocation): Promise<ChunkPlan | null> {
    const { depth: greatest } = this.#entryOf(chunk);
    planner.begin(chunk, greatest, chunk.offsetBytes, chunk.sizeBytes);
    for (let depth = greatest; depth >= 0; depth--) {
      const wanted = planner.wanted(depth);
      const allOps = await Promise.all(wanted.map((block) => this.#opsOf(block)));
      for (const [i, block] of wanted.entries()) {
        const ops = allOps[i]!;
        if (ops === null) planner.takeWhole(block);
        else if (!planner.takeApart(block, ops)) return null;
      }
    }
    return planner.finish();
  }

  /** What a block says; null when it is to be decoded whole. */
  #opsOf(address: BlockAddress): Promise<LeaningOps | null> | null {
    if (!this.takesApart(address)) return null;
    const key = `${address.packIndex}:${address.blockIndex}`;
    const known = this.#ops.get(key);
    if (known) {
      this.#ops.delete(key);
      this.#ops.set(key, known);
      return known.ops;
    }
    const item: CachedOps = { ops: whereSound(() => this.#readOps(address)), sizeBytes: ENTRY_BYTES };
    this.#ops.set(key, item);
    this.#cachedBytes += item.sizeBytes;
    item.ops.then(
      (ops) => {
        const opsBytes = ops ? sizeOf(ops) + ops.bases.length * BASE_BYTES : 0;
        this.#resize(key, item, item.sizeBytes + opsBytes);
      },
      () => this.#resize(key, item, 0),
    );
    return item.ops;
  }

  async #readOps(address: BlockAddress): Promise<LeaningOps | null> {
    const block = this.#entryOf(address);
    const { name } = this.#chunks.packs[address.packIndex]!;
    const baseEnds = new Uint32Array(block.baseCount);
    const bases: BasePlace[] = [];
    let baseBytes = 0;
    for (const base of basesInOrder(this.#chunks, address)) {
      const { number, packIndex, blockIndex, depth, offsetBytes, sizeBytes } = base;
      baseBytes += sizeBytes;
      baseEnds[number] = baseBytes;
      bases.push({ packIndex, blockIndex, depth, offsetBytes });
    }
    const ops = await this.#workers.deltaOps(
      this.#layout.packPath(name),
      name,
      block,
      baseBytes,
      MOST_STREAM_BYTES,
    );
    const { depth, plainBytes } = block;
    return ops && { ...ops, depth, plainBytes, baseEnds, bases };
  }

  #entryOf({ packIndex, blockIndex }: BlockAddress): BlockEntry {
    return this.#chunks.packs[packIndex]!.footer.blocks[blockIndex]!;
  }

  /** Counts what an item takes now, if it is still kept; one of 0 bytes is kept no longer. */
  #resize(key: string, item: CachedOps, sizeBytes: number): void {
    if (this.#ops.get(key) !== item) return;
    this.#cachedBytes += sizeBytes - item.sizeBytes;
    item.sizeBytes = sizeBytes;
    if (sizeBytes === 0) this.#ops.delete(key);
    for (const [oldest, { sizeBytes: oldestBytes }] of this.#ops) {
      if (this.#cachedBytes <= CACHE_BYTES) return;
      this.#ops.delete(oldest);
      this.#cachedBytes -= oldestBytes;
    }
  }
}

/** Whether a block is one to be taken apart: what it says is short beside its bytes. */
export function mayTakeApart({ codec, storedBytes, plainBytes }: BlockEntry): boolean {
  return codec === BLOCK_CODEC.delta && storedBytes <= MOST_STORED_BYTES && plainBytes <= MOST_PLAIN_BYTES;
}

function sizeOf(ops: DeltaOps): number {
  return memoryOfOps(ops).reduce((sum, { byteLength }) => sum + byteLength, 0);
}

/** Null where something is wrong with what is stored: who decodes it the long way finds out what, and with which block. */
async function whereSound<T>(make: () => Promise<T | null>): Promise<T | null> {
  try {
    return await make();
  } catch (error) {
    if (!(error instanceof DbupError)) throw error;
    const { code } = (error.cause ?? {}) as NodeJS.ErrnoException;
    const isDamage = code === undefined || code === 'DAMAGED' || code === DELTA_DAMAGED;
    if (error.code.startsWith('POOL_') && isDamage) return null;
    throw error;
  }
}

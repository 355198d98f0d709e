import type { ChunkLocation } from '../catalog/chunk-table.js';
import { countSteps } from '../compress/delta/delta-program.js';
import { DbupError } from '../core/errors.js';
import type { PoolLayout } from '../store/pool-layout.js';
import { type BlockLease, leaseInTurn } from './block-lease.js';
import type { BlockWorkers, ChunkSource } from './block-workers.js';
import type { BlockAddress, ChunkCatalog } from './chunk-catalog.js';
import type { ChunkPlan } from './chunk-plan.js';
import { DeltaChains } from './delta-chains.js';
import type { RegionPool } from './region-pool.js';
import type { SharedRegion } from './shared-arena.js';

/** Steps of plans carried out together, at least, 12 bytes each. */
const STEPS_TOGETHER = 32 * 1024;
/** Chunks planned before it is looked how many steps that makes. */
const PLANS_IN_A_ROW = 4;

/** Of chunks that were made, compressed. */
const KEPT_BYTES = 2 * 1024 * 1024;

/** A chunk to be made. */
export interface WantedChunk {
  place: ChunkLocation;
  id: Uint8Array;
  /** Begins with the chunk when it is made. */
  into: SharedRegion;
}

interface Planned {
  wanted: WantedChunk;
  plan: ChunkPlan;
  isLost: boolean;
}

/** A block to be read, and which pieces of it go where. */
interface SharedBlock extends BlockAddress {
  depth: number;
  uses: { planned: Planned; pieces: Uint32Array }[];
}

/** Makes chunks of delta blocks without decoding these: from what their chains of deltas come down to. */
export class ChunkMaker {
  readonly #chains: DeltaChains;
  readonly #workers: BlockWorkers;
  readonly #lease: (address: BlockAddress) => BlockLease;
  readonly #regions: RegionPool;
  /** Chunks that took long to make, in few bytes, the oldest first. */
  readonly #kept = new Map<string, Uint8Array>();
  #keptBytes = 0;

  constructor(
    parts: { layout: PoolLayout; chunks: ChunkCatalog; workers: BlockWorkers },
    lease: (address: BlockAddress) => BlockLease,
    regions: RegionPool,
  ) {
    this.#chains = new DeltaChains(parts);
    this.#workers = parts.workers;
    this.#lease = lease;
    this.#regions = regions;
  }

  /** True for a block whose chunks are worth being made so. */
  takesApart(address: BlockAddress): boolean {
    return this.#chains.takesApart(address);
  }

  /**
   * Makes chunks; of those together, what they come down to is read once. What cannot be made so is taken from its whole block.
   * @returns of each what is wrong with it, if anything is: DbupError POOL_DAMAGED or POOL_INCOMPLETE
   * @throws other errors, when a disk fails
   */
  async make(chunks: readonly WantedChunk[]): Promise<(DbupError | null)[]> {
    const made = new Set<WantedChunk>();
    for (const done of await this.#makeOfKept(chunks)) made.add(done);
    const left = chunks.filter((wanted) => !made.has(wanted));
    let together: Planned[] = [];
    let steps = 0;
    for (let first = 0; first < left.length; first += PLANS_IN_A_ROW) {
      const some = left.slice(first, first + PLANS_IN_A_ROW);
      const plans = await Promise.all(some.map(({ place }) => this.#chains.plan(place)));
      for (const [i, plan] of plans.entries()) {
        if (!plan) continue;
        together.push({ wanted: some[i]!, plan, isLost: false });
        steps += countSteps(plan.program);
      }
      if (steps <= STEPS_TOGETHER && first + PLANS_IN_A_ROW < left.length) continue;
      for (const done of await this.#carryOut(together)) made.add(done);
      together = [];
      steps = 0;
    }
    const errors: (DbupError | null)[] = [];
    for (const wanted of chunks) errors.push(made.has(wanted) ? null : await this.#takeOut(wanted));
    return errors;
  }

  /** @returns the chunks that came out right */
  async #carryOut(together: readonly Planned[]): Promise<WantedChunk[]> {
    for (const { block, lease } of leaseInTurn(shareBlocks(together), this.#lease)) {
      try {
        await lease.ready;
        for (const { planned, pieces } of block.uses) this.#place(planned, pieces, lease.region);
      } catch (error) {
        if (!(error instanceof DbupError)) throw error;
        for (const { planned } of block.uses) planned.isLost = true;
      } finally {
        lease.release();
      }
    }
    const whole = together.filter(({ isLost }) => !isLost);
    const made = await this.#workers.makeChunks(
      whole.map(({ wanted, plan }) => ({ ...sourceOf(wanted), from: plan.program })),
    );
    for (const [i, { kept }] of made.entries()) if (kept) this.#keep(whole[i]!.wanted, kept);
    return whole.filter((_, i) => made[i]!.isRight).map(({ wanted }) => wanted);
  }

  /** @returns the chunks that were made before, and are here now */
  async #makeOfKept(chunks: readonly WantedChunk[]): Promise<WantedChunk[]> {
    const known = chunks.filter(({ place }) => this.#kept.has(keyOf(place)));
    const made = await this.#workers.makeChunks(
      known.map((wanted) => ({ ...sourceOf(wanted), from: this.#kept.get(keyOf(wanted.place))! })),
    );
    return known.filter((_, i) => made[i]!.isRight);
  }

  #keep({ place }: WantedChunk, kept: Uint8Array): void {
    const key = keyOf(place);
    this.#keptBytes += kept.length - (this.#kept.get(key)?.length ?? 0);
    this.#kept.delete(key);
    this.#kept.set(key, kept);
    for (const [oldest, { length }] of this.#kept) {
      if (this.#keptBytes <= KEPT_BYTES) return;
      this.#kept.delete(oldest);
      this.#keptBytes -= length;
    }
  }

  #place({ wanted: { into, place }, plan }: Planned, pieces: Uint32Array, block: SharedRegion): void {
    for (let i = 0; i < pieces.length; i += 3) {
      const [from, to, at] = [pieces[i]!, pieces[i + 1]!, pieces[i + 2]!];
      if (at < place.sizeBytes) this.#regions.move(into, at, block, from, to - from);
      else plan.program.scratch.set(block.bytes.subarray(from, to), at - place.sizeBytes);
    }
  }

  /** Decodes the whole block, which also tells what is wrong, if anything is. */
  async #takeOut({ place, into }: WantedChunk): Promise<DbupError | null> {
    const { offsetBytes, sizeBytes } = place;
    const lease = this.#lease(place);
    try {
      await lease.ready;
      this.#regions.copy(into.bytes, 0, lease.region.bytes.subarray(offsetBytes, offsetBytes + sizeBytes));
      return null;
    } catch (error) {
      if (error instanceof DbupError) return error;
      throw error;
    } finally {
      lease.release();
    }
  }
}

function sourceOf({ id, into, place }: WantedChunk): Omit<ChunkSource, 'from'> {
  return { id, into, sizeBytes: place.sizeBytes };
}

function keyOf({ packIndex, blockIndex, offsetBytes }: ChunkLocation): string {
  return `${packIndex}:${blockIndex}:${offsetBytes}`;
}

/** The blocks that plans need, each once, the deepest first and those of a pack in order. */
function shareBlocks(together: readonly Planned[]): SharedBlock[] {
  const blocks = new Map<string, SharedBlock>();
  for (const planned of together) {
    for (const { packIndex, blockIndex, depth, pieces } of planned.plan.blocks) {
      const key = `${packIndex}:${blockIndex}`;
      const block = blocks.get(key) ?? { packIndex, blockIndex, depth, uses: [] };
      block.uses.push({ planned, pieces });
      blocks.set(key, block);
    }
  }
  return [...blocks.values()].sort(
    (a, b) => b.depth - a.depth || a.packIndex - b.packIndex || a.blockIndex - b.blockIndex,
  );
}

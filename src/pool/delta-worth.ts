import { type OperationContext, throwIfInterrupted } from '../core/context.js';
import type { PoolLayout } from '../store/pool-layout.js';
import type { BasePins } from './base-pins.js';
import type { BlockCache } from './block-cache.js';
import { type ScannedBlock, scanBlocks } from './block-scan.js';
import type { BlockWorkers } from './block-workers.js';
import type { BlockAddress, ChunkCatalog } from './chunk-catalog.js';
import { type ChunkChoice, chosenBlocks, type DamagedBlock, firstBadChunk } from './pack-rewriter.js';
import { loneRegion } from './shared-arena.js';
import { blockEntry, chosenBytes, copyChosen } from './stored-block.js';

const BASE_ENTRY_BYTES = 32;
/** No level stores what images hold in less than this part of its plain bytes, a few blocks of zeros apart. */
const LEAST_RATIO = 1 / 20;
const QUICK_LEVEL = 3;
/** The highest level stores no less than this part of what the quick one does. */
const LEAST_GAIN = 0.7;

export interface DeltaWorthParts {
  layout: PoolLayout;
  workers: BlockWorkers;
  chunks: ChunkCatalog;
  cache: BlockCache;
  /** At which blocks would be stored plain. */
  level: number;
  context: OperationContext;
  choose: ChunkChoice;
}

/**
 * Releases the delta blocks that stopped paying: those whose stored bytes, with the bases that nothing else keeps in
 * the pool, are no fewer than their chosen chunks would take on their own. What is freed by one can make
 * another not pay either: all are looked at, the deepest first, until nothing changes.
 * @returns how many were released, and those that could not be read: they go on leaning on their bases
 */
export async function releaseCostlyDeltas(
  parts: DeltaWorthParts,
  pins: BasePins,
): Promise<{ releasedCount: number; damaged: DamagedBlock[] }> {
  const worth = new DeltaWorth(parts, pins);
  let releasedCount = 0;
  for (;;) {
    await worth.measure();
    const costly = worth.release();
    if (costly === 0) return { releasedCount, damaged: worth.damaged };
    releasedCount += costly;
  }
}

interface Candidate {
  address: BlockAddress;
  chosen: boolean[];
  /** What its chunks take on their own at the quick level, and at the level asked for; null before it was tried. */
  quickBytes: number | null;
  plainBytes: number | null;
}

class DeltaWorth {
  readonly #parts: DeltaWorthParts;
  readonly #pins: BasePins;
  /** The deepest first. */
  readonly #candidates: Candidate[];
  readonly damaged: DamagedBlock[] = [];

  constructor(parts: DeltaWorthParts, pins: BasePins) {
    this.#parts = parts;
    this.#pins = pins;
    const blocks = pins.blocks();
    const chosen = chosenOf(parts, blocks);
    this.#candidates = blocks.flatMap((address) => {
      const choice = chosen.get(`${address.packIndex}:${address.blockIndex}`);
      return choice ? [{ address, chosen: choice, quickBytes: null, plainBytes: null }] : [];
    });
  }

  /** Finds out what candidates would take on their own, where it is not plain to see that they pay. */
  async measure(): Promise<void> {
    const { chunks, context } = this.#parts;
    const wanted = this.#candidates.filter((candidate) => this.#isDoubtful(candidate));
    let at = 0;
    const addresses = wanted.map(({ address }) => address);
    for await (const block of scanBlocks(this.#parts, addresses)) {
      throwIfInterrupted(context.signal);
      const candidate = wanted[at++]!;
      if (block.damage || block.badChunks.length > 0) {
        const error = block.damage ?? firstBadChunk(chunks, block, candidate.chosen);
        if (error) this.damaged.push({ address: candidate.address, error });
        candidate.plainBytes = Number.POSITIVE_INFINITY;
        continue;
      }
      candidate.quickBytes ??= await this.#compress(block, candidate.chosen, QUICK_LEVEL);
      if (!this.#isDoubtful(candidate)) continue;
      candidate.plainBytes = await this.#compress(block, candidate.chosen, this.#parts.level);
    }
  }

  release(): number {
    let count = 0;
    for (const { address, plainBytes } of this.#candidates) {
      if (plainBytes === null || !this.#pins.leans(address) || this.#costOf(address) < plainBytes) continue;
      this.#pins.release(address);
      count++;
    }
    return count;
  }

  /** True for one that may not pay, and of which it is not known yet what it would take on its own. */
  #isDoubtful({ address, chosen, quickBytes, plainBytes }: Candidate): boolean {
    if (plainBytes !== null || !this.#pins.leans(address)) return false;
    const least = quickBytes === null ? null : quickBytes * LEAST_GAIN;
    return this.#costOf(address) >= (least ?? chosenBytes(this.#parts.chunks, address, chosen) * LEAST_RATIO);
  }

  #costOf(address: BlockAddress): number {
    const { storedBytes, baseCount } = blockEntry(this.#parts.chunks, address);
    return storedBytes + baseCount * BASE_ENTRY_BYTES + this.#pins.pinnedBytes(address);
  }

  async #compress(block: ScannedBlock, chosen: readonly boolean[], level: number): Promise<number> {
    const { chunks, workers } = this.#parts;
    const plainBytes = chosenBytes(chunks, block, chosen);
    const region = loneRegion(plainBytes);
    copyChosen(chunks, block, chosen, region.bytes, 0);
    return (await workers.compress(region, plainBytes, level)).stored.length;
  }
}

/** Which chunks of each block are chosen, by key; blocks without any are left out. */
function chosenOf(
  { chunks, choose }: DeltaWorthParts,
  addresses: readonly BlockAddress[],
): Map<string, boolean[]> {
  const chosen = new Map<string, boolean[]>();
  for (const packIndex of new Set(addresses.map((address) => address.packIndex))) {
    for (const block of chosenBlocks(chunks, packIndex, choose))
      chosen.set(`${packIndex}:${block.address.blockIndex}`, block.chosen);
  }
  return chosen;
}

import type { BlockEntry } from '../format/block-entry.js';
import type { SpillFile, SpillPlace } from '../store/spill-file.js';
import type { DecodeAnswer } from './block-job.js';
import type { BlockWorkers } from './block-workers.js';
import type { BlockAddress } from './chunk-catalog.js';
import type { SharedRegion } from './shared-arena.js';

interface SpilledBlock {
  place: SpillPlace;
  xxh64: bigint;
}

/** Decoded blocks in a spill file: those that are likely to be wanted again once they have been let go. */
export class BlockSpill {
  readonly #file: SpillFile;
  readonly #workers: BlockWorkers;
  /** Blocks that lean on nothing and were decoded. */
  readonly #decodedOnce = new Set<string>();
  /** Oldest first, nearly. */
  readonly #blocks = new Map<string, SpilledBlock>();
  #isFull = false;

  constructor(file: SpillFile, workers: BlockWorkers) {
    this.#file = file;
    this.#workers = workers;
  }

  /** Reads a block back. @returns false when it is not there, or not as it was: it is to be decoded then */
  async restore(address: BlockAddress, into: SharedRegion): Promise<boolean> {
    const key = keyOf(address);
    const spilled = this.#blocks.get(key);
    if (!spilled || !this.#file.holds(spilled.place)) return false;
    const { place, xxh64 } = spilled;
    const isRestored = await this.#file.use(() => this.#workers.restore(place, xxh64, into));
    if (!isRestored) this.#blocks.delete(key);
    return isRestored;
  }

  /**
   * Decodes a block, and keeps it where that is worth it.
   * @param decode decodes the block, and writes it to the place if one is given
   */
  async decode(
    address: BlockAddress,
    block: BlockEntry,
    decode: (place: SpillPlace | null) => Promise<DecodeAnswer>,
  ): Promise<DecodeAnswer> {
    const key = keyOf(address);
    const place = this.#isWorthIt(key, block) ? this.#file.reserve(block.plainBytes) : null;
    if (!place) return decode(null);
    const answer = await this.#file.use(() => decode(place));
    if (answer.spilledXxh64 === null) this.#isFull = true;
    else this.#keep(key, { place, xxh64: answer.spilledXxh64 });
    return answer;
  }

  /** A delta takes its bases, too, to be decoded again. Of other blocks most are wanted once: to write one costs a quarter of decoding it. */
  #isWorthIt(key: string, { depth }: BlockEntry): boolean {
    // What could not be written once is not tried again.
    if (this.#isFull) return false;
    if (depth > 0 || this.#decodedOnce.has(key)) return true;
    this.#decodedOnce.add(key);
    return false;
  }

  #keep(key: string, spilled: SpilledBlock): void {
    this.#blocks.set(key, spilled);
    for (const [oldest, { place }] of this.#blocks) {
      if (this.#file.holds(place)) return;
      this.#blocks.delete(oldest);
    }
  }
}

const keyOf = ({ packIndex, blockIndex }: BlockAddress): string => `${packIndex}:${blockIndex}`;

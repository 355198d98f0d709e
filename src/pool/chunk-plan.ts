import { type DeltaOps, DIFFERENCE_BYTES } from '../compress/delta/delta-ops.js';
import { type DeltaProgram, DeltaSteps } from '../compress/delta/delta-program.js';
import { Triples } from '../compress/delta/triples.js';
import { LIMITS } from '../core/limits.js';
import type { BlockAddress } from './chunk-catalog.js';

/** Steps and pieces of one chunk. Of more, decoding whole blocks is the shorter way. */
const MOST_STEPS = 96 * 1024;
const MOST_PIECES = 96 * 1024;
const MOST_SCRATCH_BYTES = 64 * 1024;

/** A block, and which pieces of it are wanted. */
export interface WantedBlock extends BlockAddress {
  depth: number;
  /**
   * Three numbers each: where in the block it begins, where it ends, and where it belongs: a place in the chunk, or from its
   * length on in the scratch bytes.
   */
  pieces: Uint32Array;
}

/** How one chunk is made: what is to be copied from blocks that are decoded whole, and what is then done to it. */
export interface ChunkPlan {
  blocks: WantedBlock[];
  program: DeltaProgram;
}

/** Where in the pool a base chunk lies. */
export interface BasePlace extends BlockAddress {
  depth: number;
  offsetBytes: number;
}

/** A block's ops, and where in the pool its base lies: of each base chunk where it ends in the base, and its place. */
export interface LeaningOps extends DeltaOps {
  depth: number;
  plainBytes: number;
  baseEnds: Uint32Array;
  bases: readonly BasePlace[];
}

/** A block of which pieces are wanted, while it is not known how they come about. */
interface WaitingBlock extends BlockAddress {
  depth: number;
  pieces: Triples;
}

/**
 * Walks one chunk down the deltas it is made by. In place of each piece of a block come the pieces of what that leans on, and
 * what is to be done to them afterwards, until only pieces of blocks are left that are decoded whole. To be used again and again.
 */
export class ChunkPlanner {
  /** By depth of the block, what is wanted of blocks that were not looked at yet. */
  readonly #waiting = Array.from({ length: LIMITS.deltaDepth + 1 }, () => new Map<string, WaitingBlock>());
  /** By depth of the block whose steps they are: what leans on others comes after them. */
  readonly #steps = Array.from({ length: LIMITS.deltaDepth + 1 }, () => new DeltaSteps());
  readonly #freeLists: Triples[] = [];
  #latest: WaitingBlock | null = null;
  #whole: WantedBlock[] = [];
  #literals: Uint8Array[] = [];
  #literalBytes = 0;
  #sizeBytes = 0;
  #scratchBytes = 0;
  #pieces = 0;

  /** Begins a plan, in place of the one before. @param sizeBytes of the chunk, which lies at `from` in a block of that depth */
  begin(address: BlockAddress, depth: number, from: number, sizeBytes: number): void {
    for (const waiting of this.#waiting) {
      for (const { pieces } of waiting.values()) this.#freeLists.push(pieces);
      waiting.clear();
    }
    for (const steps of this.#steps) steps.clear();
    this.#latest = null;
    this.#whole = [];
    this.#literals = [];
    this.#literalBytes = 0;
    this.#sizeBytes = sizeBytes;
    this.#scratchBytes = 0;
    this.#pieces = 0;
    this.#want(address, depth, from, from + sizeBytes, 0);
  }

  /** The blocks wanted of one depth. Of lower depths, it is known once these are done. */
  wanted(depth: number): WaitingBlock[] {
    return [...this.#waiting[depth]!.values()];
  }

  /** Takes a block's pieces from the block itself, which is decoded whole. */
  takeWhole({ packIndex, blockIndex, depth, pieces }: WaitingBlock): void {
    this.#whole.push({ packIndex, blockIndex, depth, pieces: pieces.toArray() });
  }

  /** Makes a block's pieces of what it leans on. @returns false when the way becomes too long */
  takeApart({ pieces: { numbers, count } }: WaitingBlock, ops: LeaningOps): boolean {
    const walk = { ops, steps: this.#steps[ops.depth]!, copy: 0, difference: 0, base: 0 };
    for (let i = 0; i < 3 * count; i += 3)
      this.#takePiece(walk, numbers[i]!, numbers[i + 1]!, numbers[i + 2]!);
    return (
      this.#pieces <= MOST_PIECES &&
      this.#scratchBytes <= MOST_SCRATCH_BYTES &&
      this.#steps.reduce((sum, steps) => sum + steps.count, 0) <= MOST_STEPS
    );
  }

  finish(): ChunkPlan {
    const program = {
      steps: DeltaSteps.join(this.#steps),
      literals: new Uint8Array(Buffer.concat(this.#literals)),
      scratch: new Uint8Array(this.#scratchBytes),
    };
    return { blocks: this.#whole, program };
  }

  /** @param target where the byte at `from` belongs */
  #takePiece(walk: Walk, from: number, to: number, target: number): void {
    const { copyStarts, copyEnds, literalsBefore, literals, plainBytes } = walk.ops;
    walk.copy = firstAbove(copyEnds, from, walk.copy);
    for (let at = from; at < to; walk.copy++) {
      const { copy } = walk;
      const isLast = copy === copyEnds.length;
      const literalEnd = isLast ? to : Math.min(to, copyStarts[copy]!);
      if (at < literalEnd) {
        // Literals end at the copy, and those after the last one where the block does.
        const source = isLast
          ? literals.length - (plainBytes - at)
          : literalsBefore[copy]! - (copyStarts[copy]! - at);
        walk.steps.literal(at - from + target, literalEnd - at, this.#literalBytes);
        this.#literals.push(literals.subarray(source, source + literalEnd - at));
        this.#literalBytes += literalEnd - at;
        at = literalEnd;
      }
      if (at === to) return;
      const end = Math.min(to, copyEnds[copy]!);
      this.#takeCopy(walk, at, end, at - from + target);
      at = end;
    }
  }

  /** Of the copy at which the walk is, the bytes of a piece, which lies inside it. */
  #takeCopy(walk: Walk, pieceStart: number, to: number, target: number): void {
    const { ops, steps, copy } = walk;
    const { differencesAt, differences } = ops;
    const start = ops.copyStarts[copy]!;
    const end = ops.copyEnds[copy]!;
    const shift = target - pieceStart;
    const toBase = ops.sources[copy]! - start;
    let from = pieceStart;
    let next = firstAbove(differencesAt, Math.max(start, from - DIFFERENCE_BYTES + 1) - 1, walk.difference);
    const first = differencesAt[next];
    if (first !== undefined && first < from && first + DIFFERENCE_BYTES <= end) {
      // It begins before the piece: what it adds there depends on the bytes before, which are made aside.
      const aside = this.#sizeBytes + this.#scratchBytes;
      this.#scratchBytes += DIFFERENCE_BYTES;
      this.#wantBase(walk, first + toBase, first + toBase + DIFFERENCE_BYTES, aside);
      steps.add(aside, DIFFERENCE_BYTES, differences[next]!, true);
      const asideEnd = Math.min(to, first + DIFFERENCE_BYTES);
      steps.move(from + shift, asideEnd - from, aside + from - first);
      from = asideEnd;
      next++;
    }
    if (from < to) this.#wantBase(walk, from + toBase, to + toBase, from + shift);
    for (; next < differencesAt.length && differencesAt[next]! < to; next++) {
      const at = Math.max(from, differencesAt[next]!);
      const coveredEnd = Math.min(end, differencesAt[next]! + DIFFERENCE_BYTES);
      const cutBytes = at - differencesAt[next]!;
      const sizeBytes = Math.min(to, coveredEnd) - at;
      const carries = coveredEnd - differencesAt[next]! === DIFFERENCE_BYTES;
      if (sizeBytes > 0) steps.add(at + shift, sizeBytes, differences[next]! >>> (8 * cutBytes), carries);
    }
    walk.difference = next;
  }

  /** Wants bytes of a block's base. */
  #wantBase(walk: Walk, from: number, to: number, target: number): void {
    const { baseEnds, bases } = walk.ops;
    walk.base = firstAbove(baseEnds, from, walk.base);
    for (let at = from; at < to; ) {
      const end = Math.min(to, baseEnds[walk.base]!);
      const base = bases[walk.base]!;
      const toBlock = base.offsetBytes - (baseEnds[walk.base - 1] ?? 0);
      this.#want(base, base.depth, at + toBlock, end + toBlock, at - from + target);
      at = end;
      if (at < to) walk.base++;
    }
  }

  #want(address: BlockAddress, depth: number, from: number, to: number, at: number): void {
    const { pieces } = this.#waitingBlock(address, depth);
    const { numbers, count } = pieces;
    const last = 3 * (count - 1);
    const goesOn =
      count > 0 && numbers[last + 1] === from && numbers[last + 2]! + from - numbers[last]! === at;
    if (goesOn) numbers[last + 1] = to;
    else {
      pieces.push(from, to, at);
      this.#pieces++;
    }
  }

  #waitingBlock({ packIndex, blockIndex }: BlockAddress, depth: number): WaitingBlock {
    // Mostly it is the one of the piece before.
    if (this.#latest?.packIndex === packIndex && this.#latest.blockIndex === blockIndex) return this.#latest;
    const waiting = this.#waiting[depth]!;
    const key = `${packIndex}:${blockIndex}`;
    let block = waiting.get(key);
    if (!block) {
      const pieces = this.#freeLists.pop() ?? new Triples();
      pieces.clear();
      block = { packIndex, blockIndex, depth, pieces };
      waiting.set(key, block);
    }
    this.#latest = block;
    return block;
  }
}

/** Where a walk through a block's ops is: mostly the next piece is looked up right behind the last one. */
interface Walk {
  ops: LeaningOps;
  steps: DeltaSteps;
  copy: number;
  difference: number;
  base: number;
}

/** The first of ascending `values` that is greater than `value`, their number when none is; `near` is a guess. */
function firstAbove(values: Uint32Array, value: number, near: number): number {
  const { length } = values;
  let low = 0;
  let high = length;
  if (near < length && values[near]! <= value) low = near + 1;
  else high = Math.min(near, length);
  // In steps that double, away from the guess.
  if (high === length) {
    for (let step = 1; low + step < high; step *= 2) {
      if (values[low + step - 1]! > value) high = low + step - 1;
      else low += step;
    }
  } else {
    for (let step = 1; high - step > low; step *= 2) {
      if (values[high - step]! <= value) low = high - step + 1;
      else high -= step;
    }
  }
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (values[middle]! <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}

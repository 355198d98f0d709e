import type { DeltaDifference } from './delta-ops.js';
import {
  CARRIES,
  coveredBytes,
  type FlatDelta,
  type FlatDifferences,
  type FlatGuess,
  type FlatSource,
  firstAbove,
} from './flat-delta.js';

/** Puts a {@link FlatDelta} together, from its first byte to its last. */
export class FlatDeltaBuilder {
  readonly #ends: number[] = [];
  readonly #sourceNumbers: number[] = [];
  readonly #offsets: number[] = [];
  readonly #sources: FlatSource[] = [];
  readonly #numbers = new Map<FlatSource, number>();
  readonly #below: Difference[] = [];
  #sizeBytes = 0;
  readonly #guesses: FlatGuess[] = [];

  /** Bytes so far. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Pieces so far. */
  get pieces(): number {
    return this.#ends.length;
  }

  /** Differences of what it leans on so far. */
  get differences(): number {
    return this.#below.length;
  }

  addPiece(source: FlatSource, offset: number, sizeBytes: number): void {
    if (sizeBytes === 0) return;
    let number = this.#numbers.get(source);
    if (number === undefined) {
      number = this.#sources.push(source) - 1;
      this.#numbers.set(source, number);
    }
    this.#sizeBytes += sizeBytes;
    const last = this.#ends.length - 1;
    const lastStart = this.#ends[last - 1] ?? 0;
    const goesOn =
      this.#sourceNumbers[last] === number && this.#offsets[last]! + this.#ends[last]! - lastStart === offset;
    if (goesOn) {
      this.#ends[last] = this.#sizeBytes;
      return;
    }
    this.#ends.push(this.#sizeBytes);
    this.#sourceNumbers.push(number);
    this.#offsets.push(offset);
  }

  /**
   * The bytes `from` to below `to` of another flat delta. Of a difference that begins before `from` and carries, the rest is a
   * guess: what its lower bytes carry over depends on bytes that are not there.
   */
  addPart(part: FlatDelta, from: number, to: number): void {
    const { ends, sources, sourceNumbers, offsets, differences } = part;
    const shift = this.#sizeBytes - from;
    for (const guess of part.guesses)
      if (guess.at >= from && guess.at < to) this.#guesses.push({ ...guess, at: guess.at + shift });
    for (let i = firstAbove(ends, from), at = from; at < to; i++) {
      const start = ends[i - 1] ?? 0;
      const end = Math.min(to, ends[i]!);
      this.addPiece(sources[sourceNumbers[i]!]!, offsets[i]! + at - start, end - at);
      at = end;
    }
    const end = firstAbove(differences.at, to - 1);
    for (let i = firstAbove(differences.at, from - 4); i < end; i++)
      this.#addBelow(differences, i, from, to, shift);
  }

  /**
   * @param own differences of the block itself, by place
   * @param depth of the block; all that it leans on lies less deep
   */
  build(own: readonly DeltaDifference[], depth: number): FlatDelta {
    return {
      ends: Uint32Array.from(this.#ends),
      sourceNumbers: Uint32Array.from(this.#sourceNumbers),
      offsets: Uint32Array.from(this.#offsets),
      sources: this.#sources,
      differences: merge(this.#below, own, depth),
      guesses: this.#guesses,
    };
  }

  #addBelow(list: FlatDifferences, i: number, from: number, to: number, shift: number): void {
    const sizeBytes = coveredBytes(list.kind[i]!);
    const carries = (list.kind[i]! & CARRIES) !== 0;
    const cutBytes = Math.max(0, from - list.at[i]!);
    const at = list.at[i]! + cutBytes;
    const leftBytes = Math.min(to, list.at[i]! + sizeBytes) - at;
    if (leftBytes <= 0) return;
    const value = list.value[i]! >>> (8 * cutBytes);
    const cut = carries && cutBytes > 0 ? withoutLowest(list.value[i]!, sizeBytes, cutBytes) : null;
    if (cut) this.#guesses.push({ at: at + shift, sizeBytes: leftBytes, step: cut.step });
    this.#below.push({
      ...{ at: at + shift, sizeBytes: leftBytes, value: cut?.value ?? value, carries },
      depth: list.depth[i]!,
    });
  }
}

/** Some bytes of a flat delta, as one of their own. */
export function cutOut(delta: FlatDelta, from: number, sizeBytes: number): FlatDelta {
  const builder = new FlatDeltaBuilder();
  builder.addPart(delta, from, from + sizeBytes);
  return builder.build([], 0);
}

interface Difference extends DeltaDifference {
  carries: boolean;
  depth: number;
}

/** What adding `value`, a number of `sizeBytes`, most likely adds to its bytes without the lowest ones, and what to add if not. */
function withoutLowest(value: number, sizeBytes: number, cutBytes: number): { value: number; step: number } {
  const limit = 256 ** sizeBytes;
  const positive = value % limit;
  const signed = positive < limit / 2 ? positive : positive - limit;
  const exact = signed / 256 ** cutBytes;
  const likely = Math.round(exact);
  return { value: likely >>> 0, step: likely > exact ? 0xffffffff : 1 };
}

/** Puts a block's own differences among those of what it leans on, by place, and of one place the own one last. */
function merge(
  below: readonly Difference[],
  own: readonly DeltaDifference[],
  depth: number,
): FlatDifferences {
  const all: Difference[] = [];
  let next = 0;
  const addOwn = (before: number): void => {
    for (; next < own.length && own[next]!.at < before; next++) {
      const difference = own[next]!;
      all.push({ ...difference, carries: difference.sizeBytes === 4, depth });
    }
  };
  for (const difference of below) {
    addOwn(difference.at);
    all.push(difference);
  }
  addOwn(Number.POSITIVE_INFINITY);
  return listOf(combine(all));
}

function listOf(differences: readonly Difference[]): FlatDifferences {
  return {
    at: Uint32Array.from(differences, ({ at }) => at),
    value: Uint32Array.from(differences, ({ value }) => value),
    kind: Uint8Array.from(differences, ({ sizeBytes, carries }) => sizeBytes | (carries ? CARRIES : 0)),
    depth: Uint8Array.from(differences, ({ depth }) => depth),
  };
}

/** Makes one difference of two that are added to the same bytes right after each other: versions change the same places again and again. */
function combine(all: readonly Difference[]): Difference[] {
  const combined: Difference[] = [];
  all.forEach((difference, i) => {
    const last = combined.at(-1);
    const isSame =
      last !== undefined &&
      last.at === difference.at &&
      last.sizeBytes === difference.sizeBytes &&
      last.carries === difference.carries;
    if (!isSame || !followsAtOnce(all, i, last.depth)) {
      combined.push(difference);
      return;
    }
    const value = add(last.value, difference.value, difference.carries);
    combined[combined.length - 1] = { ...difference, value };
  });
  return combined;
}

/** Whether nothing is added to the bytes of difference `i` between `otherDepth` and its own. */
function followsAtOnce(all: readonly Difference[], i: number, otherDepth: number): boolean {
  const { at, sizeBytes, depth } = all[i]!;
  const [least, most] = [Math.min(otherDepth, depth), Math.max(otherDepth, depth)];
  const touches = (other: Difference): boolean =>
    other.depth > least && other.depth < most && other.at + other.sizeBytes > at && other.at < at + sizeBytes;
  for (let other = i - 1; other >= 0 && all[other]!.at > at - 4; other--)
    if (touches(all[other]!)) return false;
  for (let other = i + 1; other < all.length && all[other]!.at < at + 4; other++)
    if (touches(all[other]!)) return false;
  return true;
}

function add(one: number, other: number, carries: boolean): number {
  if (carries) return (one + other) >>> 0;
  const [even, odd] = [0x00ff00ff, 0xff00ff00];
  return ((((one & even) + (other & even)) & even) | (((one & odd) + (other & odd)) & odd)) >>> 0;
}

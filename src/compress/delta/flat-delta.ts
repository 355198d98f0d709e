/**
 * A delta block as pieces of what its chain of bases comes down to, and what is added to them: to make it takes one
 * look at each of its bytes, however many deltas lie between it and what leans on nothing.
 */
export interface FlatDelta {
  /** Where each piece ends in the plain bytes. */
  ends: Uint32Array;
  /** The number, in `sources`, of what each piece is of, and where it begins there. */
  sourceNumbers: Uint32Array;
  offsets: Uint32Array;
  sources: readonly FlatSource[];
  /** By place, and of one place in the order in which they are added. */
  differences: FlatDifferences;
  /** Where it may be wrong: what it makes has to be compared with ids when there are any. */
  guesses: readonly FlatGuess[];
}

/** A difference was cut, and what its lower bytes carry over is not known. */
export interface FlatGuess {
  at: number;
  sizeBytes: number;
  /** What to add besides if it is the other way round than was taken: 1, or 2^32 - 1 for one less. */
  step: number;
}

/** Literals, or the number of a chunk as the caller counts them. */
export type FlatSource = Uint8Array | number;

/** What is added to copied bytes, in parallel lists. */
export interface FlatDifferences {
  /** Of the first byte, in the plain bytes; ascending. */
  at: Uint32Array;
  value: Uint32Array;
  /** How many bytes, and {@link CARRIES} where they are one number, so that what is added to a byte may change those after it. */
  kind: Uint8Array;
  /** What overlaps is added in this order. */
  depth: Uint8Array;
}

export const CARRIES = 8;
const SIZE_MASK = 7;

/** Bytes that a difference of this kind covers. */
export function coveredBytes(kind: number): number {
  return kind & SIZE_MASK;
}

/** Adds differences to the plain bytes. */
export function addDifferences(bytes: Uint8Array, { at, value, kind, depth }: FlatDifferences): void {
  const numbers = Uint32Array.from(at.keys()).sort((a, b) => depth[a]! - depth[b]! || a - b);
  for (const i of numbers)
    addDifference(bytes, at[i]!, coveredBytes(kind[i]!), value[i]!, (kind[i]! & CARRIES) !== 0);
}

/** Adds one to the `sizeBytes` at `at`; what goes beyond `bytes` is left out. */
export function addDifference(
  bytes: Uint8Array,
  at: number,
  sizeBytes: number,
  value: number,
  carries: boolean,
): void {
  const end = Math.min(bytes.length, at + sizeBytes);
  let rest = value;
  let carry = 0;
  for (let place = at; place < end; place++) {
    const sum = bytes[place]! + (rest & 255) + carry;
    bytes[place] = sum;
    if (carries) carry = sum >> 8;
    rest >>>= 8;
  }
}

/** The first of ascending `values` that is greater than `value`; their number when none is. */
export function firstAbove(values: ArrayLike<number>, value: number): number {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (values[middle]! <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}

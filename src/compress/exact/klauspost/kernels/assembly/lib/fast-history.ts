// What levels 1 to 6 share: the bytes they may refer back to, and tables of where a hash was seen last.
//
// Positions are offsets into HISTORY. A table holds a position plus `base`, which grows as the history moves down and
// with every stream, so old entries go out of reach by themselves.
import { addLongMatch, addLiterals } from './tokens';
import { HISTORY, HISTORY_CAPACITY, TABLES } from './layout';

/** A match is at most this far back; all but the second checks of levels 1 and 2 want it nearer. */
export const REACH: i32 = 32768;
/** The search stops so far before the end of a block that 8 bytes can be read. */
export const MARGIN: i32 = 11;
const INITIAL_BASE: i32 = 65535;
/** The tables are gone over before sums get near 2^31. What is out of reach becomes 0, so it does not show. */
const LARGEST_BASE: i32 = 1 << 30;
/** Lowered by a multiple of this: level 5 counts positions modulo 2^21. */
const BASE_STEP: i32 = 1 << 21;

export let base: i32 = INITIAL_BASE;
let historyLength: i32 = 0;

// The match found last: its start, where it repeats, its length (0: at least 4, not measured yet), and where the search
// would have gone on.
export let matchAt: i32 = 0;
export let matchFrom: i32 = 0;
export let matchLength: i32 = 0;
export let nextAt: i32 = 0;

// @ts-ignore: decorator
@inline
export function setMatch(at: i32, from: i32, length: i32, next: i32): void {
  matchAt = at;
  matchFrom = from;
  matchLength = length;
  nextAt = next;
}

/** Forgets everything. */
export function resetHistory(): void {
  base += REACH + historyLength;
  historyLength = 0;
}

/** Appends a block and returns its position. It ends at the history's end, which is returned by `historyEnd`. */
export function appendBlock(from: usize, count: i32, tableBytes: usize): i32 {
  if (base >= LARGEST_BASE) lowerBase(tableBytes);
  if (historyLength + count > HISTORY_CAPACITY) {
    const dropped = historyLength - REACH;
    memory.copy(HISTORY, HISTORY + <usize>dropped, REACH);
    base += dropped;
    historyLength = REACH;
  }
  const start = historyLength;
  if (from != HISTORY + <usize>start) memory.copy(HISTORY + <usize>start, from, <usize>count);
  historyLength += count;
  return start;
}

/**
 * Where the bytes of the next block may be put, to be appended without a copy: what is out of reach is dropped before. Only
 * for levels whose matches are all in reach: elsewhere it shows when bytes are dropped.
 */
export function roomForBlock(): usize {
  if (historyLength > REACH) {
    const dropped = historyLength - REACH;
    memory.copy(HISTORY, HISTORY + <usize>dropped, REACH);
    base += dropped;
    historyLength = REACH;
  }
  return HISTORY + <usize>historyLength;
}

// @ts-ignore: decorator
@inline
export function historyEnd(): i32 {
  return historyLength;
}

function lowerBase(tableBytes: usize): void {
  const outOfReach = base + historyLength - REACH;
  const lowered = (base - REACH) & -BASE_STEP;
  for (let at = TABLES; at < TABLES + tableBytes; at += 4) {
    const entry = load<i32>(at);
    store<i32>(at, entry <= outOfReach ? 0 : entry - lowered);
  }
  base -= lowered;
}

// @ts-ignore: decorator
@inline
export function load4(position: i32): u32 {
  return load<u32>(<usize>position, HISTORY);
}

// @ts-ignore: decorator
@inline
export function load8(position: i32): u64 {
  return load<u64>(<usize>position, HISTORY);
}

/** How many bytes from `a` on, up to `end`, equal those from `b` on; b < a. */
// @ts-ignore: decorator
@inline
export function commonLength(a: i32, b: i32, end: i32): i32 {
  const start = a;
  while (a + 8 <= end) {
    const difference = load8(a) ^ load8(b);
    if (difference != 0) return a - start + <i32>(ctz(difference) >> 3);
    a += 8;
    b += 8;
  }
  while (a < end && load<u8>(<usize>a, HISTORY) == load<u8>(<usize>b, HISTORY)) {
    a++;
    b++;
  }
  return a - start;
}

/** The length of a match whose first 4 bytes are known to be equal; at most 258. */
export function limitedMatch(at: i32, from: i32, end: i32): i32 {
  return commonLength(at + 4, from + 4, min(at + 258, end)) + 4;
}

/** The same without a limit but the block's end. */
export function wholeMatch(at: i32, from: i32, end: i32): i32 {
  return commonLength(at + 4, from + 4, end) + 4;
}

/**
 * Sends literals from `pending` on and the match, after moving its start back as far as bytes are equal. Returns where
 * the match ends; its start and source are left in `matchAt` and `matchFrom`.
 */
export function emitMatch(pending: i32): i32 {
  let at = matchAt;
  let from = matchFrom;
  const end = at + matchLength;
  let most = min(at - pending, from);
  // Eight bytes at a time, as a loop over single ones ends where nobody foresees it.
  for (let count = 8; count == 8; most -= count) {
    const difference = load<u64>(<usize>at, HISTORY - 8) ^ load<u64>(<usize>from, HISTORY - 8);
    count = min(<i32>(clz(difference) >> 3), most);
    at -= count;
    from -= count;
  }
  addLiterals(HISTORY + <usize>pending, HISTORY + <usize>at);
  addLongMatch(end - at, <u32>(at - from - 1));
  matchAt = at;
  matchFrom = from;
  return end;
}

/** The literals after the last match. None when there was no match: then the block is sent without a search. */
export function emitRest(pending: i32, found: bool): void {
  if (found) addLiterals(HISTORY + <usize>pending, HISTORY + <usize>historyLength);
}

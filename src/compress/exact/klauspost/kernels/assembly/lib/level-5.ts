// Levels 5 and 6: a table of the last position of each 4 bytes, and one of the last two of each 7 bytes.
import {
  appendBlock, base, commonLength, emitMatch, emitRest, historyEnd, limitedMatch, load4, load8, MARGIN, matchAt,
  matchFrom, matchLength, nextAt, REACH, setMatch, wholeMatch,
} from './fast-history';
import { BEFORE_SKIPPED_START, generation } from './generation';
import { hash4, hash7 } from './hashes';
import { TABLES } from './layout';

export const LEVEL_5_TABLE_BYTES: usize = (4 + 8) << 15;
const LONG: usize = TABLES + (4 << 15);
/** Matches of at least so many bytes are not tried to be bettered by level 5. */
const GOOD_LENGTH: i32 = 30;

let word: u64 = 0;
/** The distance of the match before; level 6 tries it again. */
let lastDistance: i32 = 1;

// @ts-ignore: decorator
@inline
function longSlot(bytes: u64): usize {
  return hash7(bytes, 3);
}

/** Makes a position, with the base added, the last of its 7 bytes, and the last the one before. */
// @ts-ignore: decorator
@inline
function enterLong(slot: usize, entry: i32): void {
  store<u64>(slot, (load<u64>(slot, LONG) << 32) | <u64><u32>entry, LONG);
}

export function searchLevel5(from: usize, count: i32): void {
  let at = appendBlock(from, count, LEVEL_5_TABLE_BYTES);
  if (count < 2 + MARGIN) return;
  const end = historyEnd();
  const limit = end - MARGIN;
  let pending = at;
  let found = false;
  word = load8(at);
  while (findMatch(at, pending, limit, 6, false)) {
    found = true;
    betterByEnd(end, limit, false);
    at = emitMatch(pending);
    pending = at;
    const length = at - matchAt;
    if (nextAt >= at) at = nextAt + 1;
    if (at >= limit) break;
    enterInside(at - length + 1, at);
    const bytes = load8(at - 1);
    store<i32>(hash4(bytes), at - 1 + base, TABLES);
    enterLong(longSlot(bytes), at - 1 + base);
    word = bytes >> 8;
  }
  emitRest(pending, found);
}

export function searchLevel6(from: usize, count: i32): void {
  let at = appendBlock(from, count, LEVEL_5_TABLE_BYTES);
  if (count < 2 + MARGIN) return;
  const end = historyEnd();
  const limit = end - MARGIN;
  let pending = at;
  let found = false;
  word = load8(at);
  lastDistance = 1;
  while (findMatch(at, pending, limit, 7, true)) {
    found = true;
    betterByEnd(end, limit, true);
    at = emitMatch(pending);
    lastDistance = matchAt - matchFrom;
    pending = at;
    if (nextAt >= at) at = nextAt + 1;
    if (at >= limit) {
      enterShortAndLong(nextAt + 1, end - 8, false);
      break;
    }
    enterShortAndLong(nextAt + 1, at - 1, true);
    word = load8(at);
  }
  emitRest(pending, found);
}

/** Level 5: after the first three positions of a match, every third. */
function enterInside(from: i32, to: i32): void {
  if (from >= to - 1) return;
  const offset = base;
  let bytes = load8(from);
  store<i32>(hash4(bytes), from + offset, TABLES);
  enterLong(longSlot(bytes), from + offset);
  bytes >>= 8;
  enterLong(longSlot(bytes), from + 1 + offset);
  bytes >>= 8;
  store<i32>(hash4(bytes), from + 2 + offset, TABLES);
  for (let at = from + 4; at < to - 1; at += 3) {
    bytes = load8(at);
    enterLong(longSlot(bytes), at + offset);
    store<i32>(hash4(bytes >> 8), at + 1 + offset, TABLES);
  }
}

/** Level 6: every second position in both tables, and the one after in the long one if `both`. */
function enterShortAndLong(from: i32, to: i32, both: bool): void {
  const offset = base;
  for (let at = from; at < to; at += 2) {
    const bytes = load8(at);
    const first = longSlot(bytes);
    store<i32>(hash4(bytes), at + offset, TABLES);
    enterLong(first, at + offset);
    if (both) enterLong(longSlot(bytes >> 8), at + 1 + offset);
  }
}

/**
 * Searches from `at` on, where `word` lies: the long table's two candidates, then the short one's, for which the
 * candidates of the next position are weighed too.
 */
// @ts-ignore: decorator
@inline
function findMatch(at: i32, pending: i32, limit: i32, patience: i32, repeats: bool): bool {
  const offset = base;
  const end = limit + MARGIN;
  let bytes = word;
  let next = at;
  let shortAt = hash4(bytes);
  let longAt = longSlot(bytes);
  let shortEntry = load<i32>(shortAt, TABLES);
  let longPair = load<u64>(longAt, LONG);
  while (true) {
    at = next;
    next = at + 1 + ((at - pending) >> patience);
    if (next > limit) return false;
    const following = load8(next);
    store<i32>(shortAt, at + offset, TABLES);
    store<u64>(longAt, (longPair << 32) | <u64><u32>(at + offset), LONG);
    // The next position's entries are on their way while this one's are compared.
    shortAt = hash4(following);
    longAt = longSlot(following);
    const nextShortEntry = load<i32>(shortAt, TABLES);
    const nextLongPair = load<u64>(longAt, LONG);
    const long = <i32>longPair - offset;
    const before = <i32>(longPair >> 32) - offset;
    const short = shortEntry - offset;
    // One branch for all three is foreseen better than one for each.
    const fits = fitsAt(at, long, <u32>bytes);
    const fitsBefore = fitsAt(at, before, <u32>bytes);
    if (fits | fitsBefore | fitsAt(at, short, <u32>bytes)) {
      enterNext(shortAt, longAt, nextLongPair, next + offset);
      if (fits | fitsBefore) chooseLong(at, fits ? long : before, fits & fitsBefore ? before : -1, end, next);
      else chooseShort(at, short, bytes, following, nextLongPair, next, repeats);
      return true;
    }
    bytes = following;
    shortEntry = nextShortEntry;
    longPair = nextLongPair;
  }
}

/** 1 where the four bytes at a candidate are these, and it is in reach. */
// @ts-ignore: decorator
@inline
function fitsAt(at: i32, candidate: i32, four: u32): i32 {
  return i32(at - candidate < REACH) & i32(load4(max(candidate, 0)) == four);
}

/** Enters the position after the one where a match was found. */
// @ts-ignore: decorator
@inline
function enterNext(shortAt: usize, longAt: usize, pair: u64, entry: i32): void {
  store<i32>(shortAt, entry, TABLES);
  store<u64>(longAt, (pair << 32) | <u64><u32>entry, LONG);
}

/** A match of the long table; of two candidates the longer, of equal ones the nearer. */
function chooseLong(at: i32, from: i32, other: i32, end: i32, next: i32): void {
  if (other < 0) return setMatch(at, from, wholeMatch(at, from, end), next);
  const length = limitedMatch(at, from, end);
  const otherLength = limitedMatch(at, other, end);
  setLimited(at, otherLength > length ? other : from, max(length, otherLength), end, next);
}

/** A match that was measured up to 258 bytes: a full one is followed on. */
// @ts-ignore: decorator
@inline
function setLimited(at: i32, from: i32, length: i32, end: i32, next: i32): void {
  if (length == 258) length += commonLength(at + 258, from + 258, end);
  setMatch(at, from, length, next);
}

/** A match of the short table, unless one that starts a byte later is longer; `pair` is what the long table had for that. */
function chooseShort(
  at: i32, short: i32, bytes: u64, following: u64, pair: u64, next: i32, repeats: bool,
): void {
  const end = historyEnd();
  let from = short;
  let length = limitedMatch(at, from, end);
  let start = at;
  if (repeats) {
    const again = at - lastDistance + 1;
    if (load4(again) == <u32>(bytes >> 8)) {
      const other = limitedMatch(at + 1, again, end);
      if (other > length) return setLimited(at + 1, again, other, end, next);
    }
  }
  const last = <i32>pair - base;
  if (next - last < REACH) {
    let lastIsBetter = false;
    if (load4(last) == <u32>following) {
      const other = limitedMatch(next, last, end);
      if (other > length) {
        from = last;
        start = next;
        length = other;
        lastIsBetter = true;
      }
    }
    const before = <i32>(pair >> 32) - base;
    if ((repeats || !lastIsBetter) && next - before < REACH && load4(before) == <u32>following) {
      const other = limitedMatch(next, before, end);
      if (other > length) {
        from = before;
        start = next;
        length = other;
      }
    }
  }
  setLimited(start, from, length, end, next);
}

/**
 * Looks for a better match by its end: where the 7 bytes after this one were seen, a longer one may have led up to them.
 * Its first bytes may differ; that they do not is found when the start is moved back.
 */
// @ts-ignore: decorator
@inline
function betterByEnd(end: i32, limit: i32, both: bool): void {
  const length = matchLength;
  const after = matchAt + length;
  if (after >= limit || (!both && length >= GOOD_LENGTH)) return;
  const skipped = generation > BEFORE_SKIPPED_START ? 2 : 0;
  const pair = load<u64>(longSlot(load8(after)), LONG);
  const at = matchAt + skipped;
  const from = <i32>pair - base - length + skipped;
  if (at - from >= REACH) return;
  if (from < at && from >= 0) takeIfLonger(at, from, end);
  if (!both) return;
  // The length taken off is the new one if there is one, though the slot is of the old one's end.
  const earlier = <i32>(pair >> 32) - base - matchLength + skipped;
  if (earlier < at && at - earlier < REACH && earlier >= 0) takeIfLonger(at, earlier, end);
}

function takeIfLonger(at: i32, from: i32, end: i32): void {
  const length = commonLength(at, from, end);
  if (length > matchLength) setMatch(at, from, length, nextAt);
}

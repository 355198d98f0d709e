// Levels 5 and 6: a table of the last position of each 4 bytes, and one of the last two of each 7 bytes.
//
// An entry is a position, with the base added and modulo 2^21, and below it a tag of 11 bits of its first 4 bytes: nearly all
// candidates that are out of reach or begin otherwise are told from a subtraction, without a look at the bytes there.
import {
  appendBlock, base, commonLength, emitMatch, emitRest, historyEnd, limitedMatch, load4, load8, MARGIN, matchAt,
  matchFrom, matchLength, nextAt, REACH, setMatch, wholeMatch,
} from './fast-history';
import { BEFORE_SKIPPED_START, generation } from './generation';
import { hash7, PRIME_4 } from './hashes';
import { TABLES } from './layout';

const SHORT_BYTES: i32 = 4 << 15;
const TABLE_BYTES: i32 = (4 + 8) << 15;
const LONG: usize = TABLES + SHORT_BYTES;
const TAG_BITS: u32 = 11;
const TAG_MASK: u32 = (1 << TAG_BITS) - 1;
/** Matches of at least so many bytes are not tried to be bettered by level 5. */
const GOOD_LENGTH: i32 = 30;
/**
 * The tables are gone over when so many bytes have passed: an entry may look 2^20 bytes old at most, of which a block and a
 * reset, which passes REACH and the history, take some.
 */
const SWEEP_BYTES: i32 = 500000;
/** How old entries look after that at most. */
const OLD: i32 = 65536;

const NEAR: u32 = <u32>REACH;

let word: u64 = 0;
/** The distance of the match before; level 6 tries it again. */
let lastDistance: i32 = 1;
/** Where the tables were gone over, with the base added. */
let sweptAt: i32 = 0;

/** From this the place in the short table is taken, and the tag. */
// @ts-ignore: decorator
@inline
function product4(bytes: u64): u32 {
  return <u32>bytes * <u32>PRIME_4;
}

// @ts-ignore: decorator
@inline
function shortSlot(product: u32): usize {
  return <usize>((product >> 17) << 2);
}

// @ts-ignore: decorator
@inline
function longSlot(bytes: u64): usize {
  return hash7(bytes, 3);
}

/** What is entered for a position, with the base added. */
// @ts-ignore: decorator
@inline
function entryOf(place: i32, product: u32): u32 {
  return (<u32>place << TAG_BITS) | ((product >> (17 - TAG_BITS)) & TAG_MASK);
}

/** How far an entry lies before another, if its tag is the same and it is in reach; something larger if not. */
// @ts-ignore: decorator
@inline
function likeBehind(entry: u32, other: u32): u32 {
  return rotr<u32>(entry - other, TAG_BITS);
}

/** How far an entry lies before another; negative where it lies behind it. */
// @ts-ignore: decorator
@inline
function behind(entry: u32, other: u32): i32 {
  return <i32>((entry | TAG_MASK) - other) >> TAG_BITS;
}

/** Makes an entry the last of its 7 bytes, and the last the one before. */
// @ts-ignore: decorator
@inline
function enterLong(slot: usize, entry: u32): void {
  store<u64>(slot, (load<u64>(slot, LONG) << 32) | <u64>entry, LONG);
}

/** Both tables. */
// @ts-ignore: decorator
@inline
function enter(place: i32, bytes: u64): void {
  const product = product4(bytes);
  const entry = entryOf(place, product);
  store<u32>(shortSlot(product), entry, TABLES);
  enterLong(longSlot(bytes), entry);
}

// @ts-ignore: decorator
@inline
function append(from: usize, count: i32): i32 {
  const at = appendBlock(from, count, 0);
  if (((at + base - sweptAt) & 0x1fffff) > SWEEP_BYTES) sweep(at + base);
  return at;
}

/** Positions are counted modulo 2^21: what is out of reach must not come into it again. */
function sweep(place: i32): void {
  const now = i32x4.splat((place << TAG_BITS) | TAG_MASK);
  const old = i32x4.splat(OLD);
  const oldest = i32x4.splat((place - OLD) << TAG_BITS);
  for (let at = TABLES; at < TABLES + TABLE_BYTES; at += 16) {
    const entries = v128.load(at);
    const isOld = i32x4.gt_s(i32x4.shr_s(i32x4.sub(now, entries), TAG_BITS), old);
    v128.store(at, v128.bitselect(oldest, entries, isOld));
  }
  sweptAt = place;
}

/** Forgets all entries, whatever they are. */
export function resetLevel5(): void {
  const oldest = i32x4.splat((base - OLD) << TAG_BITS);
  for (let at = TABLES; at < TABLES + TABLE_BYTES; at += 16) v128.store(at, oldest);
  sweptAt = base;
}

export function searchLevel5(from: usize, count: i32): void {
  let at = append(from, count);
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
    enter(at - 1 + base, bytes);
    word = bytes >> 8;
  }
  emitRest(pending, found);
}

export function searchLevel6(from: usize, count: i32): void {
  let at = append(from, count);
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
  enter(from + offset, bytes);
  bytes >>= 8;
  enterLong(longSlot(bytes), entryOf(from + 1 + offset, product4(bytes)));
  let product = product4(bytes >> 8);
  store<u32>(shortSlot(product), entryOf(from + 2 + offset, product), TABLES);
  for (let at = from + 4; at < to - 1; at += 3) {
    bytes = load8(at);
    enterLong(longSlot(bytes), entryOf(at + offset, product4(bytes)));
    product = product4(bytes >> 8);
    store<u32>(shortSlot(product), entryOf(at + 1 + offset, product), TABLES);
  }
}

/** Level 6: every second position in both tables, and the one after in the long one if `both`. */
function enterShortAndLong(from: i32, to: i32, both: bool): void {
  const offset = base;
  for (let at = from; at < to; at += 2) {
    let bytes = load8(at);
    enter(at + offset, bytes);
    if (!both) continue;
    bytes >>= 8;
    enterLong(longSlot(bytes), entryOf(at + 1 + offset, product4(bytes)));
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
  let product = product4(bytes);
  let nextEntry = entryOf(at + offset, product);
  let shortAt = shortSlot(product);
  let longAt = longSlot(bytes);
  let short = load<u32>(shortAt, TABLES);
  let pair = load<u64>(longAt, LONG);
  while (true) {
    at = next;
    next = at + 1 + ((at - pending) >> patience);
    if (next > limit) return false;
    const following = load8(next);
    const entry = nextEntry;
    store<u32>(shortAt, entry, TABLES);
    store<u64>(longAt, (pair << 32) | <u64>entry, LONG);
    // The next position's entries are on their way while this one's are compared.
    product = product4(following);
    nextEntry = entryOf(next + offset, product);
    shortAt = shortSlot(product);
    longAt = longSlot(following);
    const nextShort = load<u32>(shortAt, TABLES);
    const nextPair = load<u64>(longAt, LONG);
    const toLong = likeBehind(entry, <u32>pair);
    const toBefore = likeBehind(entry, <u32>(pair >> 32));
    const toShort = likeBehind(entry, short);
    // One branch for all three is foreseen better than one for each.
    if (i32(toLong < NEAR) | i32(toBefore < NEAR) | i32(toShort < NEAR)) {
      const fits = isAt(at, toLong, <u32>bytes);
      const fitsBefore = isAt(at, toBefore, <u32>bytes);
      if (fits | fitsBefore | isAt(at, toShort, <u32>bytes)) {
        store<u32>(shortAt, nextEntry, TABLES);
        store<u64>(longAt, (nextPair << 32) | <u64>nextEntry, LONG);
        const long = at - <i32>toLong;
        const before = at - <i32>toBefore;
        if (fits | fitsBefore) chooseLong(at, fits ? long : before, fits & fitsBefore ? before : -1, end, next);
        else chooseShort(at, at - <i32>toShort, bytes, following, nextEntry, nextPair, next, repeats);
        return true;
      }
    }
    bytes = following;
    short = nextShort;
    pair = nextPair;
  }
}

/** 1 where the four bytes of a candidate in reach are these. */
// @ts-ignore: decorator
@inline
function isAt(at: i32, distance: u32, four: u32): i32 {
  return distance < NEAR ? i32(load4(at - <i32>distance) == four) : 0;
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
  at: i32, short: i32, bytes: u64, following: u64, entry: u32, pair: u64, next: i32, repeats: bool,
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
  if (behind(entry, <u32>pair) < REACH) {
    const last = likeBehind(entry, <u32>pair);
    let lastIsBetter = false;
    if (isAt(next, last, <u32>following)) {
      const other = limitedMatch(next, next - <i32>last, end);
      if (other > length) {
        from = next - <i32>last;
        start = next;
        length = other;
        lastIsBetter = true;
      }
    }
    const before = likeBehind(entry, <u32>(pair >> 32));
    if ((repeats || !lastIsBetter) && isAt(next, before, <u32>following)) {
      const other = limitedMatch(next, next - <i32>before, end);
      if (other > length) {
        from = next - <i32>before;
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
  const entry = <u32>(after + base) << TAG_BITS;
  const last = behind(entry, <u32>pair);
  if (last >= REACH) return;
  if (last > 0 && at >= last) takeIfLonger(at, at - last, end);
  if (!both) return;
  // The length taken off is the new one if there is one, though the slot is of the old one's end.
  const before = behind(entry, <u32>(pair >> 32)) + matchLength - length;
  if (before > 0 && before < REACH && at >= before) takeIfLonger(at, at - before, end);
}

function takeIfLonger(at: i32, from: i32, end: i32): void {
  const length = commonLength(at, from, end);
  if (length > matchLength) setMatch(at, from, length, nextAt);
}

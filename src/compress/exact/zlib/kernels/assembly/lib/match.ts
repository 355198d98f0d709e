// The sliding window, its hash chains and the search for the longest match.
//
// The originals walk the chain of all strings whose first three bytes have the same hash, at most a level's number of
// them. Here longer matches are sought in the chain of strings that share four bytes, far shorter; the ordinals say
// for each string there whether the originals' walk would have got to it.
import {
  HALF_WINDOW, HEAD, HEAD_OF_FOUR, MAX_DISTANCE, MAX_MATCH, MIN_MATCH, PREVIOUS, PREVIOUS_OF_FOUR, SLIDE_AT, WINDOW,
  WINDOW_BYTES,
} from './layout';

/**
 * Which strings share a chain: those of three bytes that zlib's own hash does not tell apart, or what Chromium's zlib
 * takes for it, CRC-32C (an instruction of many processors) or a product, of the four bytes from the string's first on.
 */
export const ZLIB_HASH: u32 = 0;
/** With 15 bits whatever the memLevel, and a window that slides as zlib's did once. */
export const CRC_HASH: u32 = 1;
export const PRODUCT_HASH: u32 = 2;
/** CRC-32C's polynomial (RFC 3720, section 12.1), bits reversed, and what it makes of each byte at each place. */
const CRC_POLYNOMIAL: u32 = 0x82f63b78;
const CRC_OF_BYTE: usize = memory.data(4 * 4 * 256, 16);
const PRODUCT_FACTOR: u32 = 66521;

/** Chains that are walked so far at most are not worth another. */
const SHORT_CHAIN: u32 = 16;
/** Strings of a tail's chain that are passed over because they are nearer than what is looked for. */
const MOST_PASSED: i32 = 8;
/** Answers of `findByTail` beside matches. */
const NOT_KNOWN: u32 = 0;
const NONE: u32 = 1;

/** What a level and a kind of encoder mean for the search; zlib's names, see its deflate.c. */
let goodLength: u32 = 0;
let niceLength: u32 = 0;
let maxChain: u32 = 0;
let wideHash: bool = false;
let hashKind: u32 = ZLIB_HASH;
/** The bytes of a string that CRC-32C sees: three, or four below level 6. */
let crcMask: u32 = 0;
let boundByLookahead: bool = false;

/** Where the match that longestMatch found last begins. */
export let matchStart: i32 = 0;

export function configureHash(kind: u32, wide: bool, shortStrings: bool): void {
  hashKind = kind;
  wideHash = wide && kind != CRC_HASH;
  crcMask = shortStrings ? 0xffffff : 0xffffffff;
}

export function configureSearch(good: u32, nice: u32, chain: u32, bounded: bool): void {
  goodLength = good;
  niceLength = nice;
  maxChain = chain;
  boundByLookahead = bounded;
}

export function clearWindow(): void {
  memory.fill(HEAD, 0, wideHash ? 0x40000 : 0x20000);
  memory.fill(HEAD_OF_FOUR, 0, 0x10000);
  memory.fill(WINDOW, 0, WINDOW_BYTES);
  matchStart = 0;
}

export function setMatchStart(index: i32): void {
  matchStart = index;
}

function fillCrcTable(): void {
  for (let byte: u32 = 0; byte < 256; byte++) {
    let crc = byte;
    for (let step: u32 = 0; step < 32; step++) {
      crc = (crc >> 1) ^ (crc & 1 ? CRC_POLYNOMIAL : 0);
      // The first of four bytes goes through all steps, the last through the first eight of them.
      if ((step & 7) == 7) store<u32>(CRC_OF_BYTE + (((3 - (step >> 3)) << 10) | (byte << 2)), crc);
    }
  }
}
fillCrcTable();

function otherHash(bytes: u32): u32 {
  const mask: u32 = wideHash ? 0xffff : 0x7fff;
  if (hashKind == PRODUCT_HASH) return ((bytes * PRODUCT_FACTOR + PRODUCT_FACTOR) >> 16) & mask;
  const seen = bytes & crcMask;
  const crc =
    load<u32>(CRC_OF_BYTE + ((seen & 0xff) << 2)) ^
    load<u32>(CRC_OF_BYTE + (((seen >> 8) & 0xff) << 2), 1 << 10) ^
    load<u32>(CRC_OF_BYTE + (((seen >> 16) & 0xff) << 2), 2 << 10) ^
    load<u32>(CRC_OF_BYTE + ((seen >> 24) << 2), 3 << 10);
  return crc & mask;
}

/** Any function that tells the same strings apart makes the same chains; this is zlib's, which does not tell all. */
// @ts-ignore: decorator
@inline
function hashAt(index: u32): u32 {
  const bytes = load<u32>(WINDOW + index);
  if (hashKind != ZLIB_HASH) return otherHash(bytes);
  return wideHash
    ? ((bytes << 12) ^ ((bytes >> 2) & 0x3fc0) ^ ((bytes >> 16) & 0xff)) & 0xffff
    : ((bytes << 10) ^ ((bytes >> 3) & 0x1fe0) ^ ((bytes >> 16) & 0xff)) & 0x7fff;
}

/** Makes the string at `index` known; the entry it found: the newest index with the same hash, or 0, and the count. */
// @ts-ignore: decorator
@inline
export function insertString(index: u32): u32 {
  const slot = HEAD + (hashAt(index) << 2);
  const entry = load<u32>(slot);
  store<u32>(PREVIOUS + ((index & (HALF_WINDOW - 1)) << 2), entry);
  store<u32>(slot, ((entry & 0xffff0000) + 0x10000) | index);
  return entry;
}

/**
 * Makes the four bytes at `index`, which must all be there, known; the newest index with the same hash, or 0.
 *
 * @param entry what insertString gave for the string
 */
// @ts-ignore: decorator
@inline
export function insertFour(index: u32, entry: u32): u32 {
  const slot = HEAD_OF_FOUR + slotOfFour(load<u32>(WINDOW + index));
  const head = <u32>load<u16>(slot);
  store<u32>(PREVIOUS_OF_FOUR + ((index & (HALF_WINDOW - 1)) << 2), head | (entry & 0xffff0000));
  store<u16>(slot, index);
  return head;
}

// @ts-ignore: decorator
@inline
function slotOfFour(bytes: u32): usize {
  return <usize>((bytes * 0x9e3779b1) >> 17) << 1;
}

/** insertFour for a string that insertString took before. */
export function insertLateFour(index: u32): void {
  insertFour(index, load<u32>(PREVIOUS + ((index & (HALF_WINDOW - 1)) << 2)));
}

/** Subtracts from the u16 numbers of a table; those that would fall below 0 become 0. */
function lower(table: usize, sizeBytes: u32, by: v128): void {
  const end = table + sizeBytes;
  for (let at = table; at < end; at += 16) v128.store(at, i16x8.sub_sat_u(v128.load(at), by));
}

/**
 * Moves the upper half of the window down, whose last `freeBytes` hold no data. What lay above the data stays there, and is
 * looked at: by GNU gzip, and by hashes of four bytes for a string of three at the input's end. zlib before 1.2.9, and so
 * GNU gzip, moves what is no data too.
 */
export function slideWindow(freeBytes: u32): void {
  const movesAll = hashKind == ZLIB_HASH || hashKind == CRC_HASH;
  memory.copy(WINDOW, WINDOW + HALF_WINDOW, movesAll ? HALF_WINDOW : HALF_WINDOW - freeBytes);
  matchStart -= HALF_WINDOW;
  const evenBy = i32x4.splat(<i32>HALF_WINDOW);
  const by = i16x8.splat(<i16>HALF_WINDOW);
  lower(HEAD, wideHash ? 0x40000 : 0x20000, evenBy);
  lower(PREVIOUS, 0x20000, evenBy);
  lower(HEAD_OF_FOUR, 0x10000, by);
  lower(PREVIOUS_OF_FOUR, 0x20000, evenBy);
}

/** The length up to MAX_MATCH to which the bytes at `a` and `b` agree. */
// @ts-ignore: decorator
@inline
function commonLength(a: usize, b: usize): u32 {
  let length: u32 = 0;
  do {
    const difference = load<u64>(a + length) ^ load<u64>(b + length);
    if (difference) return min(length + (<u32>ctz(difference) >> 3), MAX_MATCH);
    length += 8;
  } while (length < MAX_MATCH);
  return MAX_MATCH;
}

/**
 * The length of the longest match for the string at `start`, at most `ahead`, among those that the chain from `head`
 * leads to, if it is longer than `best`; else `best` (or `ahead`). Of equally long ones, the nearest.
 */
export function longestMatch(head: u32, start: u32, ahead: u32, best: u32): u32 {
  let chain = best >= goodLength ? maxChain >> 2 : maxChain;
  const nice = boundByLookahead ? min(niceLength, ahead) : niceLength;
  const limit = start > MAX_DISTANCE ? start - MAX_DISTANCE : 0;
  const scan = WINDOW + start;
  // A longer match has these four bytes in common, or three while only two are to be beaten.
  let mask: u32 = best > 2 ? 0xffffffff : 0xffffff;
  let probe: usize = best - min(best, MIN_MATCH);
  let wanted = load<u32>(scan + probe) & mask;
  let candidate = head;
  do {
    const match = WINDOW + candidate;
    if ((load<u32>(match + probe) & mask) == wanted) {
      const length = commonLength(scan, match);
      if (length > best) {
        matchStart = candidate;
        best = length;
        if (length >= nice) break;
        mask = 0xffffffff;
        probe = best - 3;
        wanted = load<u32>(scan + probe);
      }
    }
    candidate = <u32>load<u16>(PREVIOUS + ((candidate & (HALF_WINDOW - 1)) << 2));
  } while (candidate > limit && --chain);
  return min(best, ahead);
}

/**
 * What longestMatch finds when the longest match has room ahead, but for matches of three bytes beyond `farthest`.
 *
 * @param entry what insertString gave for the string, whose index in it is in reach
 * @param candidate what insertFour gave for it
 */
export function longestMatchAhead(entry: u32, candidate: u32, start: u32, best: u32, farthest: u32): u32 {
  const chain = best >= goodLength ? maxChain >> 2 : maxChain;
  const head = entry & 0xffff;
  const newest = (entry >> 16) - 1;
  const limit = start > MAX_DISTANCE ? start - MAX_DISTANCE : 0;
  const scan = WINDOW + start;
  const four = load<u32>(scan);
  let longest = max(best, MIN_MATCH);
  let probe: usize = WINDOW + longest - 3;
  let wanted = load<u32>(probe + start);
  // A head just as far as the limit is the only match there can be, and tails do not tell it.
  const isLong = maxChain > SHORT_CHAIN && head > limit;
  let byTail = isLong && longest > MIN_MATCH;
  // The head of the chain may be just as far as the limit.
  while (candidate > limit || (candidate == head && candidate)) {
    let length: u32 = 0;
    if (byTail && candidate > limit) {
      const next = findByTail(candidate, start, longest, limit, chain);
      if (next == NONE) return longest;
      if (next != NOT_KNOWN) {
        candidate = next & 0xffff;
        length = next >> 16;
      }
    }
    const link = load<u32>(PREVIOUS_OF_FOUR + ((candidate & (HALF_WINDOW - 1)) << 2));
    // Ordinals can be compared within one chain only; other strings with the same hash of four are passed over.
    if (((newest - (link >> 16)) & 0xffff) >= chain) {
      if (load<u32>(WINDOW + candidate) == four) break;
    } else if (length || load<u32>(probe + candidate) == wanted) {
      if (!length) length = commonLength(scan, WINDOW + candidate);
      if (length > longest) {
        matchStart = candidate;
        longest = length;
        if (length >= niceLength) return length;
        probe = WINDOW + longest - 3;
        wanted = load<u32>(probe + start);
        candidate = link & 0xffff;
        byTail = isLong;
        continue;
      }
    }
    byTail = false;
    candidate = link & 0xffff;
  }
  if (longest > MIN_MATCH || best >= MIN_MATCH) return longest;
  return nearestOfThree(head, start, chain, max(limit, start > farthest ? start - farthest - 1 : 0));
}

/**
 * The nearest match longer than `longest`, four at least, from `candidate` on, as its start and its length << 16. It has the same
 * tail, the four bytes up to the one beyond the longest, so it is found from the chain of these too, often a far shorter one.
 */
// @ts-ignore: decorator
@inline
function findByTail(candidate: u32, start: u32, longest: u32, limit: u32, most: u32): u32 {
  const skipped = longest - 3;
  // Strings after the start are not known yet, so matches that begin less than `skipped` before it do not show.
  if (start - candidate < skipped) return NOT_KNOWN;
  const scan = WINDOW + start;
  const wanted = load<u32>(scan + skipped);
  let tail = <u32>load<u16>(HEAD_OF_FOUR + slotOfFour(wanted));
  for (let left = MOST_PASSED; tail > candidate + skipped; left--) {
    if (left == 0) return NOT_KNOWN;
    tail = <u32>load<u16>(PREVIOUS_OF_FOUR + ((tail & (HALF_WINDOW - 1)) << 2));
  }
  const four = load<u32>(scan);
  for (let left = most; left > 0; left--) {
    if (tail <= limit + skipped) return NONE;
    if (load<u32>(WINDOW + tail) == wanted && load<u32>(WINDOW + tail - skipped) == four) {
      const length = commonLength(scan, WINDOW + tail - skipped);
      if (length > longest) return (length << 16) | (tail - skipped);
    }
    tail = <u32>load<u16>(PREVIOUS_OF_FOUR + ((tail & (HALF_WINDOW - 1)) << 2));
  }
  return NOT_KNOWN;
}

/** The length of the first match of three bytes that the chain leads to above `limit`, or 2 when there is none. */
function nearestOfThree(head: u32, start: u32, chain: u32, limit: u32): u32 {
  const wanted = load<u32>(WINDOW + start) & 0xffffff;
  let candidate = head;
  while (candidate > limit && chain--) {
    if ((load<u32>(WINDOW + candidate) & 0xffffff) == wanted) {
      matchStart = candidate;
      return MIN_MATCH;
    }
    candidate = <u32>load<u16>(PREVIOUS + ((candidate & (HALF_WINDOW - 1)) << 2));
  }
  return MIN_MATCH - 1;
}

/** Whether a match at `head` may be considered for the string at `start`. */
// @ts-ignore: decorator
@inline
export function reaches(head: u32, start: u32): bool {
  return head != 0 && start - head <= MAX_DISTANCE && start <= SLIDE_AT;
}

// Levels 7 to 9: finding a match among the positions with the same hash.
import { BEFORE_LAZY_SKIPPED_START, BEFORE_SOUND_HEADER, generation, GO_1_27 } from './generation';
import { buildCodes } from './huffman';
import {
  COUNTS, DISTANCE_EXTRA_BITS, LENGTH_EXTRA_BITS, LENGTH_SYMBOLS, PRICE_CODES, TABLES, WINDOW,
} from './layout';
import { distanceSymbol } from './tokens';

export const HEADS: usize = TABLES;
/** For a position, modulo the window, the position before it with the same hash. */
export const CHAIN: usize = TABLES + (4 << 17);
export const WINDOW_BYTES: i32 = 32768;
export const SHORTEST: i32 = 4;
export const LONGEST: i32 = 258;
export const NO_LENGTH: i32 = SHORTEST - 1;

let niceLength: i32 = 0;
let chainLimit: i32 = 0;

export function setChainLimits(nice: i32, chain: i32): void {
  niceLength = nice;
  chainLimit = chain;
}

// @ts-ignore: decorator
@inline
export function hashAt(at: i32): usize {
  return <usize>(((load<u32>(<usize>at, WINDOW) * <u32>2654435761) >> 15) << 2);
}

// @ts-ignore: decorator
@inline
export function chainAt(at: i32): usize {
  return <usize>((at & (WINDOW_BYTES - 1)) << 2);
}

// @ts-ignore: decorator
@inline
export function byteAt(at: i32): u32 {
  return <u32>load<u8>(<usize>at, WINDOW);
}

/** Codes of the bytes not searched yet, as if they were sent as literals. */
export function countPrices(position: i32, windowEnd: i32): void {
  memory.fill(COUNTS, 0, 256 * 4);
  const end = generation > BEFORE_SOUND_HEADER ? min(windowEnd, position + 32768) : windowEnd;
  for (let at = position; at < end; at++) {
    const counter = COUNTS + (byteAt(at) << 2);
    store<u32>(counter, load<u32>(counter) + 1);
  }
  // 65,536 equal bytes are counted as none: the original counts in 16 bits.
  for (let at = COUNTS; at < COUNTS + 256 * 4; at += 4) store<u32>(at, load<u32>(at) & 0xffff);
  buildCodes(PRICE_CODES, COUNTS, 256, 15);
  if (generation != GO_1_27) return;
  for (let at = PRICE_CODES; at < PRICE_CODES + 256 * 4; at += 4) store<u32>(at, max(load<u32>(at), 1));
}

/** A match in one word; 0 is none. */
// @ts-ignore: decorator
@inline
function matchOf(length: i32, distance: i32): i32 {
  return (length << 16) | distance;
}

// @ts-ignore: decorator
@inline
export function commonLength(a: i32, b: i32, end: i32): i32 {
  const start = b;
  while (b + 8 <= end) {
    const difference = load<u64>(<usize>a, WINDOW) ^ load<u64>(<usize>b, WINDOW);
    if (difference != 0) return b - start + <i32>(ctz(difference) >> 3);
    a += 8;
    b += 8;
  }
  while (b < end && byteAt(a) == byteAt(b)) {
    a++;
    b++;
  }
  return b - start;
}

/** Follows the chain for the longest match, the nearest of equals. */
export function findLongest(position: i32, at: i32, base: i32, lookahead: i32): i32 {
  const end = position + min(lookahead, LONGEST);
  const enough = min(niceLength, end - position);
  const least = max(position - WINDOW_BYTES, 0);
  let found = 0;
  let length = NO_LENGTH;
  let last = byteAt(position + length);
  for (let tries = chainLimit; tries > 0; tries--) {
    if (byteAt(at + length) == last) {
      const common = commonLength(at, position, end);
      if (common > length) {
        length = common;
        found = matchOf(common, position - at);
        if (common >= enough) return found;
        last = byteAt(position + common);
      }
    }
    if (at <= least) return found;
    at = load<i32>(chainAt(at), CHAIN) - base;
    if (at < least) return found;
  }
  return found;
}

/** Follows the chain for the match that saves most bits; a longer one only, and one that saves some. */
export function findCheapest(position: i32, at: i32, base: i32, lookahead: i32): i32 {
  const end = position + min(lookahead, LONGEST);
  const enough = min(niceLength, end - position);
  const least = max(position - WINDOW_BYTES, 0);
  const newer = generation > BEFORE_LAZY_SKIPPED_START;
  const overhead = newer ? 3 : 6;
  let gain = newer ? 4 : 0;
  let found = 0;
  let length = NO_LENGTH;
  let last = byteAt(position + length);
  for (let tries = chainLimit; tries > 0; tries--) {
    if (byteAt(at + length) == last) {
      const common = commonLength(at, position, end);
      if (common > length) {
        const saved = literalBits(position, common) - extraBitsOf(common, position - at) - overhead;
        if (saved > gain) {
          length = common;
          found = matchOf(common, position - at);
          gain = saved;
          if (common >= enough) return found;
          last = byteAt(position + common);
        }
      }
    }
    if (at <= least) return found;
    at = load<i32>(chainAt(at), CHAIN) - base;
    if (at < least) return found;
  }
  return found;
}

function literalBits(position: i32, count: i32): i32 {
  let total: u32 = 0;
  for (let at = position; at < position + count; at++) total += <u32>load<u8>(byteAt(at) << 2, PRICE_CODES);
  return <i32>total;
}

/** The distance is taken one too large here, and 32,768 for 128, as in the original. */
function extraBitsOf(length: i32, distance: i32): i32 {
  return (
    (distance == WINDOW_BYTES ? 6 : load<i32>((distanceSymbol(distance) << 2) + DISTANCE_EXTRA_BITS)) +
    load<i32>((<usize>load<u8>(<usize>((length - 3) & 255), LENGTH_SYMBOLS) << 2) + LENGTH_EXTRA_BITS)
  );
}

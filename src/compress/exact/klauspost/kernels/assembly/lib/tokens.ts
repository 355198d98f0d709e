// The block being collected: what is to be sent, and how often each symbol occurs in it.
//
// A token is a literal byte, or MATCH | (length - 3) << 22 | distance code << 16 | distance - 1.
import { BEFORE_LONG_SPLIT, generation } from './generation';
import {
  ALL_COUNTS_BYTES, DISTANCE_EXTRA_BITS, DISTANCE_SYMBOLS, LENGTH_EXTRA_BITS, LENGTH_SYMBOLS, TOKENS, TOKEN_COUNTS,
  TOKEN_DISTANCE_COUNTS,
} from './layout';

export const MATCH: u32 = 1 << 30;
export const END_OF_BLOCK: u32 = 256;

/** Where the next token goes. */
let tokensEnd: usize = TOKENS;

// @ts-ignore: decorator
@inline
export function tokenCount(): i32 {
  return <i32>((tokensEnd - TOKENS) >> 2);
}

export function clearTokens(): void {
  tokensEnd = TOKENS;
  memory.fill(TOKEN_COUNTS, 0, ALL_COUNTS_BYTES);
}

// @ts-ignore: decorator
@inline
function countUp(at: usize): void {
  store<u32>(at, load<u32>(at) + 1);
}

/** Literals for the bytes at [from, to). */
// @ts-ignore: decorator
@inline
export function addLiterals(from: usize, to: usize): void {
  let end = tokensEnd;
  for (; from < to; from++, end += 4) {
    const byte = <u32>load<u8>(from);
    store<u32>(end, byte);
    countUp(TOKEN_COUNTS + (byte << 2));
  }
  tokensEnd = end;
}

export function addLiteral(byte: u32): void {
  store<u32>(tokensEnd, byte);
  tokensEnd += 4;
  countUp(TOKEN_COUNTS + (byte << 2));
}

export function addEndOfBlock(): void {
  store<u32>(tokensEnd, END_OF_BLOCK);
  tokensEnd += 4;
  countUp(TOKEN_COUNTS + (END_OF_BLOCK << 2));
}

// @ts-ignore: decorator
@inline
export function distanceSymbol(distanceLess1: u32): u32 {
  return distanceLess1 < 256
    ? <u32>load<u8>(distanceLess1, DISTANCE_SYMBOLS)
    : <u32>load<u8>(distanceLess1 >> 7, DISTANCE_SYMBOLS + 256);
}

/** A match of 3 to 258 bytes. */
// @ts-ignore: decorator
@inline
export function addMatch(lengthLess3: u32, distanceLess1: u32): void {
  const symbol = distanceSymbol(distanceLess1);
  store<u32>(tokensEnd, MATCH | (lengthLess3 << 22) | (symbol << 16) | distanceLess1);
  tokensEnd += 4;
  countUp(TOKEN_COUNTS + 256 * 4 + (<usize>load<u8>(lengthLess3, LENGTH_SYMBOLS) << 2));
  countUp(TOKEN_DISTANCE_COUNTS + (symbol << 2));
}

/** A match of any length from 4: as many tokens as needed, none shorter than 3 bytes. */
// @ts-ignore: decorator
@inline
export function addLongMatch(length: i32, distanceLess1: u32): void {
  while (length > 258) {
    const part = length > 261 && generation > BEFORE_LONG_SPLIT ? 258 : 255;
    addMatch(<u32>(part - 3), distanceLess1);
    length -= part;
  }
  addMatch(<u32>(length - 3), distanceLess1);
}

/** log2 by a quadratic in single precision; every rounding shows in the output, so the order is fixed. */
// @ts-ignore: decorator
@inline
function roughLog2(value: f32): f32 {
  const bits = reinterpret<i32>(value);
  const mantissa = reinterpret<f32>((bits & 0x807fffff) + (127 << 23));
  const exponent = <f32>(((bits >> 23) & 255) - 128);
  return exponent + ((<f32>-0.34484843 * mantissa + <f32>2.02466578) * mantissa - <f32>0.67487759);
}

/** `count` times the bits of a symbol that occurs so often, which are taken to be 1 to 15. */
// @ts-ignore: decorator
@inline
function roughBits(count: u32, inverseTotal: f32): f32 {
  const times = <f32>count;
  const bits = -roughLog2(times * inverseTotal);
  return (bits < 1 ? <f32>1 : bits > 15 ? <f32>15 : bits) * times;
}

/** How many bits the block would take with codes of its own, without their header. `total` is what counts as one. */
export function estimatedBits(total: i32): i32 {
  let sum: f32 = 0;
  let extra = 0;
  let matches: u32 = 0;
  if (total > 0) {
    const inverse = <f32>1 / <f32>total;
    for (let at = TOKEN_COUNTS; at < TOKEN_COUNTS + 256 * 4; at += 4) {
      const count = load<u32>(at);
      if (count > 0) sum += roughBits(count, inverse);
    }
    sum += 15;
    for (let symbol: usize = 1; symbol < 30; symbol++) {
      const count = load<u32>((symbol << 2) + TOKEN_COUNTS + 256 * 4);
      if (count == 0) continue;
      sum += roughBits(count, inverse);
      extra += <i32>(load<u32>((symbol << 2) + LENGTH_EXTRA_BITS) * count);
      matches += count;
    }
  }
  if (matches > 0) {
    const inverse = <f32>1 / <f32>matches;
    for (let symbol: usize = 0; symbol < 30; symbol++) {
      const count = load<u32>((symbol << 2) + TOKEN_DISTANCE_COUNTS);
      if (count == 0) continue;
      sum += roughBits(count, inverse);
      extra += <i32>(load<u32>((symbol << 2) + DISTANCE_EXTRA_BITS) * count);
    }
  }
  return <i32>sum + extra;
}

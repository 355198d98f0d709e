// Collects the tokens of one block and writes it as zlib does: stored, with the fixed codes or with its own.
import { putBits, putStored, putTokens, alignToByte } from './bits';
import {
  DISTANCE_BASE, DISTANCE_CODE, DISTANCE_CODES, DISTANCE_EXTRA, END_OF_BLOCK, LENGTH_BASE, LENGTH_CODE,
  LENGTH_CODES_CODES, LENGTH_EXTRA, LITERAL_CODES, TOKENS, WINDOW, distanceCode,
} from './layout';
import {
  Alphabet, addDynamicBits, buildCode, clearBitSums, codeOfLengths, dynamicBits, fixedBits,
} from './trees';

export const FIXED_LITERAL_LENGTHS: usize = memory.data(288, 16);
export const FIXED_LITERAL_CODES: usize = memory.data(2 * 288, 16);
export const FIXED_DISTANCE_LENGTHS: usize = memory.data(32, 16);
export const FIXED_DISTANCE_CODES: usize = memory.data(64, 16);
const LENGTH_CODE_EXTRA: usize = memory.data<u8>([2, 3, 7]);
/** In which order a block's header gives the lengths of the code for lengths. */
export const HEADER_ORDER: usize = memory.data<u8>([
  16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15,
]);

export const LITERALS = changetype<Alphabet>(memory.data(32, 16));
export const DISTANCES = changetype<Alphabet>(memory.data(32, 16));
export const CODE_LENGTHS = changetype<Alphabet>(memory.data(32, 16));

/** u16: what the header says of the two codes' lengths: symbol | extra bits << 5. */
export const RUNS: usize = memory.data(2 * 320, 16);
/** u32 by literal, length - 3 and distance code: the bits to write | their count << 24. */
const LITERAL_BITS: usize = memory.data(4 * 256, 16);
const LENGTH_BITS: usize = memory.data(4 * 256, 16);
const DISTANCE_BITS: usize = memory.data(4 * 32, 16);

export let runsEnd: usize = RUNS;
let tokenEnd: usize = TOKENS;
let tokenLimit: usize = TOKENS;
/** The window index where the block begins; below 0 when that has left the window. */
export let blockStart: i32 = 0;

function setUp(
  alphabet: Alphabet, arrays: usize, symbols: u32, maxLength: u32, extraBits: usize, extraFrom: u32,
  fixedLengths: usize,
): void {
  alphabet.weights = arrays;
  alphabet.lengths = arrays + 4 * 576;
  alphabet.codes = arrays + 5 * 576;
  alphabet.symbols = symbols;
  alphabet.maxLength = maxLength;
  alphabet.extraBits = extraBits;
  alphabet.extraFrom = extraFrom;
  alphabet.fixedLengths = fixedLengths;
}

/** Done once, before all else. */
export function prepareBlocks(): void {
  memory.fill(FIXED_LITERAL_LENGTHS, 8, 288);
  memory.fill(FIXED_LITERAL_LENGTHS + 144, 9, 112);
  memory.fill(FIXED_LITERAL_LENGTHS + 256, 7, 24);
  memory.fill(FIXED_DISTANCE_LENGTHS, 5, DISTANCE_CODES);
  codeOfLengths(FIXED_LITERAL_LENGTHS, FIXED_LITERAL_CODES, 287);
  codeOfLengths(FIXED_DISTANCE_LENGTHS, FIXED_DISTANCE_CODES, DISTANCE_CODES - 1);
  setUp(LITERALS, memory.data(7 * 576, 16), LITERAL_CODES, 15, LENGTH_EXTRA, 257, FIXED_LITERAL_LENGTHS);
  setUp(DISTANCES, memory.data(7 * 576, 16), DISTANCE_CODES, 15, DISTANCE_EXTRA, 0, FIXED_DISTANCE_LENGTHS);
  setUp(CODE_LENGTHS, memory.data(7 * 576, 16), LENGTH_CODES_CODES, 7, LENGTH_CODE_EXTRA, 16, 0);
}

/** Begins the first block of a stream; blocks end with `limit` tokens at the latest. */
export function beginBlocks(start: u32, limit: u32): void {
  tokenEnd = TOKENS;
  tokenLimit = TOKENS + (limit << 2);
  blockStart = start;
}

export function moveBlockStart(start: i32): void {
  blockStart = start;
}

export function hasTokens(): bool {
  return tokenEnd != TOKENS;
}

/** Takes a literal (distance 0) or a match and its length - 3; true when the block is full. */
// @ts-ignore: decorator
@inline
export function addToken(distance: u32, value: u32): bool {
  store<u32>(tokenEnd, distance | (value << 16));
  tokenEnd += 4;
  return tokenEnd == tokenLimit;
}

/**
 * GNU gzip's guess, made every 4096 tokens, whether it pays to end the block here: few matches, and less than half the
 * size already with a code of 8 bits a token and the fixed code for distances.
 */
// @ts-ignore: decorator
@inline
export function guessTruncation(position: u32): bool {
  return ((tokenEnd - TOKENS) & 0x3fff) == 0 && truncationPays(position);
}

function truncationPays(position: u32): bool {
  const tokens = <u32>(tokenEnd - TOKENS) >> 2;
  let matches: u32 = 0;
  let bits = tokens << 3;
  for (let token = TOKENS; token < tokenEnd; token += 4) {
    const distance = load<u32>(token) & 0xffff;
    if (distance == 0) continue;
    matches++;
    bits += 5 + load<u8>(DISTANCE_EXTRA + distanceCode(distance - 1));
  }
  return matches < tokens >> 1 && bits >> 3 < <u32>(<i32>position - blockStart) >> 1;
}

function weigh(alphabet: Alphabet, symbol: u32): void {
  const at = alphabet.weights + (symbol << 2);
  store<u32>(at, load<u32>(at) + 1);
}

function countTokens(): void {
  const literals = LITERALS.weights;
  const distances = DISTANCES.weights;
  memory.fill(literals, 0, LITERAL_CODES << 2);
  memory.fill(distances, 0, DISTANCE_CODES << 2);
  store<u32>(literals, 1, END_OF_BLOCK << 2);
  const end = tokenEnd;
  for (let token = TOKENS; token < end; token += 4) {
    const value = load<u32>(token);
    const distance = value & 0xffff;
    if (distance == 0) {
      const at = literals + (value >> 14);
      store<u32>(at, load<u32>(at) + 1);
    } else {
      const at = literals + (<u32>load<u8>(LENGTH_CODE + (value >> 16)) << 2);
      store<u32>(at, load<u32>(at, 257 << 2) + 1, 257 << 2);
      const to = distances + (distanceCode(distance - 1) << 2);
      store<u32>(to, load<u32>(to) + 1);
    }
  }
}

/** Begins to say a block's code lengths anew. */
export function clearRuns(): void {
  runsEnd = RUNS;
  memory.fill(CODE_LENGTHS.weights, 0, LENGTH_CODES_CODES << 2);
}

export function addRun(symbol: u32, extra: u32): void {
  store<u16>(runsEnd, symbol | (extra << 5));
  runsEnd += 2;
  weigh(CODE_LENGTHS, symbol);
}

/** Says the lengths of symbols 0 to `largest` in runs (RFC 1951, 3.2.7), as greedily as zlib does. */
export function addRuns(lengths: usize, largest: u32): void {
  let symbol: u32 = 0;
  let before: u32 = 0xff;
  while (symbol <= largest) {
    const length = <u32>load<u8>(lengths + symbol);
    let longest: u32 = 138;
    let shortest: u32 = 3;
    if (length) {
      longest = length == before ? 6 : 7;
      shortest = length == before ? 3 : 4;
    }
    let count: u32 = 1;
    while (count < longest && symbol + count <= largest && load<u8>(lengths + symbol + count) == length) count++;
    symbol += count;
    if (count < shortest) {
      for (; count; count--) addRun(length, 0);
    } else if (length == 0) {
      if (count <= 10) addRun(17, count - 3);
      else addRun(18, count - 11);
    } else {
      if (length != before) {
        addRun(length, 0);
        count--;
      }
      addRun(16, count - 3);
    }
    before = length;
  }
}

export function putHeader(literals: u32, distances: u32, lengthCodes: u32): void {
  putBits((literals - 256) | (distances << 5) | ((lengthCodes - 4) << 10), 14);
  for (let rank: u32 = 0; rank < lengthCodes; rank++) {
    putBits(load<u8>(CODE_LENGTHS.lengths + load<u8>(HEADER_ORDER + rank)), 3);
  }
  for (let run = RUNS; run < runsEnd; run += 2) {
    const value = <u32>load<u16>(run);
    const symbol = value & 31;
    putBits(load<u16>(CODE_LENGTHS.codes + (symbol << 1)), load<u8>(CODE_LENGTHS.lengths + symbol));
    if (symbol >= 16) putBits(value >> 5, load<u8>(LENGTH_CODE_EXTRA + symbol - 16));
  }
}

/** Writes all tokens and the end of the block with the given codes. */
function putContent(lengths: usize, codes: usize, distanceLengths: usize, distanceCodes: usize): void {
  prepareContent(lengths, codes, distanceLengths, distanceCodes);
  putContentTokens(TOKENS, tokenEnd);
  putBits(load<u16>(codes, END_OF_BLOCK << 1), load<u8>(lengths, END_OF_BLOCK));
}

/** Writes the tokens in [token, end) with the codes given last. */
export function putContentTokens(token: usize, end: usize): void {
  putTokens(
    token, end, LITERAL_BITS, LENGTH_BITS, DISTANCE_BITS, DISTANCE_CODE, DISTANCE_BASE, DISTANCE_EXTRA,
  );
}

/** Says which codes the tokens to come are written with. */
export function prepareContent(lengths: usize, codes: usize, distanceLengths: usize, distanceCodes: usize): void {
  for (let n: u32 = 0; n < 256; n++) {
    const literal = <u32>load<u16>(codes + (n << 1)) | (<u32>load<u8>(lengths + n) << 24);
    store<u32>(LITERAL_BITS + (n << 2), literal);
    const code = <u32>load<u8>(LENGTH_CODE + n);
    const count = <u32>load<u8>(lengths + 257 + code);
    const bits = <u32>load<u16>(codes + ((257 + code) << 1)) | ((n - load<u8>(LENGTH_BASE + code)) << count);
    store<u32>(LENGTH_BITS + (n << 2), bits | ((count + load<u8>(LENGTH_EXTRA + code)) << 24));
  }
  for (let n: u32 = 0; n < DISTANCE_CODES; n++) {
    const bits = <u32>load<u16>(distanceCodes + (n << 1)) | (<u32>load<u8>(distanceLengths + n) << 24);
    store<u32>(DISTANCE_BITS + (n << 2), bits);
  }
}

/** Ends the block before the window index `end`, and begins the next one there. */
export function endBlock(end: u32, last: bool): void {
  clearBitSums();
  clearRuns();
  countTokens();
  const largestLiteral = buildCode(LITERALS);
  const largestDistance = buildCode(DISTANCES);
  addRuns(LITERALS.lengths, largestLiteral);
  addRuns(DISTANCES.lengths, largestDistance);
  buildCode(CODE_LENGTHS);
  let ranks = LENGTH_CODES_CODES;
  while (ranks > 4 && load<u8>(CODE_LENGTHS.lengths + load<u8>(HEADER_ORDER + ranks - 1)) == 0) ranks--;
  addDynamicBits(3 * ranks + 14);
  const dynamicBytes = (dynamicBits + 10) >> 3;
  const fixedBytes = (fixedBits + 10) >> 3;
  const plainBytes = <u32>(<i32>end - blockStart);
  if (blockStart >= 0 && plainBytes + 4 <= min(dynamicBytes, fixedBytes)) {
    putStored(WINDOW + blockStart, plainBytes, last);
  } else if (fixedBytes <= dynamicBytes) {
    putBits((1 << 1) | (last ? 1 : 0), 3);
    putContent(FIXED_LITERAL_LENGTHS, FIXED_LITERAL_CODES, FIXED_DISTANCE_LENGTHS, FIXED_DISTANCE_CODES);
  } else {
    putBits((2 << 1) | (last ? 1 : 0), 3);
    putHeader(largestLiteral, largestDistance, ranks);
    putContent(LITERALS.lengths, LITERALS.codes, DISTANCES.lengths, DISTANCES.codes);
  }
  if (last) alignToByte();
  tokenEnd = TOKENS;
  blockStart = end;
}

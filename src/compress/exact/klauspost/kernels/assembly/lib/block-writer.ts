// Chooses how a block is sent: stored, with the fixed codes, with codes of its own, or with the codes of the block before,
// which then simply goes on. A block that others may continue is left without its end; it is sent when it is known that
// none does.
import { alignToByte, putBits, putBytes, putCode, putLiterals, putTokens, resetBits } from './bit-writer';
import { planHeader, putHeader } from './code-lengths';
import {
  BEFORE_COUNTED_END, BEFORE_NOISE_TEST, BEFORE_SOUND_HEADER, BEFORE_TRIMMED_HEADER, generation,
} from './generation';
import { buildCodes, hasAllCodes, sizeInBits } from './huffman';
import {
  ALL_COUNTS_BYTES, COUNTS, DISTANCE_CODES, DISTANCE_COUNTS, DISTANCE_EXTRA_BITS, FIXED_DISTANCE_CODES,
  FIXED_LITERAL_CODES, LENGTH_EXTRA_BITS, LITERAL_CODES_A, LITERAL_CODES_B, LONE_DISTANCE_CODES, TOKENS, TOKEN_COUNTS,
  TOKEN_DISTANCE_COUNTS,
} from './layout';
import { addEndOfBlock, END_OF_BLOCK, estimatedBits, tokenCount } from './tokens';

/** Blocks of at least so many tokens are not tried with the fixed codes. */
const FIXED_CODES_LIMIT: i32 = 250;
/** What a header is taken to cost where none was sent before. */
const GUESSED_HEADER_BITS: i32 = 70 * 8;
const LARGEST_STORED: i32 = 65535;

let literalCodes: usize = LITERAL_CODES_A;
let spareLiteralCodes: usize = LITERAL_CODES_B;
/** The header's size in bits of the block that may be continued, whose end is still owed; 0 when there is none. */
let openHeaderBits: i32 = 0;
/** Whether the last codes sent have literals only. */
let literalsOnly: bool = false;
/** A new table's estimate is raised by its 2^-penaltyShift part. */
let penaltyShift: i32 = 7;
let literalSymbols: i32 = 0;
let distanceSymbols: i32 = 0;

export function resetBlockWriter(shift: i32): void {
  penaltyShift = shift;
  openHeaderBits = 0;
  literalsOnly = false;
  resetBits();
}

function endOpenBlock(): void {
  if (openHeaderBits == 0) return;
  putCode(load<u32>(literalCodes + (END_OF_BLOCK << 2)));
  openHeaderBits = 0;
}

/** A stored block of at most 65,535 bytes, not the last one. */
export function writeStored(from: usize, count: i32): void {
  endOpenBlock();
  putBits(0, 3);
  alignToByte();
  putBits(<u64>count | (<u64>(count ^ 0xffff) << 16), 32);
  putBytes(from, count);
}

/** The end of the stream: an empty last block with the fixed codes. */
export function writeLastBlock(): void {
  endOpenBlock();
  putBits(3, 10);
  alignToByte();
}

function storedBits(count: i32): i32 {
  return (count + 5) * 8;
}

function extraBits(): i32 {
  let total: u32 = 0;
  for (let code: usize = 1; code < 30; code++) {
    total += load<u32>((code << 2) + COUNTS + 256 * 4) * load<u32>((code << 2) + LENGTH_EXTRA_BITS);
  }
  for (let code: usize = 0; code < 30; code++) {
    total += load<u32>((code << 2) + DISTANCE_COUNTS) * load<u32>((code << 2) + DISTANCE_EXTRA_BITS);
  }
  return <i32>total;
}

function fixedBits(extra: i32): i32 {
  return 3 + sizeInBits(FIXED_LITERAL_CODES, COUNTS, 286) + sizeInBits(FIXED_DISTANCE_CODES, DISTANCE_COUNTS, 30) + extra;
}

/** Takes the counts of the tokens, and how many symbols of each kind a header would list. */
function takeCounts(endsHere: bool): void {
  memory.copy(COUNTS, TOKEN_COUNTS, ALL_COUNTS_BYTES);
  if (generation <= BEFORE_TRIMMED_HEADER && !endsHere) {
    literalSymbols = 286;
    distanceSymbols = 30;
    return;
  }
  if (generation > BEFORE_SOUND_HEADER) store<u32>(COUNTS + (END_OF_BLOCK << 2), 1);
  literalSymbols = 288;
  while (literalSymbols > 0 && load<u32>(COUNTS + (<usize>(literalSymbols - 1) << 2)) == 0) literalSymbols--;
  distanceSymbols = 30;
  while (distanceSymbols > 0 && load<u32>(DISTANCE_COUNTS + (<usize>(distanceSymbols - 1) << 2)) == 0) distanceSymbols--;
  if (distanceSymbols == 0) {
    store<u32>(DISTANCE_COUNTS, 1);
    distanceSymbols = 1;
  }
}

function canContinue(): bool {
  return (
    hasAllCodes(DISTANCE_CODES, TOKEN_DISTANCE_COUNTS, 30) &&
    hasAllCodes(literalCodes, TOKEN_COUNTS, 286)
  );
}

/** The open block goes on if that is estimated to be no longer than a new one; its size, of the better. */
function chooseContinuation(extra: i32, endsHere: bool): i32 {
  const total = tokenCount() - (endsHere && generation <= BEFORE_COUNTED_END ? 1 : 0);
  let fresh = openHeaderBits + estimatedBits(total);
  fresh += <i32>load<u8>(literalCodes + (END_OF_BLOCK << 2)) + (fresh >> penaltyShift);
  const continued =
    sizeInBits(literalCodes, COUNTS, 286) + sizeInBits(DISTANCE_CODES, DISTANCE_COUNTS, 30) + extra;
  if (fresh >= continued) return continued;
  endOpenBlock();
  return fresh;
}

function triesFixedCodes(): bool {
  return generation <= BEFORE_NOISE_TEST || tokenCount() < FIXED_CODES_LIMIT;
}

function writeWithFixedCodes(endsHere: bool): void {
  endOpenBlock();
  putBits(2, 3);
  if (!endsHere) addEndOfBlock();
  putTokens(TOKENS + (<usize>tokenCount() << 2), FIXED_LITERAL_CODES, FIXED_DISTANCE_CODES);
}

/**
 * Sends the tokens, or what they stand for, `count` plain bytes, stored where that is no longer.
 *
 * @param from the plain bytes; 0 when they are gone, and cannot be stored
 * @param endsHere whether the block must not be continued
 */
export function writeTokenBlock(from: usize, count: i32, endsHere: bool): void {
  if (endsHere) addEndOfBlock();
  if (openHeaderBits > 0) {
    const wasLiteralsOnly = literalsOnly;
    if (wasLiteralsOnly || !canContinue()) endOpenBlock();
    if (wasLiteralsOnly) literalsOnly = false;
  }
  takeCounts(endsHere);
  const stored = from != 0 && count <= LARGEST_STORED ? storedBits(count) : i32.MAX_VALUE;
  const extra = stored != i32.MAX_VALUE || openHeaderBits > 0 ? extraBits() : 0;
  if (openHeaderBits > 0) {
    const size = chooseContinuation(extra, endsHere);
    const fixed = triesFixedCodes() && fixedBits(extra) + 7 < size;
    if (stored <= size) return writeStored(from, count);
    if (fixed) return writeWithFixedCodes(endsHere);
  }
  if (openHeaderBits == 0) {
    store<u32>(COUNTS + (END_OF_BLOCK << 2), 1);
    buildCodes(literalCodes, COUNTS, 286, 15);
    buildCodes(DISTANCE_CODES, DISTANCE_COUNTS, 30, 15);
    const header = planHeader(literalCodes, literalSymbols, DISTANCE_CODES, distanceSymbols);
    let size =
      header + sizeInBits(literalCodes, COUNTS, 286) + sizeInBits(DISTANCE_CODES, DISTANCE_COUNTS, 30) + extra;
    const fixedSize = triesFixedCodes() ? fixedBits(extra) : i32.MAX_VALUE;
    const fixed = fixedSize <= size;
    if (fixed) size = fixedSize;
    if (stored <= size) return writeStored(from, count);
    if (fixed) return writeWithFixedCodes(endsHere);
    putHeader(literalSymbols, distanceSymbols);
    if (!endsHere) openHeaderBits = header;
    literalsOnly = false;
  }
  if (endsHere) openHeaderBits = 0;
  putTokens(TOKENS + (<usize>tokenCount() << 2), literalCodes, DISTANCE_CODES);
}

/** Whether bytes are spread so evenly that no code can gain on them. */
function looksLikeNoise(count: i32): bool {
  const mean = <f64>count / 256;
  const limit = <f64>(count * 2);
  let sum: f64 = 0;
  for (let at = COUNTS; at < COUNTS + 256 * 4 && sum <= limit; at += 4) {
    const difference = <f64>load<u32>(at) - mean;
    sum += difference * difference;
  }
  return sum < limit;
}

/** Sends at most 65,535 plain bytes as literals, or stored where that is no longer. */
export function writeLiteralBlock(from: usize, count: i32, endsHere: bool): void {
  memory.fill(COUNTS, 0, 288 * 4);
  for (let at = from; at < from + <usize>count; at++) {
    const counter = COUNTS + (<usize>load<u8>(at) << 2);
    store<u32>(counter, load<u32>(counter) + 1);
  }
  if (count > 1024 && generation > BEFORE_NOISE_TEST && looksLikeNoise(count)) return writeStored(from, count);
  store<u32>(COUNTS + (END_OF_BLOCK << 2), 1);
  buildCodes(spareLiteralCodes, COUNTS, 257, 15);
  let fresh = sizeInBits(spareLiteralCodes, COUNTS, 257);
  fresh += openHeaderBits == 0 ? GUESSED_HEADER_BITS : openHeaderBits;
  fresh += fresh >> penaltyShift;
  if (storedBits(count) <= fresh) return writeStored(from, count);
  if (openHeaderBits > 0) {
    const continued = hasAllCodes(literalCodes, COUNTS, 256) ? sizeInBits(literalCodes, COUNTS, 256) : i32.MAX_VALUE;
    if (fresh < continued) endOpenBlock();
  }
  if (openHeaderBits == 0) {
    const codes = literalCodes;
    literalCodes = spareLiteralCodes;
    spareLiteralCodes = codes;
    const header = planHeader(literalCodes, 257, LONE_DISTANCE_CODES, 1);
    putHeader(257, 1);
    literalsOnly = true;
    openHeaderBits = header;
  }
  putLiterals(from, from + <usize>count, literalCodes);
  if (!endsHere) return;
  endOpenBlock();
  literalsOnly = false;
}

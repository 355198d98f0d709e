// Codes what a block is beside its tokens: its type and length, and how its Huffman codes differ from those that zlib
// would make for its tokens.
import {
  CODE_LENGTHS, DISTANCES, HEADER_ORDER, LITERALS, RUNS, addRun, addRuns, clearRuns, runsEnd,
} from './block';
import {
  SAID_CODE_LENGTHS, SAID_LENGTHS, SAID_RUNS, distanceCount, lengthCodeCount, literalCount, saidRunsEnd,
} from './inflate';
import { LENGTH_CODES_CODES } from './layout';
import { RangeCoder, codeBit, codeEvenBits, codeNumber, codeTree, isReading, resetProbabilities } from './range-coder';
import { buildCode, codeOfLengths } from './trees';

export const BLOCK_CODER = changetype<RangeCoder>(memory.data(64, 16));
export const STORED: u32 = 0;
export const FIXED: u32 = 1;
export const DYNAMIC: u32 = 2;

const TABLES: usize = memory.data(4 * 1024, 16);
const TABLE_ENTRIES: u32 = 1024;
const IS_LAST: usize = TABLES;
const TYPE: usize = TABLES + 4 * 4;
const IS_OTHER_COUNT: usize = TABLES + 4 * 20;
const COUNT: usize = TABLES + 4 * 32;
const STORED_COUNT: usize = TABLES + 4 * 96;
const PADDING: usize = TABLES + 4 * 160;
const IS_OTHER_SYMBOLS: usize = TABLES + 4 * 224;
const IS_OTHER_LENGTH: usize = TABLES + 4 * 256;
const OTHER_LENGTH: usize = TABLES + 4 * 320;
const IS_OTHER_RUNS: usize = TABLES + 4 * 640;
const RUN_SYMBOL: usize = TABLES + 4 * 672;
const IS_OTHER_CODE_LENGTH: usize = TABLES + 4 * 736;
const OTHER_CODE_LENGTH: usize = TABLES + 4 * 768;
const IS_OTHER_RANKS: usize = TABLES + 4 * 1000;

/** Of the block being coded. */
export let isLast: bool = false;
export let blockType: u32 = 0;
/** Its tokens, or bytes when it is stored. */
export let blockCount: u32 = 0;
/** The bits that fill up the byte before a stored block's length, or after the last block. */
export let padding: u32 = 0;
let countBefore: u32 = 0;

/** What the header of a dynamic block says, when it was read. */
export let headerLiterals: u32 = 0;
export let headerDistances: u32 = 0;
export let headerRanks: u32 = 0;

export function resetBlockCoder(): void {
  resetProbabilities(TABLES, TABLE_ENTRIES);
  countBefore = 0;
  blockType = 0;
}

/** What a reader must know before the tokens. A stored block has nothing else. */
export function codeBlockStart(last: bool, type: u32, count: u32, bits: u32): void {
  isLast = codeBit(BLOCK_CODER, IS_LAST, last ? 1 : 0) != 0;
  blockType = codeTree(BLOCK_CODER, TYPE + (blockType << 4), type, 2);
  if (blockType == STORED) {
    blockCount = codeNumber(BLOCK_CODER, STORED_COUNT, count);
    codePadding(bits);
    return;
  }
  if (codeBit(BLOCK_CODER, IS_OTHER_COUNT, count != countBefore ? 1 : 0)) {
    blockCount = codeNumber(BLOCK_CODER, COUNT, count);
  } else {
    blockCount = countBefore;
  }
  countBefore = blockCount;
}

/** Bits that should be zeros. */
export function codePadding(bits: u32): void {
  padding = codeNumber(BLOCK_CODER, PADDING, bits);
}

/** How many symbols of an alphabet the header has, most likely all up to the largest. */
function codeSymbols(actual: u32, expected: u32, least: u32, bits: u32, context: u32): u32 {
  if (!codeBit(BLOCK_CODER, IS_OTHER_SYMBOLS + (context << 2), actual != expected ? 1 : 0)) return expected;
  return codeEvenBits(BLOCK_CODER, actual - least, bits) + least;
}

/** The lengths of an alphabet's codes, `said` in place of those that were expected. */
function codeLengths(said: usize, expected: usize, count: u32): void {
  for (let symbol: u32 = 0; symbol < count; symbol++) {
    const length = <u32>load<u8>(expected + symbol);
    const actual = <u32>load<u8>(said + symbol);
    if (codeBit(BLOCK_CODER, IS_OTHER_LENGTH + (length << 2), actual != length ? 1 : 0)) {
      store<u8>(expected + symbol, codeTree(BLOCK_CODER, OTHER_LENGTH + (length << 6), actual, 4));
    }
  }
}

/** How the header says the lengths, if not as zlib would. @returns false when that cannot be */
function codeRuns(total: u32): bool {
  clearRuns();
  addRuns(LITERALS.lengths, headerLiterals - 1);
  addRuns(DISTANCES.lengths, headerDistances - 1);
  const saidBytes = <i32>(saidRunsEnd - SAID_RUNS);
  const isSame = !isReading && <i32>(runsEnd - RUNS) == saidBytes && memory.compare(RUNS, SAID_RUNS, saidBytes) == 0;
  if (!codeBit(BLOCK_CODER, IS_OTHER_RUNS, isSame ? 0 : 1)) return true;
  clearRuns();
  let run = SAID_RUNS;
  for (let done: u32 = 0; done < total; run += 2) {
    const value = <u32>load<u16>(run);
    const symbol = codeTree(BLOCK_CODER, RUN_SYMBOL, value & 31, 5);
    if (symbol > 18) return false;
    let extra: u32 = 0;
    if (symbol >= 16) extra = codeEvenBits(BLOCK_CODER, value >> 5, symbol == 16 ? 2 : symbol == 17 ? 3 : 7);
    addRun(symbol, extra);
    done += symbol < 16 ? 1 : symbol == 18 ? 11 + extra : 3 + extra;
  }
  return true;
}

function codeCodeLengths(): void {
  buildCode(CODE_LENGTHS);
  for (let symbol: u32 = 0; symbol < LENGTH_CODES_CODES; symbol++) {
    const expected = <u32>load<u8>(CODE_LENGTHS.lengths + symbol);
    const actual = <u32>load<u8>(SAID_CODE_LENGTHS + symbol);
    if (codeBit(BLOCK_CODER, IS_OTHER_CODE_LENGTH + (expected << 2), actual != expected ? 1 : 0)) {
      store<u8>(CODE_LENGTHS.lengths + symbol, codeTree(BLOCK_CODER, OTHER_CODE_LENGTH + (expected << 5), actual, 3));
    }
  }
  let ranks: u32 = LENGTH_CODES_CODES;
  while (ranks > 4 && load<u8>(CODE_LENGTHS.lengths + load<u8>(HEADER_ORDER + ranks - 1)) == 0) ranks--;
  headerRanks = ranks;
  if (codeBit(BLOCK_CODER, IS_OTHER_RANKS, lengthCodeCount != ranks ? 1 : 0)) {
    headerRanks = codeEvenBits(BLOCK_CODER, lengthCodeCount - 4, 4) + 4;
  }
}

/**
 * The Huffman codes of a dynamic block whose tokens have been counted; a reader then has them in the alphabets and
 * their runs, ready to be written. @returns false when they cannot be
 */
export function codeCodes(): bool {
  const expectedLiterals = buildCode(LITERALS) + 1;
  const expectedDistances = buildCode(DISTANCES) + 1;
  headerLiterals = codeSymbols(literalCount, expectedLiterals, 257, 5, 0);
  headerDistances = codeSymbols(distanceCount, expectedDistances, 1, 5, 1);
  if (headerLiterals > LITERALS.symbols || headerDistances > DISTANCES.symbols) return false;
  codeLengths(SAID_LENGTHS, LITERALS.lengths, headerLiterals);
  codeLengths(SAID_LENGTHS + literalCount, DISTANCES.lengths, headerDistances);
  if (!codeRuns(headerLiterals + headerDistances)) return false;
  codeCodeLengths();
  if (headerRanks > LENGTH_CODES_CODES) return false;
  codeOfLengths(LITERALS.lengths, LITERALS.codes, headerLiterals - 1);
  codeOfLengths(DISTANCES.lengths, DISTANCES.codes, headerDistances - 1);
  codeOfLengths(CODE_LENGTHS.lengths, CODE_LENGTHS.codes, LENGTH_CODES_CODES - 1);
  return true;
}

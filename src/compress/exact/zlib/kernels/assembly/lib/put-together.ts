// Puts a deflate stream together of its plain bytes and frames.
import { beginOutput, beginStream, outputBytes, partialBits, putBits, putBytes } from './bits';
import {
  DISTANCES, FIXED_DISTANCE_CODES, FIXED_DISTANCE_LENGTHS, FIXED_LITERAL_CODES, FIXED_LITERAL_LENGTHS, LITERALS,
  prepareContent, putContentTokens, putHeader,
} from './block';
import {
  BLOCK_CODER, DYNAMIC, FIXED, STORED, blockCount, blockType, codeBlockStart, codeCodes, codePadding, headerDistances,
  headerLiterals, headerRanks, isLast, padding,
} from './block-coder';
import { COMPRESSED, clearCounts } from './inflate';
import { END_OF_BLOCK } from './layout';
import {
  BLOCK_FRAME, DAMAGED, ENDS, GOES_ON, MOST_TOKENS, TOKEN_FRAME, TOKENS, WANTS_BLOCKS, WANTS_INPUT, WANTS_TOKENS,
} from './model-memory';
import {
  LOOKAHEAD, MAX_LENGTH, addFilled, compactWindow, fillAt, filled, here, passStored, position,
} from './predictor';
import { beginReading } from './range-coder';
import { IMPOSSIBLE, TOKEN_CODER, codeToken, countToken } from './token-coder';

const TOKENS_WRITTEN_AT_ONCE: u32 = 0x8000;
const OUTPUT_ENOUGH: u32 = 0x40000;

let blockOpen: bool = false;
let lastSeen: bool = false;
/** Of the frames at hand: plain bytes whose tokens are there, and blocks. */
let tokensLeft: u32 = 0;
let blocksLeft: u32 = 0;
let tokensRead: u32 = 0;
let tokensWritten: u32 = 0;
let storedLeft: u32 = 0;
let writing: bool = false;

/** Takes the coded tokens of the next frame, which lie at tokenFrameOffset and are for so many plain bytes. */
export function giveTokens(codedBytes: u32, forPlainBytes: u32): void {
  beginReading(TOKEN_CODER, TOKEN_FRAME, codedBytes);
  tokensLeft = forPlainBytes;
}

export function giveBlocks(codedBytes: u32, count: u32): void {
  beginReading(BLOCK_CODER, BLOCK_FRAME, codedBytes);
  blocksLeft = count;
}

/** Takes plain bytes from the input. They find room if all before them were used up. */
export function givePlain(byteCount: u32): void {
  compactWindow();
  memory.copy(fillAt(), COMPRESSED, byteCount);
  addFilled(byteCount);
}

function beginBlock(): void {
  blocksLeft--;
  codeBlockStart(false, 0, 0, 0);
  lastSeen = isLast;
  blockOpen = true;
  tokensRead = 0;
  if (blockType != STORED) {
    clearCounts();
    return;
  }
  putBits((isLast ? 1 : 0) | (STORED << 1), 3);
  const bits = (8 - partialBits()) & 7;
  putBits(padding & ((1 << bits) - 1), bits);
  putBits(<u64>(blockCount & 0xffff) | (<u64>(~blockCount & 0xffff) << 16), 32);
  storedLeft = blockCount & 0xffff;
}

/** Takes the tokens of a block in. @returns GOES_ON when they are all there */
function readTokens(ended: bool): u32 {
  while (tokensRead < blockCount) {
    if (!ended && filled - position < LOOKAHEAD + MAX_LENGTH) return WANTS_INPUT;
    if (filled == position) return DAMAGED;
    if (tokensLeft == 0) return WANTS_TOKENS;
    const before = position;
    const token = codeToken(0);
    if (token == IMPOSSIBLE || position - before > tokensLeft) return DAMAGED;
    tokensLeft -= position - before;
    store<u32>(TOKENS + (tokensRead++ << 2), token);
    countToken(token, LITERALS.weights, DISTANCES.weights);
  }
  return GOES_ON;
}

function copyPlain(ended: bool): u32 {
  while (storedLeft) {
    const there = filled - position;
    const usable = ended ? there : there > LOOKAHEAD ? there - LOOKAHEAD : 0;
    if (usable == 0) return ended ? DAMAGED : WANTS_INPUT;
    if (tokensLeft == 0) return WANTS_TOKENS;
    const count = min(min(storedLeft, usable), tokensLeft);
    putBytes(here(), count);
    passStored(count);
    storedLeft -= count;
    tokensLeft -= count;
  }
  return GOES_ON;
}

/** All tokens are there: their codes and the header. */
function beginContent(): bool {
  if (blockType == FIXED) {
    putBits((isLast ? 1 : 0) | (FIXED << 1), 3);
    prepareContent(FIXED_LITERAL_LENGTHS, FIXED_LITERAL_CODES, FIXED_DISTANCE_LENGTHS, FIXED_DISTANCE_CODES);
  } else {
    if (!codeCodes()) return false;
    putBits((isLast ? 1 : 0) | (DYNAMIC << 1), 3);
    putHeader(headerLiterals - 1, headerDistances - 1, headerRanks);
    prepareContent(LITERALS.lengths, LITERALS.codes, DISTANCES.lengths, DISTANCES.codes);
  }
  writing = true;
  tokensWritten = 0;
  return true;
}

function endContent(): void {
  const lengths = blockType == FIXED ? FIXED_LITERAL_LENGTHS : LITERALS.lengths;
  const codes = blockType == FIXED ? FIXED_LITERAL_CODES : LITERALS.codes;
  putBits(load<u16>(codes, END_OF_BLOCK << 1), load<u8>(lengths, END_OF_BLOCK));
  writing = false;
}

function endBlock(): u32 {
  blockOpen = false;
  if (!lastSeen) return GOES_ON;
  codePadding(0);
  const bits = (8 - partialBits()) & 7;
  putBits(padding & ((1 << bits) - 1), bits);
  return position == filled ? ENDS : DAMAGED;
}

/** One step of putting together. @returns GOES_ON when there are others to do at once */
function step(ended: bool): u32 {
  if (writing) {
    const from = TOKENS + (tokensWritten << 2);
    const count = min(blockCount - tokensWritten, TOKENS_WRITTEN_AT_ONCE);
    putContentTokens(from, from + (count << 2));
    tokensWritten += count;
    if (tokensWritten < blockCount) return GOES_ON;
    endContent();
    return endBlock();
  }
  if (!blockOpen) {
    if (filled == position && !ended) return WANTS_INPUT;
    if (blocksLeft == 0) return WANTS_BLOCKS;
    beginBlock();
    if (blockCount > MOST_TOKENS || blockType > DYNAMIC) return DAMAGED;
  }
  if (blockType == STORED) {
    const status = copyPlain(ended);
    return status == GOES_ON ? endBlock() : status;
  }
  const status = readTokens(ended);
  if (status != GOES_ON) return status;
  return beginContent() ? GOES_ON : DAMAGED;
}

/** Goes on as far as it can; `ended` says that all plain bytes are there. What was made is in the output. */
export function putTogether(ended: bool): u32 {
  beginOutput();
  let status = step(ended);
  while (status == GOES_ON && outputBytes() < OUTPUT_ENOUGH) status = step(ended);
  return status;
}

export function beginTogether(): void {
  blockOpen = false;
  lastSeen = false;
  writing = false;
  tokensLeft = 0;
  blocksLeft = 0;
  beginStream(0, 0, 0);
}

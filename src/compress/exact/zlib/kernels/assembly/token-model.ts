// kernel: own memory
// Takes a deflate stream apart into its plain bytes and what sets it off from the one that an encoder foreseen would have
// made of them, and puts it together again (docs/format.md, "Corrections").
import { outputBytes } from './lib/bits';
import { FIXED_DISTANCE_LENGTHS, FIXED_LITERAL_LENGTHS, prepareBlocks } from './lib/block';
import { BLOCK_CODER, DYNAMIC, FIXED, STORED, codeBlockStart, codeCodes, codePadding, resetBlockCoder } from './lib/block-coder';
import {
  BLOCK_ENDS, COMPRESSED, COMPRESSED_BYTES, HEADER_MOST_BYTES, NO_TOKEN, ODD_TOKEN, TOKEN_MOST_BYTES, bitAt, bitEnd,
  clearCounts, nextToken, readCodes, setBits, take, useFixedCodes,
} from './lib/inflate';
import { OUTPUT } from './lib/layout';
import {
  BLOCK_FRAME, BLOCK_FRAME_BYTES, DAMAGED, ENDS, FRAME, GOES_ON, MOST_TOKENS, TOKENS, TOKEN_FRAME, TOKEN_FRAME_BYTES,
  TOO_COMPLEX, WANTS_INPUT,
} from './lib/model-memory';
import {
  LOOKAHEAD, addFilled, beginPrediction, compactWindow, configurePredictor, fillAt, filled, passStored, position, reach,
  windowRoom,
} from './lib/predictor';
import { beginTogether } from './lib/put-together';
import { beginWriting, endWriting, setReading } from './lib/range-coder';
import { TOKEN_CODER, codeToken, resetTokenCoder } from './lib/token-coder';

export { giveBlocks, givePlain, giveTokens, putTogether } from './lib/put-together';

/** A frame ends with the first block after so much. */
const FRAME_CODED_BYTES: u32 = 0x8000;
const FRAME_PLAIN_BYTES: u32 = 0x100000;
const STORED_RUN: u32 = 0xffff;
const STORED_RUN_MOST: u32 = 0x4000;
const QUEUE_TOKENS: u32 = 0x4000;
/** Room in the window for whatever one step can add. */
const STEP_ROOM: u32 = 0x4800;

let queueFrom: u32 = 0;
let queueTo: u32 = 0;

prepareBlocks();

export function compressedOffset(): usize {
  return COMPRESSED;
}

export function compressedCapacity(): i32 {
  return COMPRESSED_BYTES;
}

export function tokenFrameOffset(): usize {
  return TOKEN_FRAME;
}

export function tokenFrameCapacity(): i32 {
  return TOKEN_FRAME_BYTES;
}

export function blockFrameOffset(): usize {
  return BLOCK_FRAME;
}

export function blockFrameCapacity(): i32 {
  return BLOCK_FRAME_BYTES;
}

export function outputOffset(): usize {
  return OUTPUT;
}

/** Begins with nothing known, to take apart or, `reading`, to put together, with the encoder foreseen. */
export function configure(
  reading: bool, four: bool, three: bool, chain: u32, good: u32, lazy: u32, nice: u32, farthest: u32, far: u32,
  weighs: bool, inserts: u32,
): void {
  configurePredictor(four, three, chain, good, lazy, nice, farthest, far, weighs, inserts);
  setReading(reading);
  resetTokenCoder();
  resetBlockCoder();
  beginMember();
}

/** Begins another stream; what was learnt of the ones before stays. */
export function beginMember(): void {
  beginPrediction();
  queueFrom = 0;
  queueTo = 0;
  blockOpen = false;
  lastSeen = false;
  plainFrom = filled;
  beginTogether();
  beginFrame();
}

let frameStart: u32 = 0;
let frameBlocks: u32 = 0;
let codedBefore: u32 = 0;
let blockOpen: bool = false;
let lastSeen: bool = false;
let openType: u32 = 0;
let openLast: bool = false;
let openPadding: u32 = 0;
let openTokens: u32 = 0;
let openLeft: u32 = 0;
let plainFrom: u32 = 0;

/** Begins the next frame, once the host has taken the one before. */
export function beginFrame(): void {
  frameStart = position;
  frameBlocks = 0;
  beginWriting(TOKEN_CODER, TOKEN_FRAME, TOKEN_FRAME_BYTES);
  beginWriting(BLOCK_CODER, BLOCK_FRAME, BLOCK_FRAME_BYTES);
}

export function framePlainBytes(): u32 {
  return position - frameStart;
}

export function frameBlockCount(): u32 {
  return frameBlocks;
}

export function frameTokenBytes(): u32 {
  return <u32>(TOKEN_CODER.at - TOKEN_FRAME);
}

export function frameBlockBytes(): u32 {
  return <u32>(BLOCK_CODER.at - BLOCK_FRAME);
}

/** Whole bytes of the input that need not be given again; the next call's input begins there. */
export function takenBytes(): u32 {
  const bytes = bitAt >> 3;
  setBits(bitAt & 7, 0);
  return bytes;
}

/** The plain bytes that the last call added. */
export function plainOffset(): usize {
  return fillAt() - (filled - plainFrom);
}

export function plainBytes(): u32 {
  return filled - plainFrom;
}

/** Codes all tokens with enough ahead of them. */
function walk(ending: bool): void {
  while (queueFrom < queueTo) {
    const token = load<u32>(TOKENS + (queueFrom << 2));
    const isStored = (token & 0xffff) == STORED_RUN;
    const length: u32 = isStored ? token >> 16 : token & 0xffff ? (token >> 16) + 3 : 1;
    if (!ending && filled - position < length + LOOKAHEAD) break;
    if (isStored) passStored(length);
    else codeToken(token);
    queueFrom++;
  }
  if (queueFrom == queueTo) {
    queueFrom = 0;
    queueTo = 0;
  }
}

function enqueue(token: u32): void {
  store<u32>(TOKENS + (queueTo++ << 2), token);
}

function compactQueue(): void {
  memory.copy(TOKENS, TOKENS + (queueFrom << 2), (queueTo - queueFrom) << 2);
  queueTo -= queueFrom;
  queueFrom = 0;
}

/** Reads the next block's header. @returns GOES_ON or why it cannot */
function openBlock(): u32 {
  openLast = take(1) != 0;
  openType = take(2);
  openTokens = 0;
  clearCounts();
  if (openType == STORED) {
    const bits = (0 - bitAt) & 7;
    openPadding = take(bits);
    const count = take(16);
    if ((take(16) ^ 0xffff) != count) return DAMAGED;
    openTokens = count;
    openLeft = count;
  } else if (openType == FIXED) {
    useFixedCodes(FIXED_LITERAL_LENGTHS, FIXED_DISTANCE_LENGTHS);
  } else if (openType != DYNAMIC || !readCodes()) {
    return DAMAGED;
  }
  blockOpen = true;
  return GOES_ON;
}

function copyStored(): void {
  const there = (bitEnd - bitAt) >> 3;
  const count = min(min(openLeft, there), STORED_RUN_MOST);
  memory.copy(fillAt(), COMPRESSED + (bitAt >> 3), count);
  addFilled(count);
  setBits(bitAt + (count << 3), bitEnd);
  openLeft -= count;
  if (count) enqueue(STORED_RUN | (count << 16));
}

/** Copies one byte after the other: what is copied may begin in what it makes. */
function expand(token: u32): bool {
  const to = fillAt();
  const distance = token & 0xffff;
  if (distance == 0) {
    store<u8>(to, token >> 16);
    addFilled(1);
    return true;
  }
  if (distance > reach()) return false;
  const length = (token >> 16) + 3;
  if (distance >= length) memory.copy(to, to - distance, length);
  else for (let i: u32 = 0; i < length; i++) store<u8>(to + i, load<u8>(to + i - distance));
  addFilled(length);
  return true;
}

function closeBlock(): u32 {
  blockOpen = false;
  codeBlockStart(openLast, openType, openTokens, openPadding);
  if (openType == DYNAMIC && !codeCodes()) return TOO_COMPLEX;
  frameBlocks++;
  if (openLast) {
    lastSeen = true;
    codePadding(take((0 - bitAt) & 7));
  }
  walk(openLast);
  return GOES_ON;
}

function endFrame(): void {
  endWriting(TOKEN_CODER);
  endWriting(BLOCK_CODER);
}

/**
 * Takes apart what is in the first bytes of the input; `ended` says that there are no others. FRAME and ENDS leave a
 * frame to be taken.
 */
export function takeApart(byteCount: u32, ended: bool): u32 {
  compactQueue();
  compactWindow();
  plainFrom = filled;
  setBits(bitAt, byteCount << 3);
  for (;;) {
    if (windowRoom() < STEP_ROOM) {
      walk(false);
      return GOES_ON;
    }
    if (queueTo >= QUEUE_TOKENS) {
      walk(false);
      compactQueue();
    }
    if (bitAt > bitEnd) return DAMAGED;
    const leftBytes = (bitEnd - bitAt) >> 3;
    if (!blockOpen) {
      if (!ended && leftBytes < HEADER_MOST_BYTES) return WANTS_INPUT;
      const status = openBlock();
      if (status != GOES_ON) return status;
      continue;
    }
    let closes = false;
    if (openType == STORED) {
      if (openLeft && leftBytes == 0) return ended ? DAMAGED : WANTS_INPUT;
      copyStored();
      closes = openLeft == 0;
    } else {
      if (!ended && leftBytes < TOKEN_MOST_BYTES) return WANTS_INPUT;
      const token = nextToken();
      if (token == NO_TOKEN) return DAMAGED;
      if (token == ODD_TOKEN) return TOO_COMPLEX;
      closes = token == BLOCK_ENDS;
      if (!closes) {
        if (!expand(token)) return DAMAGED;
        enqueue(token);
        if (++openTokens > MOST_TOKENS) return TOO_COMPLEX;
      }
    }
    if (!closes) continue;
    const status = closeBlock();
    if (status != GOES_ON) return status;
    if (TOKEN_CODER.overflowed || BLOCK_CODER.overflowed) return TOO_COMPLEX;
    const isLong = frameTokenBytes() + frameBlockBytes() >= FRAME_CODED_BYTES || framePlainBytes() >= FRAME_PLAIN_BYTES;
    if (!lastSeen && !isLong) continue;
    if (bitAt > bitEnd) return DAMAGED;
    endFrame();
    return lastSeen ? ENDS : FRAME;
  }
}

export function madeBytes(): u32 {
  return outputBytes();
}

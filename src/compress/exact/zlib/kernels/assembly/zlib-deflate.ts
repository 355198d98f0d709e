// kernel: own memory
// Deflate as zlib (levels 1 to 9, default strategy, 32 KiB window) and GNU gzip make it, to the bit. After zlib 1.3.1
// by Jean-loup Gailly and Mark Adler (docs/notices/zlib.txt).
//
// This is the output for a caller that gives all bytes at once: the window is filled before it is searched, so that it
// does not matter how the bytes come in. The originals' own output depends on that in one case: when a write ends less
// than MIN_LOOKAHEAD bytes after window index SLIDE_AT, and that index is just where they stop to wait for more, they
// slide one step early, and the oldest string in reach, then at index 0, is taken for none. The window's end and all
// multiples of 512 lie elsewhere, so that no usual sizes of writes come to it.
import { beginOutput, beginStream, outputBytes, partialBits, putBits, putStored } from './lib/bits';
import { beginBlocks, endBlock, hasTokens, prepareBlocks } from './lib/block';
import {
  HALF_WINDOW, INPUT, INPUT_BYTES, MIN_LOOKAHEAD, MIN_MATCH, OUTPUT, WINDOW, WINDOW_BYTES,
} from './lib/layout';
import { ZLIB_HASH, clearWindow, insertFour, insertLateFour, insertString } from './lib/match';
import {
  STATE, addLookahead, beginTokens, configureTokens, endStates, lookahead, makeTokens, position, resumeTokens,
  slideIfDue, stateMakesSense,
} from './lib/tokens';

/** A sync flush, and what pigz puts between its blocks. */
const SYNC: i32 = 0;
const PIGZ: i32 = 1;
const PIGZ_INDEPENDENT: i32 = 2;

let blockTokens: u32 = 0;
/** The strings before the position that wait for a third byte, and for a fourth. */
let uninserted: u32 = 0;
let uninsertedFours: u32 = 0;
/** The window was found to need bytes and is not full yet. */
let filling: bool = false;
let flushed: bool = false;
let notesStates: bool = true;
let inputAt: usize = INPUT;
let inputEnd: usize = INPUT;

prepareBlocks();

export function inputOffset(): usize {
  return INPUT;
}

export function inputCapacity(): i32 {
  return INPUT_BYTES;
}

export function outputOffset(): usize {
  return OUTPUT;
}

/**
 * Says what to imitate; `reset` must follow. `memLevel` is 8 or 9; GNU gzip has none of its own and wants 8. Chromium's
 * zlib has another hash, and no flushes, dictionaries and states here.
 */
export function configure(level: u32, memLevel: u32, gnu: bool, hashKind: u32): void {
  // GNU gzip's blocks are as long as with memLevel 9, its hash is that of 8.
  blockTokens = (gnu || memLevel == 9 ? 0x8000 : 0x4000) - 1;
  configureTokens(level, memLevel == 9 && !gnu, gnu, hashKind);
  notesStates = hashKind == ZLIB_HASH;
}

/** Begins a stream whose dictionary is the first bytes of the input buffer. */
export function reset(dictionaryBytes: u32): void {
  const used = min(dictionaryBytes, HALF_WINDOW);
  fillHistory(dictionaryBytes - used, used, used);
  beginTokens(used);
  beginBlocks(used, blockTokens);
  beginStream(0, 0, 0);
  if (dictionaryBytes || !notesStates) endStates();
}

/** Puts what comes before the stream's next byte, `count` bytes of the input, into the window before index `end`. */
function fillHistory(from: u32, count: u32, end: u32): void {
  clearWindow();
  memory.copy(WINDOW + end - count, INPUT + from, count);
  for (let index = end - count; index + MIN_MATCH <= end; index++) {
    const entry = insertString(index);
    if (index + MIN_MATCH < end) insertFour(index, entry);
  }
  uninserted = min(count, MIN_MATCH - 1);
  uninsertedFours = min(count, MIN_MATCH);
  filling = false;
  flushed = false;
  inputAt = INPUT;
  inputEnd = INPUT;
}

/** Where the 32 bytes of the last state are; the first is 0 when there is none. */
export function stateOffset(): usize {
  return STATE;
}

/** How many bytes of history the state there wants in the input buffer; -1 when it cannot be restored. */
export function stateHistory(): i32 {
  return stateMakesSense() ? min<i32>(load<u32>(STATE, 12), HALF_WINDOW) : -1;
}

/** Goes on from the state there. */
export function restore(): void {
  const at = load<u32>(STATE, 12);
  const count = min(at, HALF_WINDOW);
  fillHistory(0, count, at);
  // Above the data lies what lay there before the window slid last: as much as is below, from half a window before.
  if (load<u64>(STATE, 16) > at) {
    const from = max(at, HALF_WINDOW);
    memory.copy(WINDOW + from, WINDOW + (from - HALF_WINDOW), WINDOW_BYTES - from);
  }
  resumeTokens();
  beginBlocks(at - load<u8>(STATE, 4), blockTokens);
  beginStream(load<u64>(STATE, 24), load<u8>(STATE, 5), load<u8>(STATE, 6));
  // States are noted only while the window is full: it must be filled again before it may slide.
  filling = true;
}

/** Moves input into the window, `room` bytes at most. */
function fill(room: u32): u32 {
  const count = min(room, <u32>(inputEnd - inputAt));
  memory.copy(WINDOW + position + lookahead, inputAt, count);
  inputAt += count;
  addLookahead(count);
  return count;
}

function insertWaiting(): void {
  while (uninserted && lookahead + uninserted >= MIN_MATCH) insertString(position - uninserted--);
  while (uninsertedFours && lookahead + uninsertedFours > MIN_MATCH) insertLateFour(position - uninsertedFours--);
}

/** Takes in all input, and makes tokens as often as the window is full; at the end, of all there is. */
function absorb(ending: bool): void {
  for (;;) {
    if (lookahead < MIN_LOOKAHEAD && !filling) {
      slideIfDue();
      filling = true;
    }
    fill(WINDOW_BYTES - position - lookahead);
    const isFull = position + lookahead == WINDOW_BYTES;
    if (!isFull && !ending) return;
    filling = false;
    insertWaiting();
    // Of a window that is full there may be more to come.
    const atEnd = ending && inputAt == inputEnd;
    makeTokens(atEnd);
    if (atEnd) return;
  }
}

function beginCall(byteCount: u32): void {
  beginOutput();
  inputAt = INPUT;
  inputEnd = INPUT + byteCount;
}

export function write(byteCount: u32): u32 {
  beginCall(byteCount);
  if (byteCount) flushed = false;
  absorb(false);
  return outputBytes();
}

export function finish(): u32 {
  beginCall(0);
  absorb(true);
  endStates();
  endBlock(position, true);
  return outputBytes();
}

/** The sync flush of zlib, which a second one in a row does not repeat. */
export function flush(): u32 {
  return flushAs(SYNC);
}

/** Ends the block and goes to a byte border, with an empty stored block or as pigz does. */
export function flushAs(kind: i32): u32 {
  beginCall(0);
  if (flushed) return outputBytes();
  flushed = true;
  absorb(true);
  endStates();
  uninserted = min(position, MIN_MATCH - 1);
  uninsertedFours = min(position, MIN_MATCH);
  if (hasTokens()) endBlock(position, false);
  const bits = partialBits();
  if (kind != PIGZ || bits & 1) {
    putStored(0, 0, false);
  } else {
    // Empty blocks with the fixed codes are 10 bits each.
    while (partialBits()) putBits(2, 10);
  }
  if (kind == PIGZ_INDEPENDENT) putStored(0, 0, false);
  return outputBytes();
}

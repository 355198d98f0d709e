// Levels 7 to 9: hash chains over a sliding window, and a match is sent only when the next position has no longer one.
import { writeTokenBlock } from './block-writer';
import { BEFORE_DICTIONARY_APART, BEFORE_LAZY_SKIPPED_START, generation } from './generation';
import { TABLES, TABLES_BYTES, WINDOW } from './layout';
import {
  byteAt, CHAIN, chainAt, commonLength, countPrices, findCheapest, findLongest, hashAt, HEADS, LONGEST, NO_LENGTH,
  setChainLimits, SHORTEST, WINDOW_BYTES,
} from './lazy-match';
import { addLiteral, addMatch, clearTokens, tokenCount } from './tokens';

const BLOCK_TOKENS: i32 = 32768;
/** Where a block begins that is no longer all in the window. */
const GONE: i32 = i32.MAX_VALUE;
const LARGEST_BASE: i32 = 1 << 28;
/** How much of the end of a match is left out when a better one is looked for by it. */
const SKIPPED: i32 = 2;

let lazyLength: i32 = 0;
let chainLimit: i32 = 0;
/** Level 9 compares matches by the bits they are estimated to save, the others by length. */
let weighs: bool = false;

let position: i32 = 0;
let windowEnd: i32 = 0;
let blockStart: i32 = 0;
/** Tables hold positions plus this. */
let base: i32 = 1;
/** The table's entry that the last position found; it stays where none is looked up. */
let head: i32 = -1;
let insertEnd: i32 = 0;
let foundLength: i32 = NO_LENGTH;
let foundDistance: i32 = 0;
let byteWaits: bool = false;
let missCount: i32 = 0;
let ending: bool = false;

export function resetLazy(level: i32): void {
  lazyLength = level == 7 ? 12 : level == 8 ? 30 : 258;
  chainLimit = level == 7 ? 24 : level == 8 ? 64 : 1024;
  setChainLimits(level == 7 ? 16 : level == 8 ? 40 : 258, chainLimit);
  weighs = level == 9;
  memory.fill(TABLES, 0, TABLES_BYTES);
  position = windowEnd = blockStart = 0;
  base = 1;
  head = -1;
  insertEnd = 0;
  foundLength = NO_LENGTH;
  foundDistance = 0;
  byteWaits = false;
  missCount = 0;
  clearTokens();
}

// @ts-ignore: decorator
@inline
function insert(at: i32): i32 {
  const slot = hashAt(at);
  const before = load<i32>(slot, HEADS);
  store<i32>(chainAt(at), before, CHAIN);
  store<i32>(slot, at + base, HEADS);
  return before;
}

/** Lays a dictionary before the stream. */
export function fillLazyDictionary(from: usize, count: i32): void {
  if (count > WINDOW_BYTES) {
    from += <usize>(count - WINDOW_BYTES);
    count = WINDOW_BYTES;
  }
  memory.copy(WINDOW, from, <usize>count);
  for (let at = 0; at + SHORTEST <= count; at++) insert(at);
  windowEnd = count;
  position = count;
  if (generation > BEFORE_DICTIONARY_APART) blockStart = count;
}

/** Takes all of the bytes. */
export function writeLazy(from: usize, count: i32): void {
  while (count > 0) {
    if (windowEnd == 2 * WINDOW_BYTES) searchLazy(false);
    if (position >= 2 * WINDOW_BYTES - (SHORTEST + LONGEST)) slide();
    const taken = min(count, 2 * WINDOW_BYTES - windowEnd);
    memory.copy(WINDOW + <usize>windowEnd, from, <usize>taken);
    windowEnd += taken;
    from += <usize>taken;
    count -= taken;
  }
}

function slide(): void {
  memory.copy(WINDOW, WINDOW + WINDOW_BYTES, WINDOW_BYTES);
  position -= WINDOW_BYTES;
  windowEnd -= WINDOW_BYTES;
  blockStart = blockStart >= WINDOW_BYTES ? blockStart - WINDOW_BYTES : GONE;
  base += WINDOW_BYTES;
  if (base <= LARGEST_BASE) return;
  const lowered = base - 1;
  base = 1;
  head -= lowered;
  for (let at = TABLES; at < TABLES + TABLES_BYTES; at += 4) store<i32>(at, max(load<i32>(at) - lowered, 0));
}

function writeBlock(): void {
  if (position > 0) {
    const whole = blockStart <= position;
    writeTokenBlock(whole ? WINDOW + <usize>blockStart : 0, whole ? position - blockStart : 0, ending);
    blockStart = position;
  }
  clearTokens();
}

// @ts-ignore: decorator
@inline
function writeBlockIfFull(): void {
  if (tokenCount() == BLOCK_TOKENS) writeBlock();
}

/** Searches what is in the window but its last bytes, which may be part of a match to come; all when it is the end. */
export function searchLazy(isEnd: bool): void {
  ending = isEnd;
  if (windowEnd - position < SHORTEST + LONGEST && !ending) return;
  if (windowEnd != position && weighs) countPrices(position, windowEnd);
  insertEnd = windowEnd - (SHORTEST - 1);
  while (true) {
    const lookahead = windowEnd - position;
    if (lookahead < SHORTEST + LONGEST) {
      if (!ending) return;
      if (lookahead == 0) return endTokens();
    }
    step(lookahead);
  }
}

function endTokens(): void {
  if (byteWaits) addLiteral(byteAt(position - 1));
  byteWaits = false;
  if (tokenCount() > 0) writeBlock();
}

function step(lookahead: i32): void {
  if (position < insertEnd) head = insert(position);
  const length = foundLength;
  const distance = foundDistance;
  foundLength = NO_LENGTH;
  foundDistance = 0;
  const least = max(position - WINDOW_BYTES, 0);
  if (head - base >= least && lookahead > length && length < lazyLength) {
    const found = weighs
      ? findCheapest(position, head - base, base, lookahead)
      : findLongest(position, head - base, base, lookahead);
    if (found != 0) {
      foundLength = found >> 16;
      foundDistance = found & 0xffff;
    }
  }
  if (length >= SHORTEST && foundLength <= length) return sendMatch(length, distance, lookahead, least);
  if (foundLength >= SHORTEST) missCount = 0;
  if (!byteWaits) {
    position++;
    byteWaits = true;
    return;
  }
  missCount = (missCount + 1) & 0xffff;
  addLiteral(byteAt(position - 1));
  writeBlockIfFull();
  position++;
  const excess = missCount - chainLimit;
  if (excess > 0) skipAhead(1 + (excess >> 6));
}

/** After many bytes without a match some are sent without a search. */
function skipAhead(count: i32): void {
  for (; count > 0 && position < windowEnd - 1; count--) {
    addLiteral(byteAt(position - 1));
    writeBlockIfFull();
    if (position < insertEnd) head = insert(position);
    position++;
  }
  addLiteral(byteAt(position - 1));
  byteWaits = false;
  writeBlockIfFull();
}

/** Sends the match of the position before, or a longer one that its end leads to. */
function sendMatch(length: i32, distance: i32, lookahead: i32, least: i32): void {
  const start = position - 1;
  if (generation > BEFORE_LAZY_SKIPPED_START) {
    if (length < LONGEST - SKIPPED && start + length < insertEnd) {
      const from = load<i32>(hashAt(start + length), HEADS) - base - length;
      if (start - from != distance && from > least + SKIPPED) {
        const end = start + min(lookahead, LONGEST + SKIPPED);
        const common = commonLength(from + SKIPPED, start + SKIPPED, end);
        if (common > length) {
          length = extendBack(start, from, common);
          distance = start - from;
        }
      }
    }
  } else if (start + length + SKIPPED < insertEnd) {
    const from = load<i32>(hashAt(start + length - SKIPPED), HEADS) - base - length + SKIPPED;
    if (from > least) {
      const common = commonLength(from, start, start + min(lookahead, LONGEST));
      if (common > length) {
        length = common;
        distance = start - from;
      }
    }
  }
  addMatch(<u32>(length - 3), <u32>(distance - 1));
  const next = position + length - 1;
  const last = min(next, insertEnd);
  for (let at = min(position + 1, insertEnd); at < last; at++) insert(at);
  position = next;
  byteWaits = false;
  foundLength = NO_LENGTH;
  writeBlockIfFull();
  missCount = 0;
}

/** The skipped start of a match: what is equal belongs to it, what lies before the first difference is sent singly. */
function extendBack(start: i32, from: i32, length: i32): i32 {
  for (let i = SKIPPED - 1; i >= 0; i--) {
    if (length < LONGEST && byteAt(start + i) == byteAt(from + i)) {
      length++;
      continue;
    }
    for (let j = 0; j <= i; j++) {
      addLiteral(byteAt(start + j));
      writeBlockIfFull();
      position++;
      if (position < insertEnd) head = insert(position);
    }
    break;
  }
  return length;
}

// Levels 2 to 9: hash chains, taken greedily (2 and 3) or with one position of lookahead (4 to 9).

import { bitsPending, pendingByte, restoreBits, writtenBytes } from './bit-writer';
import { MATCH, TOKENS, writeSmallestBlock } from './block-writer';
import { findInChain, findLonger, setSearch } from './longest-match';
import { enterPosition, enterPositions, forgetWindow, slideWindow } from './window';
import { FURTHEST, LONGEST, SHORTEST, SLIDE_FROM, WINDOW, WINDOW_BYTES } from './window';

const TOKENS_END: usize = TOKENS + 4 * 16384;
/** Where a block starts that began before what is now in the window. */
const LOST: i32 = i32.MAX_VALUE;
const FIRST_LAZY_LEVEL: i32 = 4;

/**
 * For levels 2 to 9: the length that ends a search, how many positions it tries, and the length from which on the next
 * position is not tried. For greedy levels the last is the longest match whose inside is entered.
 */
const LEVELS: usize = memory.data<u16>([
  16, 8, 5, 32, 32, 6, 16, 16, 4, 32, 32, 16, 128, 128, 16, 128, 256, 32, 258, 1024, 128, 258, 4096, 258,
]);
let level: i32 = 0;
let lengthLimit: i32 = 0;

let windowEnd: i32 = 0;
/** What lies before this index is in tokens, but for a literal that is held back. */
let index: i32 = 0;
let blockStart: i32 = 0;
let tokensEnd: usize = TOKENS;
/** What was found at the position before, whose literal is held back when `literalHeld`. */
let foundBytes: i32 = SHORTEST - 1;
let foundDistance: i32 = 0;
let literalHeld: boolean = false;
/** Since the flush nothing was taken in: the window slides when it is nearly used up, full or not. */
let flushed: boolean = false;
/** The last positions before a restored state, which wait for the bytes behind them; none when it is `index`. */
let enterFrom: i32 = 0;
/** The place in the plain stream of the window's start. */
let plainBefore: u64 = 0;

/**
 * The state after the last block, or zeros. Little-endian, and frozen, for recipes may hold it: u8 version, u8 level,
 * u8 whether a literal is held back, u8 how many bits are pending, u16 those bits, u16 length found, u32 index, u32
 * distance found - 1, u64 plain bytes before, u64 whole compressed bytes before.
 */
export const STATE: usize = memory.data(32, 16);
const STATE_VERSION: u8 = 1;
/** Whether every position is in its chain, so that chains can be rebuilt: not after a flush or a dictionary. */
let chainsComplete: boolean = true;

export function resetChains(newLevel: i32, dictionary: usize, dictionaryBytes: i32): void {
  level = newLevel;
  const parameters = LEVELS + <usize>(6 * (newLevel - 2));
  setSearch(load<u16>(parameters), load<u16>(parameters, 2));
  lengthLimit = load<u16>(parameters, 4);
  forgetWindow();
  const kept = min(dictionaryBytes, FURTHEST);
  memory.copy(WINDOW, dictionary + dictionaryBytes - kept, kept);
  enterPositions(0, kept - (SHORTEST - 1));
  index = windowEnd = enterFrom = kept;
  chainsComplete = kept == 0;
  // The original counts a dictionary as part of the first block, and stores it along when it stores that.
  blockStart = 0;
  plainBefore = 0;
  tokensEnd = TOKENS;
  foundBytes = SHORTEST - 1;
  foundDistance = 0;
  literalHeld = false;
  flushed = false;
  memory.fill(STATE, 0, 32);
}

export function takeChained(source: usize, byteCount: i32): void {
  let taken = 0;
  while (taken < byteCount) {
    if (windowEnd == WINDOW_BYTES) {
      findTokens(false);
      slide();
    } else if (flushed && index >= SLIDE_FROM) {
      slide();
    }
    flushed = false;
    const piece = min(byteCount - taken, WINDOW_BYTES - windowEnd);
    memory.copy(WINDOW + windowEnd, source + taken, piece);
    windowEnd += piece;
    taken += piece;
  }
}

/** Writes all that was taken as blocks. */
export function flushChains(): void {
  findTokens(true);
  flushed = true;
  chainsComplete = false;
  memory.fill(STATE, 0, 32);
}

function slide(): void {
  slideWindow();
  index -= FURTHEST;
  enterFrom = index;
  windowEnd -= FURTHEST;
  plainBefore += FURTHEST;
  blockStart = blockStart >= FURTHEST ? blockStart - FURTHEST : LOST;
}

function findTokens(toTheEnd: boolean): void {
  if (enterFrom < index) {
    enterPositions(enterFrom, min(index, windowEnd - (SHORTEST - 1)));
    enterFrom = index;
  }
  // As long as more may come, a position waits until the longest match can be seen from it.
  const stop = toTheEnd ? windowEnd : windowEnd - (SHORTEST + LONGEST) + 1;
  if (level < FIRST_LAZY_LEVEL) findGreedily(stop);
  else findLazily(stop, !toTheEnd && chainsComplete);
  if (!toTheEnd) return;
  if (literalHeld) {
    store<u32>(tokensEnd, load<u8>(WINDOW + index - 1));
    tokensEnd += 4;
    literalHeld = false;
  }
  if (tokensEnd > TOKENS) endBlock(tokensEnd, index);
  tokensEnd = TOKENS;
}

function endBlock(end: usize, upTo: i32): void {
  const start = blockStart;
  blockStart = upTo;
  writeSmallestBlock(end, WINDOW + start, start <= upTo ? upTo - start : -1);
}

function findGreedily(stop: i32): void {
  const end = windowEnd;
  let at = index;
  let token = tokensEnd;
  while (at < stop) {
    const ahead = end - at;
    let found: u32 = 0;
    if (ahead >= SHORTEST) {
      const distance = enterPosition(at);
      if (distance <= <u32>min(FURTHEST, at)) found = findInChain(at, distance, ahead);
    }
    if (found != 0) {
      const length = <i32>(found >> 15);
      store<u32>(token, MATCH | ((length - 3) << 15) | (found & 0x7fff));
      if (length <= lengthLimit) enterPositions(at + 1, min(at + length, end - (SHORTEST - 1)));
      at += length;
    } else {
      store<u32>(token, load<u8>(WINDOW + at));
      at++;
    }
    token += 4;
    if (token == TOKENS_END) {
      endBlock(token, at);
      token = TOKENS;
    }
  }
  index = enterFrom = at;
  tokensEnd = token;
}

function findLazily(stop: i32, keepStates: boolean): void {
  const end = windowEnd;
  const tryBelow = lengthLimit;
  let at = index;
  let token = tokensEnd;
  let length = foundBytes;
  let distanceLess = foundDistance;
  let held = literalHeld;
  while (at < stop) {
    const ahead = end - at;
    const lengthBefore = length;
    const distanceBefore = distanceLess;
    length = SHORTEST - 1;
    if (ahead >= SHORTEST) {
      const distance = enterPosition(at);
      if (distance <= <u32>min(FURTHEST, at) && ahead > lengthBefore && lengthBefore < tryBelow) {
        // A match that is no longer than the one before is not taken.
        const found = chainsComplete
          ? findLonger(at, distance, ahead, lengthBefore)
          : findInChain(at, distance, ahead);
        if (found != 0) length = <i32>(found >> 15);
        distanceLess = <i32>(found & 0x7fff);
      }
    }
    let full = false;
    if (lengthBefore >= SHORTEST && length <= lengthBefore) {
      store<u32>(token, MATCH | ((lengthBefore - 3) << 15) | distanceBefore);
      token += 4;
      const next = at + lengthBefore - 1;
      enterPositions(at + 1, min(next, end - (SHORTEST - 1)));
      at = next;
      held = false;
      length = SHORTEST - 1;
      full = token == TOKENS_END;
      if (full) endBlock(token, at);
    } else {
      if (held) {
        store<u32>(token, load<u8>(WINDOW + at - 1));
        token += 4;
        full = token == TOKENS_END;
        if (full) endBlock(token, at);
      }
      at++;
      held = true;
    }
    if (full) {
      token = TOKENS;
      if (keepStates) keepState(at, length, distanceLess, held);
    }
  }
  index = enterFrom = at;
  tokensEnd = token;
  foundBytes = length;
  foundDistance = distanceLess;
  literalHeld = held;
}

function keepState(at: i32, length: i32, distanceLess: i32, held: boolean): void {
  store<u8>(STATE, STATE_VERSION);
  store<u8>(STATE, <u8>level, 1);
  store<u8>(STATE, held ? 1 : 0, 2);
  store<u8>(STATE, <u8>bitsPending(), 3);
  store<u16>(STATE, <u16>pendingByte(), 4);
  store<u16>(STATE, <u16>length, 6);
  store<u32>(STATE, at, 8);
  store<u32>(STATE, distanceLess, 12);
  store<u64>(STATE, plainBefore + at, 16);
  store<u64>(STATE, writtenBytes(), 24);
}

/** How many bytes before its place the state at STATE wants to see, or -1 when it is none that this level keeps. */
export function historyOfState(): i32 {
  const at = load<i32>(STATE, 8);
  const length = <i32>load<u16>(STATE, 6);
  const held = load<u8>(STATE, 2);
  const plain = load<u64>(STATE, 16);
  const sound =
    load<u8>(STATE) == STATE_VERSION &&
    load<u8>(STATE, 1) == level &&
    held <= 1 &&
    load<u8>(STATE, 3) < 8 &&
    load<u16>(STATE, 4) >> load<u8>(STATE, 3) == 0 &&
    length >= SHORTEST - 1 &&
    length <= LONGEST &&
    at > 0 &&
    at <= WINDOW_BYTES &&
    plain >= <u64>at &&
    load<u32>(STATE, 12) < <u32>min(FURTHEST, at);
  return sound ? min(at, FURTHEST) : -1;
}

/** After resetChains: goes on from the sound state at STATE, given as many bytes as it wants. */
export function restoreChains(history: usize): void {
  const at = load<i32>(STATE, 8);
  const known = min(at, FURTHEST);
  memory.copy(WINDOW + at - known, history, known);
  index = windowEnd = at;
  enterFrom = max(at - known, at - (SHORTEST - 1));
  enterPositions(at - known, enterFrom);
  foundBytes = load<u16>(STATE, 6);
  foundDistance = load<i32>(STATE, 12);
  literalHeld = load<u8>(STATE, 2) != 0;
  blockStart = literalHeld ? at - 1 : at;
  plainBefore = load<u64>(STATE, 16) - at;
  restoreBits(load<u64>(STATE, 24), load<u16>(STATE, 4), load<u8>(STATE, 3));
}

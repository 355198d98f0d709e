// Turns window bytes into tokens: greedily (levels 1 to 3) or with one step of hindsight (4 to 9).
import { addToken, blockStart, endBlock, guessTruncation, moveBlockStart } from './block';
import {
  HALF_WINDOW, MAX_DISTANCE, MAX_MATCH, MIN_LOOKAHEAD, MIN_MATCH, SLIDE_AT, WINDOW, WINDOW_BYTES,
} from './layout';
import {
  configureHash, configureSearch, insertFour, insertString, longestMatch, longestMatchAhead, matchStart, reaches, setMatchStart,
  slideWindow,
} from './match';
import { partialBits, partialByte, writtenBytes } from './bits';

/** good length, max lazy (or the longest match whose strings are inserted, levels 1 to 3), nice length, max chain. */
const LEVELS: usize = memory.data<u16>([
  4, 4, 8, 4,
  4, 5, 16, 8,
  4, 6, 32, 32,
  4, 4, 16, 16,
  8, 16, 32, 32,
  8, 16, 128, 128,
  8, 32, 128, 256,
  32, 128, 258, 1024,
  32, 258, 258, 4096,
]);
const LAZY_LEVEL: u32 = 4;
/** A match of three bytes from further back costs more than three literals. */
const TOO_FAR: u32 = 4096;

let lazy: bool = true;
let maxLazy: u32 = 0;
let gnu: bool = false;
/** GNU gzip tries to end blocks early, from level 3 on. */
let guesses: bool = false;

/** The window index that is next, how many bytes are there from it on, and how the last step left matters. */
export let position: u32 = 0;
export let lookahead: u32 = 0;
let matchLength: u32 = 2;
let literalWaits: bool = false;
/** Plain bytes that lie before the window. */
let windowBase: u64 = 0;
/** GNU gzip has seen the end of its input and slides no more. */
let endSeen: bool = false;

/**
 * The state after the block that ended last:
 * u8 1 | u8 level | u8 kind | u8 literalWaits | u8 position - blockStart | u8 partial byte | u8 its bits | u8 0 |
 * u16 matchLength | u16 position - matchStart | u32 position | u64 plain bytes before | u64 whole bytes written.
 */
export const STATE: usize = memory.data(32, 16);
let hasStates: bool = false;
let kindOfState: u32 = 0;

export function configureTokens(level: u32, wideHash: bool, gnuGzip: bool, hashKind: u32): void {
  const row = LEVELS + ((level - 1) << 3);
  lazy = level >= LAZY_LEVEL;
  kindOfState = 1 | (level << 8) | ((gnuGzip ? 0 : wideHash ? 9 : 8) << 16);
  gnu = gnuGzip;
  guesses = gnuGzip && level > 2;
  maxLazy = load<u16>(row, 2);
  configureSearch(load<u16>(row), load<u16>(row, 4), load<u16>(row, 6), !gnuGzip);
  configureHash(hashKind, wideHash, level >= 6);
}

/** Begins a stream at a window index. */
export function beginTokens(at: u32): void {
  position = at;
  lookahead = 0;
  matchLength = 2;
  literalWaits = false;
  windowBase = 0;
  endSeen = false;
  store<u8>(STATE, 0);
  hasStates = true;
}

/** There is no state, and none is noted in this stream any more. */
export function endStates(): void {
  store<u8>(STATE, 0);
  hasStates = false;
}

/** Whether an encoder configured as this one could have noted what is now at STATE. */
export function stateMakesSense(): bool {
  const at = load<u32>(STATE, 12);
  const plain = load<u64>(STATE, 16);
  const base = plain - at;
  const waits = <u32>load<u8>(STATE, 3);
  const sinceBlock = <u32>load<u8>(STATE, 4);
  const bits = <u32>load<u8>(STATE, 6);
  const length = <u32>load<u16>(STATE, 8);
  const distance = <u32>load<u16>(STATE, 10);
  const matches = length >= MIN_MATCH && length <= MAX_MATCH && waits == 1;
  return (
    lazy && (load<u32>(STATE) & 0xffffff) == kindOfState && waits <= 1 && sinceBlock <= 1 && load<u8>(STATE, 7) == 0 &&
    bits < 8 && <u32>load<u8>(STATE, 5) >> bits == 0 &&
    at > 0 && at <= WINDOW_BYTES && at <= plain && plain < 1 << 53 && base % HALF_WINDOW == 0 &&
    (base == 0 || at >= MAX_DISTANCE) && (matches || (length == 2 && distance == 0)) &&
    (length == 2 || (distance > 1 && distance <= MAX_DISTANCE + 1 && distance <= at))
  );
}

/** Takes up what is at STATE, but for the output and what is in the window. */
export function resumeTokens(): void {
  const at = load<u32>(STATE, 12);
  position = at;
  lookahead = 0;
  windowBase = load<u64>(STATE, 16) - at;
  endSeen = false;
  hasStates = true;
  matchLength = load<u16>(STATE, 8);
  literalWaits = load<u8>(STATE, 3) != 0;
  setMatchStart(<i32>at - load<u16>(STATE, 10));
}

export function addLookahead(count: u32): void {
  lookahead += count;
}

/** Moves the upper half of the window down once there is nothing more to find in the lower. */
export function slideIfDue(): void {
  if (position < SLIDE_AT) return;
  slideWindow(WINDOW_BYTES - position - lookahead);
  position -= HALF_WINDOW;
  windowBase += HALF_WINDOW;
  moveBlockStart(blockStart - HALF_WINDOW);
}

/** The input ends before there is enough ahead; what the originals do when they look for more in vain. */
function meetEnd(): void {
  if (!gnu) return slideIfDue();
  if (endSeen) return;
  slideIfDue();
  endSeen = true;
  store<u16>(WINDOW + position + lookahead, 0);
}

/**
 * Notes what a new encoder must know, beside the 32 KiB before the position, to go on from here. The window was
 * filled to its end when the steps that led here began.
 */
function noteState(): void {
  if (!hasStates) return;
  store<u32>(STATE, kindOfState | (literalWaits ? 1 << 24 : 0));
  store<u8>(STATE, <u32>(<i32>position - blockStart), 4);
  store<u8>(STATE, partialByte(), 5);
  store<u8>(STATE, partialBits(), 6);
  store<u8>(STATE, 0, 7);
  store<u16>(STATE, matchLength, 8);
  store<u16>(STATE, matchLength < MIN_MATCH ? 0 : <i32>position - matchStart, 10);
  store<u32>(STATE, position, 12);
  store<u64>(STATE, windowBase + position, 16);
  store<u64>(STATE, writtenBytes(), 24);
}

/** Takes a token found at `at`, and says whether the block should end. */
// @ts-ignore: decorator
@inline
function take(distance: u32, value: u32, at: u32): bool {
  const full = addToken(distance, value);
  return full || (guesses && guessTruncation(at));
}

/**
 * Makes tokens until too few bytes are ahead, or until none is when the stream is `ending` (or is flushed).
 * zlib inserts no string that goes beyond the input; GNU gzip does, and it compares beyond the input too.
 */
export function makeTokens(ending: bool): void {
  if (lazy) makeLazily(ending);
  else makeGreedily(ending);
}

function makeLazily(ending: bool): void {
  let at = position;
  let ahead = lookahead;
  // Only a forged state can hold a match that is longer than what came.
  let length: u32 = matchLength > ahead + 1 ? 2 : matchLength;
  let waits = literalWaits;
  for (;;) {
    if (ahead < MIN_LOOKAHEAD) {
      if (!ending) break;
      position = at;
      lookahead = ahead;
      meetEnd();
      at = position;
      if (ahead == 0) break;
    }
    const entry = gnu || ahead >= MIN_MATCH ? insertString(at) : 0;
    const headOfFour = ahead > MIN_MATCH ? insertFour(at, entry) : 0;
    const head = entry & 0xffff;
    const lengthBefore = length;
    const startBefore = matchStart;
    length = 2;
    if (lengthBefore < maxLazy && reaches(head, at)) {
      if (ahead >= MIN_LOOKAHEAD) {
        length = longestMatchAhead(entry, headOfFour, at, lengthBefore, TOO_FAR);
      } else {
        length = longestMatch(head, at, ahead, lengthBefore);
        if (length == MIN_MATCH && <i32>at - matchStart > <i32>TOO_FAR) length = 2;
      }
    }
    let full = false;
    let end = at;
    if (lengthBefore >= MIN_MATCH && length <= lengthBefore) {
      full = take(<u32>(<i32>at - 1 - startBefore), lengthBefore - MIN_MATCH, at);
      const lastInsertable: u32 = gnu ? 0xffff : at + ahead - MIN_MATCH;
      const fourEnd = min(at + lengthBefore - 1, at + ahead - MIN_MATCH);
      ahead -= lengthBefore - 1;
      end = at + lengthBefore - 1;
      const insertEnd = min(end, lastInsertable + 1);
      let next = at + 1;
      for (; next < fourEnd; next++) insertFour(next, insertString(next));
      for (; next < insertEnd; next++) insertString(next);
      at = end;
      waits = false;
      length = 2;
    } else {
      if (waits) full = take(0, load<u8>(WINDOW + at - 1), at);
      waits = true;
      at++;
      ahead--;
    }
    if (full) {
      endBlock(end, false);
      position = at;
      lookahead = ahead;
      matchLength = length;
      literalWaits = waits;
      if (!ending) noteState();
    }
  }
  if (ending && waits) {
    addToken(0, load<u8>(WINDOW + at - 1));
    waits = false;
  }
  position = at;
  lookahead = ahead;
  matchLength = length;
  literalWaits = waits;
}

function makeGreedily(ending: bool): void {
  let at = position;
  let ahead = lookahead;
  for (;;) {
    if (ahead < MIN_LOOKAHEAD) {
      if (!ending) break;
      position = at;
      lookahead = ahead;
      meetEnd();
      at = position;
      if (ahead == 0) break;
    }
    const head = gnu || ahead >= MIN_MATCH ? insertString(at) & 0xffff : 0;
    const length = reaches(head, at) ? longestMatch(head, at, ahead, 2) : 0;
    let full: bool;
    if (length >= MIN_MATCH) {
      full = take(<u32>(<i32>at - matchStart), length - MIN_MATCH, at);
      ahead -= length;
      const end = at + length;
      if (length <= maxLazy && (gnu || ahead >= MIN_MATCH)) {
        for (++at; at < end; at++) insertString(at);
      }
      at = end;
    } else {
      full = take(0, load<u8>(WINDOW + at), at);
      ahead--;
      at++;
    }
    if (full) endBlock(at, false);
  }
  position = at;
  lookahead = ahead;
}

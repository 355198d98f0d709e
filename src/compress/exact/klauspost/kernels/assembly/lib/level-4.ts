// Level 4: a table of the last position of each 4 bytes, and one of each 7 bytes.
import {
  appendBlock, base, emitMatch, emitRest, historyEnd, load4, load8, MARGIN, nextAt, REACH, setMatch,
  wholeMatch,
} from './fast-history';
import { BEFORE_WRONG_PLACE, generation } from './generation';
import { hash4, hash7 } from './hashes';
import { TABLES } from './layout';

export const LEVEL_4_TABLE_BYTES: usize = (4 + 4) << 15;
const LONG: usize = TABLES + (4 << 15);

let word: u64 = 0;

// @ts-ignore: decorator
@inline
function enterBoth(bytes: u64, at: i32): void {
  store<i32>(hash4(bytes), at + base, TABLES);
  store<i32>(hash7(bytes, 2), at + base, LONG);
}

export function searchLevel4(from: usize, count: i32): void {
  let at = appendBlock(from, count, LEVEL_4_TABLE_BYTES);
  if (count < 2 + MARGIN) return;
  const end = historyEnd();
  const limit = end - MARGIN;
  let pending = at;
  let found = false;
  word = load8(at);
  while (findMatch(at, pending, limit)) {
    found = true;
    at = emitMatch(pending);
    pending = at;
    if (nextAt >= at) at = nextAt + 1;
    if (at >= limit) {
      if (at + 8 < end) enterBoth(load8(at), at);
      break;
    }
    for (let i = nextAt; i < at - 1; i += 3) {
      const bytes = load8(i);
      store<i32>(hash7(bytes, 2), i + base, LONG);
      enterBoth(bytes >> 8, i + 1);
    }
    const bytes = load8(at - 1);
    enterBoth(bytes, at - 1);
    word = bytes >> 8;
  }
  emitRest(pending, found);
}

/** Searches from `at` on, where `word` lies. */
function findMatch(at: i32, pending: i32, limit: i32): bool {
  const offset = base;
  const end = limit + MARGIN;
  let bytes = word;
  let next = at;
  while (true) {
    const shortSlot = hash4(bytes);
    const longSlot = hash7(bytes, 2);
    at = next;
    next = at + 1 + ((at - pending) >> 6);
    if (next > limit) return false;
    const short = load<i32>(shortSlot, TABLES) - offset;
    const long = load<i32>(longSlot, LONG) - offset;
    const following = load8(next);
    store<i32>(shortSlot, at + offset, TABLES);
    store<i32>(longSlot, at + offset, LONG);
    if (at - long < REACH && <u32>bytes == load4(long)) {
      setMatch(at, long, wholeMatch(at, long, end), next);
      return true;
    }
    if (at - short < REACH && <u32>bytes == load4(short)) {
      chooseShort(at, short, following, next, end);
      return true;
    }
    bytes = following;
  }
}

/** The short table's match, unless the long one's of the next position is longer. */
function chooseShort(at: i32, short: i32, following: u64, next: i32, end: i32): void {
  const length = wholeMatch(at, short, end);
  const long = load<i32>(hash7(following, 2), LONG) - base;
  if (next - long < REACH && load4(long) == <u32>following) {
    const measured = generation > BEFORE_WRONG_PLACE ? next - long : long;
    if (wholeMatch(next, measured, end) > length) return setMatch(next, long, wholeMatch(next, long, end), next);
  }
  setMatch(at, short, length, next);
}

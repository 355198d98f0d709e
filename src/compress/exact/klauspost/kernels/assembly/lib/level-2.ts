// Level 2: as level 1 with a table of 2^17 entries, and positions inside matches entered too.
import {
  appendBlock, base, emitMatch, emitRest, historyEnd, load4, load8, MARGIN, matchAt, nextAt, REACH, setMatch, wholeMatch,
} from './fast-history';
import { BEFORE_FIVE_BYTE_HASH, generation } from './generation';
import { hash, PRIME_4, PRIME_5 } from './hashes';
import { TABLES } from './layout';

export const LEVEL_2_TABLE_BYTES: usize = 4 << 17;
const BITS: u64 = 17;

let shift: u64 = 24;
let prime: u64 = PRIME_5;
let word: u64 = 0;

// @ts-ignore: decorator
@inline
function slotOf(bytes: u64): usize {
  return hash(bytes, shift, prime, BITS, 2);
}

export function searchLevel2(from: usize, count: i32): void {
  const old = generation <= BEFORE_FIVE_BYTE_HASH;
  shift = old ? 32 : 24;
  prime = old ? PRIME_4 : PRIME_5;
  let at = appendBlock(from, count, LEVEL_2_TABLE_BYTES);
  if (count < 2 + MARGIN) return;
  const end = historyEnd();
  const limit = end - MARGIN;
  let pending = at;
  let found = false;
  word = load8(at);
  while (findMatch(at, pending, limit)) {
    found = true;
    do {
      at = emitMatch(pending);
      const length = at - matchAt;
      pending = at;
      if (nextAt >= at) at = nextAt + 1;
      if (at >= limit) {
        if (at + length + (old ? 4 : 8) < end) store<i32>(slotOf(load8(at)), at + base, TABLES);
        return emitRest(pending, true);
      }
      enterInside(at - length + 2, at - 5);
    } while (continuesAt(at, end));
    at++;
  }
  emitRest(pending, found);
}

/** Three positions of every seven. */
function enterInside(from: i32, to: i32): void {
  for (let at = from; at < to; at += 7) {
    const bytes = load8(at);
    store<i32>(slotOf(bytes), at + base, TABLES);
    store<i32>(slotOf(bytes >> 16), at + 2 + base, TABLES);
    store<i32>(slotOf(bytes >> 32), at + 4 + base, TABLES);
  }
}

/** Enters the two positions before the end of a match and the end itself; whether another match begins there. */
function continuesAt(at: i32, end: i32): bool {
  const bytes = load8(at - 2);
  store<i32>(slotOf(bytes), at - 2 + base, TABLES);
  store<i32>(slotOf(bytes >> 8), at - 1 + base, TABLES);
  const slot = slotOf(bytes >> 16);
  const candidate = load<i32>(slot, TABLES) - base;
  store<i32>(slot, at + base, TABLES);
  if (at - candidate > REACH || <u32>(bytes >> 16) != load4(candidate)) {
    word = bytes >> 24;
    return false;
  }
  setMatch(at, candidate, wholeMatch(at, candidate, end), nextAt);
  return true;
}

/** Searches from `at` on, where `word` lies. */
function findMatch(at: i32, pending: i32, limit: i32): bool {
  const offset = base;
  let bytes = word;
  let next = at;
  while (true) {
    let slot = slotOf(bytes);
    at = next;
    next = at + 2 + ((at - pending) >> 5);
    if (next > limit) return false;
    let candidate = load<i32>(slot, TABLES) - offset;
    const following = load8(next);
    store<i32>(slot, at + offset, TABLES);
    slot = slotOf(following);
    if (at - candidate < REACH && <u32>bytes == load4(candidate)) {
      store<i32>(slot, next + offset, TABLES);
      setMatch(at, candidate, wholeMatch(at, candidate, historyEnd()), next);
      return true;
    }
    at = next;
    next++;
    candidate = load<i32>(slot, TABLES) - offset;
    store<i32>(slot, at + offset, TABLES);
    if (at - candidate < REACH && <u32>following == load4(candidate)) {
      setMatch(at, candidate, wholeMatch(at, candidate, historyEnd()), next);
      return true;
    }
    bytes = following >> 8;
  }
}

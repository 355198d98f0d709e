// Level 3: a table of 2^16 pairs, the last two positions of a hash; every position is looked at.
import {
  appendBlock, base, commonLength, emitMatch, emitRest, historyEnd, load4, load8, MARGIN, matchAt, matchFrom, nextAt,
  REACH, setMatch, wholeMatch,
} from './fast-history';
import { BEFORE_FIVE_BYTE_HASH, generation } from './generation';
import { hash, PRIME_4, PRIME_5 } from './hashes';
import { TABLES } from './layout';

export const LEVEL_3_TABLE_BYTES: usize = 8 << 16;
const BITS: u64 = 16;

let shift: u64 = 24;
let prime: u64 = PRIME_5;
let patience: i32 = 7;
let word: u64 = 0;

// @ts-ignore: decorator
@inline
function slotOf(bytes: u64): usize {
  return hash(bytes, shift, prime, BITS, 3);
}

/** Makes a position the last of its hash; returns the two before. */
// @ts-ignore: decorator
@inline
function enter(slot: usize, at: i32): u64 {
  const pair = load<u64>(slot, TABLES);
  store<u64>(slot, (pair << 32) | <u64><u32>(at + base), TABLES);
  return pair;
}

export function searchLevel3(from: usize, count: i32): void {
  const old = generation <= BEFORE_FIVE_BYTE_HASH;
  shift = old ? 32 : 24;
  prime = old ? PRIME_4 : PRIME_5;
  patience = old ? 6 : 7;
  const margin = old ? 7 : MARGIN;
  const hashed = old ? 4 : 8;
  let at = appendBlock(from, count, LEVEL_3_TABLE_BYTES);
  if (count < 2 + margin) return;
  const end = historyEnd();
  const limit = end - margin;
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
        const sourceEnd = matchFrom + length;
        if (sourceEnd + hashed < end && sourceEnd > 0) enter(slotOf(load8(sourceEnd)), sourceEnd);
        return emitRest(pending, true);
      }
      const step = old ? 5 : 6;
      for (let i = at - length + 2; i < at - 5; i += step) enter(slotOf(load8(i)), i);
    } while (continuesAt(at, end));
    at++;
  }
  emitRest(pending, found);
}

/** Enters the two positions before the end of a match and the end itself; whether another match begins there. */
function continuesAt(at: i32, end: i32): bool {
  const bytes = load8(at - 2);
  enter(slotOf(bytes), at - 2);
  enter(slotOf(bytes >> 8), at - 1);
  const start = <u32>(bytes >> 16);
  const pair = enter(slotOf(bytes >> 16), at);
  const least = at - (REACH - 4);
  let candidate = <i32>pair - base;
  if (candidate > least) {
    if (start != load4(candidate)) candidate = <i32>(pair >> 32) - base;
    if (candidate > least && start == load4(candidate)) {
      setMatch(at, candidate, wholeMatch(at, candidate, end), nextAt);
      return true;
    }
  }
  word = bytes >> 24;
  return false;
}

/** Searches from `at` on, where `word` lies. */
function findMatch(at: i32, pending: i32, limit: i32): bool {
  const end = historyEnd();
  let bytes = word;
  let next = at;
  while (true) {
    const slot = slotOf(bytes);
    at = next;
    next = at + 1 + ((at - pending) >> patience);
    if (next > limit) return false;
    const following = load8(next);
    const least = at - (REACH - 4);
    const pair = enter(slot, at);
    const last = <i32>pair - base;
    if (last >= least) {
      const before = <i32>(pair >> 32) - base;
      if (<u32>bytes == load4(last)) {
        const both = before >= least && <u32>bytes == load4(before);
        const better = both && commonLength(at + 4, before + 4, end) > commonLength(at + 4, last + 4, end);
        const from = better ? before : last;
        setMatch(at, from, wholeMatch(at, from, end), next);
        return true;
      }
      if (before > least && <u32>bytes == load4(before)) {
        setMatch(at, before, wholeMatch(at, before, end), next);
        return true;
      }
    }
    bytes = following;
  }
}

// kernel: own memory
// Finds how plain bytes can be copied from base bytes when copies may hold mismatches, and writes the streams that a
// delta block is made of; docs/format.md, "Delta block", says what they mean. The search is no part of the format.
//
// After C. Percival's bsdiff ("Naive differences of executable code", 2003): recompiled code differs from the old
// in addresses only, so a copy goes on over mismatches while more bytes are equal than not. Here a table of 8-byte
// anchors takes the place of the suffix array, and where mismatches get dense other places in the base are tried.
//
// Work is bounded by the lengths: every step either moves forward in the plain bytes or is one of a fixed number.

import { countEqual, equalMask, FORWARD_DROP, forwardScore, isEqual, refine } from './lib/compare';
import { OP_BYTES, writeCopies, writeOps } from './lib/write-streams';

export { writeOps };

/** Bytes that must be equal for a place in the base to be looked at. */
const ANCHOR_BYTES: u32 = 8;
/** A copy shorter than this is written as literals. */
const SHORTEST_COPY: u32 = 8;
/** Equal bytes less unequal ones that an anchor's copy must gain, elsewhere and where the last copy would go on. */
const FAR_SCORE: i32 = 24;
const NEAR_SCORE: i32 = 12;
/** Gained by a copy that no other need be compared with. */
const SURE_SCORE: i32 = 64;
/** A candidate is judged by so many bytes. */
const JUDGED_BYTES: u32 = 256;
/** How far the score may fall below its best before a copy ends backwards. */
const BACKWARD_DROP: i32 = 8;
/** A copy is questioned where so many of 16 bytes are unequal ... */
const DENSE_MISMATCHES: i32 = 6;
/** ... by the anchors at so many positions ... */
const PROBES: u32 = 16;
/** ... and given up for a place where so many more of the next bytes are equal. */
const SWITCH_GAIN: i32 = 20;
const SWITCH_BYTES: u32 = 128;
/** How far back the better place may take over, and so many times the plain bytes in all. */
const SWITCH_BACK_BYTES: u32 = 65536;
const SWITCH_BACK_BUDGET: u32 = 4;
/** Where nothing is found, steps grow by one every 64 misses up to this. */
const LONGEST_STEP: u32 = 32;
const NONE: u32 = 0xffffffff;

let base: usize;
let baseBytes: u32;
let plain: usize;
let plainBytes: u32;
let table: usize;
let tableShift: u64;
let ops: usize;
let opLimit: u32;
let opCount: u32;
/** Where the bytes begin that no copy covers so far. */
let literalAt: u32;

let bestScore: i32;
let bestSource: u32;
let bestBack: u32;
let otherAt: u32;
let otherSource: u32;
let probedTo: u32;
let backBudget: u32;

// @ts-ignore: decorator
@inline
function slotOf(bytes: u64): usize {
  return table + (<usize>((bytes * 0x9e3779b185ebca87) >> tableShift) << 2);
}

/** Judges the copy of `at` from `source`; the best so far is kept in bestScore, bestSource and bestBack. */
function consider(at: u32, source: u32, leastScore: i32): void {
  const a = plain + at;
  const b = base + source;
  const limit = min(JUDGED_BYTES, min(plainBytes - at, baseBytes - source));
  const furthest = min(at - literalAt, source);
  let score: i32 = 0;
  let top: i32 = 0;
  let back: u32 = 0;
  for (let i: u32 = 1; i <= furthest; i++) {
    score += isEqual(a - i, b - i) * 2 - 1;
    if (score > top) {
      top = score;
      back = i;
    } else if (score < top - BACKWARD_DROP) break;
  }
  const total = top + forwardScore(a, b, limit);
  if (total < leastScore || total <= bestScore) return;
  bestScore = total;
  bestSource = source;
  bestBack = back;
}

/**
 * Looks for a better source of what comes `i` bytes after `at` than going on with the copy from `source`, which can
 * go on to `limit`. If there is one, otherAt and otherSource say where it takes over.
 */
function probe(at: u32, source: u32, i: u32, limit: u32): bool {
  for (let j: u32 = i; j < i + PROBES; j++) {
    const a = plain + at + j;
    if (at + j + ANCHOR_BYTES > plainBytes) return false;
    const bytes = load<u64>(a);
    const found = load<u32>(slotOf(bytes));
    if (found == 0 || found - 1 == source + j || load<u64>(base + found - 1) != bytes) continue;
    const other = found - 1;
    if (j >= limit) return false;
    const count = min(min(SWITCH_BYTES, plainBytes - at - j), min(baseBytes - other, limit - j));
    const gain = countEqual(a, base + other, count) - countEqual(a, base + source + j, count);
    if (gain < SWITCH_GAIN) continue;
    let score: i32 = 0;
    let top: i32 = 0;
    let back: u32 = 0;
    const furthest = min(min(SWITCH_BACK_BYTES, backBudget), min(j, other));
    let k: u32 = 1;
    for (; k <= furthest && score > -BACKWARD_DROP; k++) {
      score += isEqual(a - k, base + other - k) - isEqual(a - k, base + source + j - k);
      if (score > top) {
        top = score;
        back = k;
      }
    }
    backBudget -= k - 1;
    otherAt = at + j - back;
    otherSource = other - back;
    probedTo = at + j + 16;
    return true;
  }
  return false;
}

/** How far the copy of `at` from `source` goes; otherAt is NONE, or where a better source takes over. */
function extend(at: u32, source: u32): u32 {
  const a = plain + at;
  const b = base + source;
  const limit = min(plainBytes - at, baseBytes - source);
  let score: i32 = 0;
  let top: i32 = 0;
  let best: u32 = 0;
  otherAt = NONE;
  for (let i: u32 = 0; i + 16 <= limit; ) {
    const mask = equalMask(a + i, b + i);
    const equal = popcnt(mask);
    if (16 - equal >= DENSE_MISMATCHES && at + i >= probedTo) {
      probedTo = at + i + 16;
      if (probe(at, source, i, limit)) {
        const takenOver = otherAt - at;
        return refine(a, b, min(best, takenOver), takenOver);
      }
    }
    i += 16;
    score += equal * 2 - 16;
    if (score > top) {
      top = score;
      best = i;
    } else if (score < top - FORWARD_DROP) break;
  }
  return refine(a, b, best, limit);
}

/** Writes the copy found at `at` and those that take over from it; false when there is no room for so many. */
function follow(at: u32, source: u32, back: u32): bool {
  let start = at - back;
  let startSource = source - back;
  do {
    const end = at + extend(at, source);
    if (end >= start + SHORTEST_COPY) {
      if (opCount == opLimit) return false;
      const op = ops + opCount * OP_BYTES;
      store<u32>(op, start - literalAt);
      store<u32>(op, end - start, 4);
      store<u32>(op, startSource, 8);
      opCount++;
      literalAt = end;
    }
    at = start = otherAt;
    source = startSource = otherSource;
  } while (otherAt != NONE);
  return true;
}

function buildTable(tableBits: u32, strideBytes: u32): void {
  memory.fill(table, 0, <usize>4 << tableBits);
  tableShift = 64 - tableBits;
  for (let i: u32 = 0; i + ANCHOR_BYTES <= baseBytes; i += strideBytes) {
    store<u32>(slotOf(load<u64>(base + i)), i + 1);
  }
}

/**
 * Writes to `opsAt`, 12 bytes each, the literal length, copy length and source of every copy, and returns their
 * number; what follows the last copy is literal. NONE when there are more than `limit`.
 */
export function search(
  baseAt: usize, baseCount: u32, plainAt: usize, plainCount: u32,
  tableAt: usize, tableBits: u32, strideBytes: u32, opsAt: usize, limit: u32,
): u32 {
  base = baseAt;
  baseBytes = baseCount;
  plain = plainAt;
  plainBytes = plainCount;
  table = tableAt;
  ops = opsAt;
  opLimit = limit;
  opCount = 0;
  literalAt = 0;
  probedTo = 0;
  backBudget = plainBytes * SWITCH_BACK_BUDGET;
  buildTable(tableBits, strideBytes);
  let misses: u32 = 0;
  for (let at: u32 = 0; at + ANCHOR_BYTES <= plainBytes; ) {
    const bytes = load<u64>(plain + at);
    bestScore = 0;
    let near = NONE;
    if (opCount) {
      const last = ops + (opCount - 1) * OP_BYTES;
      near = load<u32>(last, 8) + load<u32>(last, 4) + (at - literalAt);
      if (near + ANCHOR_BYTES <= baseBytes && load<u64>(base + near) == bytes) consider(at, near, NEAR_SCORE);
    }
    if (bestScore < SURE_SCORE) {
      const found = load<u32>(slotOf(bytes));
      if (found && found - 1 != near && load<u64>(base + found - 1) == bytes) consider(at, found - 1, FAR_SCORE);
    }
    if (bestScore == 0) {
      at += min(1 + (misses++ >> 6), LONGEST_STEP);
      continue;
    }
    if (!follow(at, bestSource, bestBack)) return NONE;
    at = max(literalAt, at + 1);
    misses = 0;
  }
  return opCount;
}

/**
 * Writes gaps, differences and literals of what the last search found, with sources as they were then; ends[0..2] are
 * set to where the three end. False when there are more than `limit` differences.
 */
export function writeBytes(gaps: usize, differences: usize, literals: usize, limit: u32, ends: usize): bool {
  return writeCopies(base, plain, plainBytes, ops, opCount, gaps, differences, literals, limit, ends);
}

/** Moves bytes inside the memory; the ranges may overlap. */
export function copyBytes(target: usize, source: usize, count: usize): void {
  memory.copy(target, source, count);
}

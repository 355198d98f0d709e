// kernel: own memory
// Finds how plain bytes can be copied from base bytes when copies may hold mismatches, and writes the streams that a
// delta block is made of; docs/format.md, "Delta block", says what they mean. The search is no part of the format.
//
// After C. Percival's bsdiff ("Naive differences of executable code", 2003): recompiled code differs from the old
// in addresses only, so a copy goes on over mismatches while more bytes are equal than not. Here a table of 8-byte
// anchors takes the place of the suffix array, and where mismatches get dense other places in the base are tried.
//
// Work is bounded by the lengths: every step either moves forward in the plain bytes or is one of a fixed number.

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
/** How far the score may fall below its best before a copy ends: forwards, and backwards. */
const FORWARD_DROP: i32 = 24;
const BACKWARD_DROP: i32 = 8;
/** A copy is questioned where so many of 16 bytes are unequal ... */
const DENSE_MISMATCHES: i32 = 6;
/** ... by the anchors at so many positions ... */
const PROBES: u32 = 4;
/** ... and given up for a place where so many more of the next bytes are equal. */
const SWITCH_GAIN: i32 = 20;
const SWITCH_BYTES: u32 = 128;
/** How far back the better place may take over. */
const SWITCH_BACK_BYTES: u32 = 1024;
/** Where nothing is found, steps grow by one every 64 misses up to this. */
const LONGEST_STEP: u32 = 32;
const NONE: u32 = 0xffffffff;
const OP_BYTES: u32 = 12;

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

// @ts-ignore: decorator
@inline
function slotOf(bytes: u64): usize {
  return table + (<usize>((bytes * 0x9e3779b185ebca87) >> tableShift) << 2);
}

// @ts-ignore: decorator
@inline
function equalMask(a: usize, b: usize): i32 {
  return i8x16.bitmask(i8x16.eq(v128.load(a), v128.load(b)));
}

// @ts-ignore: decorator
@inline
function isEqual(a: usize, b: usize): i32 {
  return <i32>(load<u8>(a) == load<u8>(b));
}

/** How many of `count` bytes are equal. */
function countEqual(a: usize, b: usize, count: u32): i32 {
  let equal: i32 = 0;
  let i: u32 = 0;
  for (; i + 16 <= count; i += 16) equal += popcnt(equalMask(a + i, b + i));
  for (; i < count; i++) equal += isEqual(a + i, b + i);
  return equal;
}

/** The length near `length`, not above `limit`, at which a copy gains most: the last of them. */
function refine(a: usize, b: usize, length: u32, limit: u32): u32 {
  const first = length >= 16 ? length - 16 : 0;
  const end = min(length + 16, limit);
  let score: i32 = 0;
  let top: i32 = 0;
  let best = first;
  for (let i = first; i < end; i++) {
    score += isEqual(a + i, b + i) * 2 - 1;
    if (score >= top) {
      top = score;
      best = i + 1;
    }
  }
  return best;
}

/** What a copy of at most `limit` bytes gains. */
function forwardScore(a: usize, b: usize, limit: u32): i32 {
  let score: i32 = 0;
  let top: i32 = 0;
  let i: u32 = 0;
  for (; i + 16 <= limit; i += 16) {
    score += popcnt(equalMask(a + i, b + i)) * 2 - 16;
    if (score > top) top = score;
    else if (score < top - FORWARD_DROP) return top;
  }
  for (; i < limit; i++) {
    score += isEqual(a + i, b + i) * 2 - 1;
    if (score > top) top = score;
  }
  return top;
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
    const furthest = min(SWITCH_BACK_BYTES, min(j, other));
    for (let k: u32 = 1; k <= furthest && score > -BACKWARD_DROP; k++) {
      score += isEqual(a - k, base + other - k) - isEqual(a - k, base + source + j - k);
      if (score > top) {
        top = score;
        back = k;
      }
    }
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

// @ts-ignore: decorator
@inline
function writeNumber(at: usize, value: u32): usize {
  while (value >= 128) {
    store<u8>(at++, <u8>(value | 128));
    value >>= 7;
  }
  store<u8>(at, <u8>value);
  return at + 1;
}

/** Writes the three streams of `count` ops to places of their own; ends[0..2] are set to where they end. */
export function writeOps(opsAt: usize, count: u32, literals: usize, copies: usize, shifts: usize, ends: usize): void {
  let sourceEnd: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const op = opsAt + i * OP_BYTES;
    const literal = load<u32>(op);
    const copy = load<u32>(op, 4);
    const source = load<u32>(op, 8);
    const shift = <i32>(source - (sourceEnd + literal));
    literals = writeNumber(literals, literal);
    copies = writeNumber(copies, copy);
    shifts = writeNumber(shifts, <u32>((shift << 1) ^ (shift >> 31)));
    sourceEnd = source + copy;
  }
  store<u32>(ends, <u32>literals);
  store<u32>(ends, <u32>copies, 4);
  store<u32>(ends, <u32>shifts, 8);
}

/**
 * Writes gaps, differences and literals of what the last search found, with sources as they were then; ends[0..2] are
 * set to where the three end. False when there are more than `limit` differences.
 */
export function writeBytes(gaps: usize, differences: usize, literals: usize, limit: u32, ends: usize): bool {
  let at: u32 = 0;
  let gap: u32 = 0;
  let left = limit;
  for (let i: u32 = 0; i < opCount; i++) {
    const op = ops + i * OP_BYTES;
    const literal = load<u32>(op);
    const copy = load<u32>(op, 4);
    memory.copy(literals, plain + at, literal);
    literals += literal;
    at += literal;
    const a = plain + at;
    const b = base + load<u32>(op, 8);
    for (let k: u32 = 0; k < copy; ) {
      if (k + 16 <= copy) {
        const equal = <u32>ctz(~equalMask(a + k, b + k) | 0x10000);
        gap += equal;
        k += equal;
        if (equal == 16) continue;
      } else if (isEqual(a + k, b + k)) {
        gap++;
        k++;
        continue;
      }
      if (left-- == 0) return false;
      gaps = writeNumber(gaps, gap);
      gap = 0;
      const count = min(4, copy - k);
      let difference: u32 = 0;
      if (count == 4) difference = load<u32>(a + k) - load<u32>(b + k);
      else for (let m: u32 = 0; m < count; m++) difference |= (<u32>(load<u8>(a + k + m) - load<u8>(b + k + m)) & 255) << (m << 3);
      store<u32>(differences, difference);
      differences += 4;
      k += count;
    }
    at += copy;
  }
  memory.copy(literals, plain + at, plainBytes - at);
  store<u32>(ends, <u32>gaps);
  store<u32>(ends, <u32>differences, 4);
  store<u32>(ends, <u32>literals + plainBytes - at, 8);
  return true;
}

/** Moves bytes inside the memory; the ranges may overlap. */
export function copyBytes(target: usize, source: usize, count: usize): void {
  memory.copy(target, source, count);
}

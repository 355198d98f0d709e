// Length-limited Huffman codes. Which of several equally short codes comes out depends on how ties are broken, so the
// walk over the levels is Go's: the boundary form of package-merge (Larmore and Hirschberg, "A Fast Algorithm for
// Optimal Length-Limited Huffman Codes", JACM 37(3), 1990; Katajainen, Moffat and Turpin, ISAAC 1995), leaves sorted by
// frequency, then by symbol, and a package preferred to a leaf of the same weight.

import { writeBits } from './bit-writer';

const MOST_SYMBOLS: i32 = 286;
const SYMBOL_BITS: u32 = 9;
const SYMBOL_MASK: u32 = (1 << SYMBOL_BITS) - 1;
const LEVELS: i32 = 17;
const NEVER: i32 = i32.MAX_VALUE;

/** The symbols that occur, as frequency << 9 | symbol. */
const leaves: usize = memory.data((MOST_SYMBOLS + 2) * 4, 16);
/** For each level: the last weight, the next leaf's, the next package's, and how many items are wanted. */
const levels: usize = memory.data(LEVELS * 16, 16);
/** For each level, how many leaves lie left of the boundary at it and at every level below. */
const leafCounts: usize = memory.data(LEVELS * LEVELS * 4, 16);
const nextCode: usize = memory.data(LEVELS * 4, 16);

// @ts-ignore: decorator
@inline
function levelAt(level: i32): usize {
  return levels + (<usize>level << 4);
}

// @ts-ignore: decorator
@inline
function leafCountsAt(level: i32): usize {
  return leafCounts + <usize>(level * LEVELS * 4);
}

// @ts-ignore: decorator
@inline
function weightOf(leaf: i32, leafCount: i32): i32 {
  return leaf < leafCount ? <i32>(load<u32>(leaves + (<usize>leaf << 2)) >> SYMBOL_BITS) : NEVER;
}

/**
 * Makes the code of `symbolCount` symbols with the u32 `frequencies`. Each of `codes` becomes, as a u32, the bits in
 * the order they are sent, and their number in the upper half: 0 for a symbol that does not occur.
 */
export function makeCode(frequencies: usize, symbolCount: i32, longest: i32, codes: usize): void {
  let leafCount = 0;
  for (let symbol = 0; symbol < symbolCount; symbol++) {
    const frequency = load<u32>(frequencies + (<usize>symbol << 2));
    store<u32>(codes + (<usize>symbol << 2), 0);
    if (frequency != 0) {
      store<u32>(leaves + (<usize>leafCount << 2), (frequency << SYMBOL_BITS) | symbol);
      leafCount++;
    }
  }
  if (leafCount <= 2) {
    for (let leaf: u32 = 0; leaf < <u32>leafCount; leaf++) {
      const symbol = load<u32>(leaves + (leaf << 2)) & SYMBOL_MASK;
      store<u32>(codes + (<usize>symbol << 2), (1 << 16) | leaf);
    }
    return;
  }
  sortLeaves(leafCount);
  const depth = min(longest, leafCount - 1);
  findBoundary(leafCount, depth);
  assignLengths(leafCount, depth, codes);
  assignCodes(symbolCount, depth, codes);
}

/** Shell's method with Ciura's gaps: the keys are few and all different. */
function sortLeaves(leafCount: i32): void {
  sortWithGap(leafCount, 132);
  sortWithGap(leafCount, 57);
  sortWithGap(leafCount, 23);
  sortWithGap(leafCount, 10);
  sortWithGap(leafCount, 4);
  sortWithGap(leafCount, 1);
}

// @ts-ignore: decorator
@inline
function sortWithGap(leafCount: i32, gap: i32): void {
  for (let i = gap; i < leafCount; i++) {
    const key = load<u32>(leaves + (<usize>i << 2));
    let hole = i;
    while (hole >= gap) {
      const before = load<u32>(leaves + (<usize>(hole - gap) << 2));
      if (before <= key) break;
      store<u32>(leaves + (<usize>hole << 2), before);
      hole -= gap;
    }
    store<u32>(leaves + (<usize>hole << 2), key);
  }
}

/** Leaves at leafCountsAt(depth) how many leaves lie left of the boundary, for each level. */
function findBoundary(leafCount: i32, depth: i32): void {
  memory.fill(leafCounts, 0, LEVELS * LEVELS * 4);
  memory.fill(levels, 0, LEVELS * 16);
  const first = weightOf(0, leafCount);
  const second = weightOf(1, leafCount);
  for (let level = 1; level <= depth; level++) {
    const state = levelAt(level);
    store<i32>(state, second, 0);
    store<i32>(state, weightOf(2, leafCount), 4);
    store<i32>(state, level == 1 ? NEVER : first + second, 8);
    store<i32>(leafCountsAt(level) + (<usize>level << 2), 2);
  }
  // A code of n leaves takes 2n - 2 items from the top level, two of which are there.
  store<i32>(levelAt(depth), 2 * leafCount - 4, 12);
  let level = depth;
  while (true) {
    const state = levelAt(level);
    const leafWeight = load<i32>(state, 4);
    const packageWeight = load<i32>(state, 8);
    if (leafWeight == NEVER && packageWeight == NEVER) {
      store<i32>(state, 0, 12);
      level++;
      store<i32>(levelAt(level), NEVER, 8);
      continue;
    }
    const previousWeight = load<i32>(state, 0);
    const counts = leafCountsAt(level);
    if (leafWeight < packageWeight) {
      const taken = load<i32>(counts + (<usize>level << 2)) + 1;
      store<i32>(counts + (<usize>level << 2), taken);
      store<i32>(state, leafWeight, 0);
      store<i32>(state, weightOf(taken, leafCount), 4);
    } else {
      store<i32>(state, packageWeight, 0);
      memory.copy(counts, leafCountsAt(level - 1), <usize>level << 2);
      store<i32>(levelAt(level - 1), 2, 12);
    }
    const wanted = load<i32>(state, 12) - 1;
    store<i32>(state, wanted, 12);
    if (wanted == 0) {
      if (level == depth) return;
      level++;
      store<i32>(levelAt(level), previousWeight + load<i32>(state, 0), 8);
    } else {
      while (load<i32>(levelAt(level - 1), 12) > 0) level--;
    }
  }
}

/** The rarest leaves are those left of the boundary at the lowest level: they get the longest codes. */
function assignLengths(leafCount: i32, depth: i32, codes: usize): void {
  const counts = leafCountsAt(depth);
  let leaf = 0;
  memory.fill(nextCode, 0, LEVELS * 4);
  for (let length = depth; length > 0; length--) {
    const last = load<i32>(counts + (<usize>(depth - length + 1) << 2));
    store<i32>(nextCode + (<usize>length << 2), last - leaf);
    for (; leaf < last; leaf++) {
      const symbol = load<u32>(leaves + (<usize>leaf << 2)) & SYMBOL_MASK;
      store<u32>(codes + (<usize>symbol << 2), length << 16);
    }
  }
}

/** RFC 1951, section 3.2.2, from the count of codes of each length in nextCode. */
function assignCodes(symbolCount: i32, depth: i32, codes: usize): void {
  let code: u32 = 0;
  for (let length = 1; length <= depth; length++) {
    code <<= 1;
    const count = load<u32>(nextCode + (<usize>length << 2));
    store<u32>(nextCode + (<usize>length << 2), code);
    code += count;
  }
  for (let symbol = 0; symbol < symbolCount; symbol++) {
    const length = load<u32>(codes + (<usize>symbol << 2)) >> 16;
    if (length == 0) continue;
    const next = load<u32>(nextCode + (<usize>length << 2));
    store<u32>(nextCode + (<usize>length << 2), next + 1);
    store<u32>(codes + (<usize>symbol << 2), (length << 16) | reverseBits(next, length));
  }
}

export function reverseBits(value: u32, count: u32): u32 {
  let reversed: u32 = 0;
  for (let i: u32 = 0; i < count; i++) reversed |= ((value >> i) & 1) << (count - 1 - i);
  return reversed;
}

// @ts-ignore: decorator
@inline
export function increment(frequencies: usize, symbol: u32): void {
  const at = frequencies + (<usize>symbol << 2);
  store<u32>(at, load<u32>(at) + 1);
}

/** What sending each symbol as often as it occurs takes. */
export function countCodeBits(frequencies: usize, codes: usize, symbolCount: i32): i32 {
  let bits: u32 = 0;
  for (let symbol: usize = 0; symbol < <usize>symbolCount; symbol++) {
    bits += load<u32>(frequencies + (symbol << 2)) * (load<u32>(codes + (symbol << 2)) >> 16);
  }
  return <i32>bits;
}

// @ts-ignore: decorator
@inline
export function writeSymbol(codes: usize, symbol: u32): void {
  const code = load<u32>(codes + (<usize>symbol << 2));
  writeBits(code & 0xffff, code >> 16);
}

// Length-limited Huffman codes by the boundary package-merge algorithm (Katajainen, Moffat, Turpin: "A fast and
// space-economical algorithm for length-limited coding", 1995). Equal counts can make different trees, so the choices
// among equals are part of the output: symbols in order of (count, symbol), and a package before an equal symbol.
import { LENGTH_COUNTS, SORTED_SYMBOLS, SORT_BUCKETS, SORT_SCRATCH, TREE_LEAVES, TREE_LEVELS } from './layout';
import { reversed } from './symbols';

const NEVER: i32 = i32.MAX_VALUE;

/**
 * Writes a code for each symbol whose count is not 0, and 0 for the others. Symbols from `symbolCount` on are left
 * as they are. With one or two symbols each gets one bit.
 */
export function buildCodes(codes: usize, counts: usize, symbolCount: i32, longest: i32): void {
  let used = 0;
  for (let symbol = 0; symbol < symbolCount; symbol++) {
    const count = load<u32>(counts + (<usize>symbol << 2));
    if (count == 0) {
      store<u32>(codes + (<usize>symbol << 2), 0);
      continue;
    }
    store<u32>(SORTED_SYMBOLS + (<usize>used << 2), (count << 16) | symbol);
    used++;
  }
  if (used <= 2) {
    for (let i = 0; i < used; i++) {
      const symbol = load<u32>(SORTED_SYMBOLS + (<usize>i << 2)) & 0xffff;
      store<u32>(codes + (symbol << 2), 1 | (i << 8));
    }
    return;
  }
  sortSymbols(used);
  const limit = countLengths(used, min(longest, used - 1));
  assignCodes(codes, symbolCount, used, limit);
}

/** Orders the symbols by count. They are in order of symbol, and stay so where counts are equal. */
function sortSymbols(used: i32): void {
  if (used <= 24) {
    for (let i = 1; i < used; i++) {
      const key = load<u32>(SORTED_SYMBOLS + (<usize>i << 2));
      let at = SORTED_SYMBOLS + (<usize>i << 2);
      for (; at > SORTED_SYMBOLS && load<u32>(at - 4) > key; at -= 4) store<u32>(at, load<u32>(at - 4));
      store<u32>(at, key);
    }
    return;
  }
  distribute(SORTED_SYMBOLS, SORT_SCRATCH, used, 16);
  distribute(SORT_SCRATCH, SORTED_SYMBOLS, used, 24);
}

/** One pass of a radix sort by the byte at `shift`. */
function distribute(from: usize, to: usize, used: i32, shift: u32): void {
  memory.fill(SORT_BUCKETS, 0, 1024);
  const end = from + (<usize>used << 2);
  for (let at = from; at < end; at += 4) {
    const bucket = SORT_BUCKETS + (((load<u32>(at) >> shift) & 255) << 2);
    store<u32>(bucket, load<u32>(bucket) + 4);
  }
  let next: u32 = 0;
  for (let bucket = SORT_BUCKETS; bucket < SORT_BUCKETS + 1024; bucket += 4) {
    const count = load<u32>(bucket);
    store<u32>(bucket, next);
    next += count;
  }
  for (let at = from; at < end; at += 4) {
    const key = load<u32>(at);
    const bucket = SORT_BUCKETS + (((key >> shift) & 255) << 2);
    const place = load<u32>(bucket);
    store<u32>(bucket, place + 4);
    store<u32>(to + place, key);
  }
}

// A level of package-merge: the weights of the last item, of the next symbol and of the next package, and how many
// items are still wanted. Beside it, how many symbols lie left of the last item on each level below (64 bytes).
// @ts-ignore: decorator
@inline
function levelAt(level: i32): usize {
  return TREE_LEVELS + (<usize>level << 4);
}

// @ts-ignore: decorator
@inline
function leavesAt(level: i32): usize {
  return TREE_LEAVES + (<usize>level << 6);
}

// @ts-ignore: decorator
@inline
function weightOf(index: i32): i32 {
  return <i32>(load<u32>(SORTED_SYMBOLS + (<usize>index << 2)) >> 16);
}

/** Writes how many symbols get each length, 1 to `limit`, and returns `limit`. At least 3 symbols. */
function countLengths(used: i32, limit: i32): i32 {
  memory.fill(TREE_LEVELS, 0, 17 * 16);
  memory.fill(TREE_LEAVES, 0, 17 * 64);
  for (let level = 1; level <= limit; level++) {
    const at = levelAt(level);
    store<i32>(at, weightOf(1));
    store<i32>(at, weightOf(2), 4);
    store<i32>(at, level == 1 ? NEVER : weightOf(0) + weightOf(1), 8);
    store<i32>(leavesAt(level) + (<usize>level << 2), 2);
  }
  store<i32>(levelAt(limit), 2 * used - 4, 12);
  mergePackages(used, limit);
  for (let length = 1, level = limit; level > 0; level--, length++) {
    const leaves = leavesAt(limit) + (<usize>level << 2);
    store<i32>(LENGTH_COUNTS + (<usize>length << 2), load<i32>(leaves) - load<i32>(leaves - 4));
  }
  return limit;
}

function mergePackages(used: i32, limit: i32): void {
  let level = limit;
  while (true) {
    const at = levelAt(level);
    const symbolWeight = load<i32>(at, 4);
    const packageWeight = load<i32>(at, 8);
    if (symbolWeight == NEVER && packageWeight == NEVER) {
      // Nothing is left for this level, so none above gets another package from it.
      store<i32>(at, 0, 12);
      store<i32>(levelAt(level + 1), NEVER, 8);
      level++;
      continue;
    }
    const lastWeight = load<i32>(at);
    if (symbolWeight < packageWeight) {
      const leaves = leavesAt(level) + (<usize>level << 2);
      const taken = load<i32>(leaves) + 1;
      store<i32>(at, symbolWeight);
      store<i32>(leaves, taken);
      store<i32>(at, taken < used ? weightOf(taken) : NEVER, 4);
    } else {
      store<i32>(at, packageWeight);
      memory.copy(leavesAt(level), leavesAt(level - 1), <usize>level << 2);
      store<i32>(levelAt(level - 1), 2, 12);
    }
    const wanted = load<i32>(at, 12) - 1;
    store<i32>(at, wanted, 12);
    if (wanted == 0) {
      if (level == limit) return;
      store<i32>(levelAt(level + 1), lastWeight + load<i32>(at), 8);
      level++;
    } else {
      // A package was taken from below: two more items are wanted there first.
      while (load<i32>(levelAt(level - 1), 12) > 0) level--;
    }
  }
}

/** Canonical codes (RFC 1951, section 3.2.2): the commonest symbols, at the end of the order, are the shortest. */
function assignCodes(codes: usize, symbolCount: i32, used: i32, limit: i32): void {
  let at = SORTED_SYMBOLS + (<usize>used << 2);
  for (let length = 1; length <= limit; length++) {
    for (let left = load<i32>(LENGTH_COUNTS + (<usize>length << 2)); left > 0; left--) {
      at -= 4;
      store<u32>(codes + ((load<u32>(at) & 0xffff) << 2), length);
    }
  }
  // From here on LENGTH_COUNTS holds the next code of each length.
  let next: i32 = 0;
  for (let length = 1; length <= limit; length++) {
    next <<= 1;
    const count = load<i32>(LENGTH_COUNTS + (<usize>length << 2));
    store<i32>(LENGTH_COUNTS + (<usize>length << 2), next);
    next += count;
  }
  for (let symbol = 0; symbol < symbolCount; symbol++) {
    const place = codes + (<usize>symbol << 2);
    const length = load<u32>(place);
    if (length == 0) continue;
    const nextCode = LENGTH_COUNTS + (length << 2);
    const code = load<u32>(nextCode);
    store<u32>(nextCode, code + 1);
    store<u32>(place, length | (reversed(code, length) << 8));
  }
}

/** The bits that the counted symbols take, without extra bits. A symbol without a code takes none. */
export function sizeInBits(codes: usize, counts: usize, symbolCount: i32): i32 {
  let total: u32 = 0;
  for (let i: usize = 0; i < <usize>symbolCount << 2; i += 4) total += load<u32>(counts + i) * (load<u32>(codes + i) & 255);
  return <i32>total;
}

/** Whether every counted symbol has a code. */
export function hasAllCodes(codes: usize, counts: usize, symbolCount: i32): bool {
  for (let i: usize = 0; i < <usize>symbolCount << 2; i += 4) {
    if (load<u32>(counts + i) != 0 && load<u32>(codes + i) == 0) return false;
  }
  return true;
}

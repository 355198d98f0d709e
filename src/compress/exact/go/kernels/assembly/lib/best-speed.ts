// Level 1: Snappy's search with a table of the last place of each 4-byte value, over whole stored-block sizes, matches
// reaching into the block before. What is in the table carries over from block to block.

import { MATCH, MOST_STORED_BYTES, TOKENS, writeDynamicBlock, writeLiteralBlock, writeStored } from './block-writer';
import { equalBytes } from './bytes';

const TABLE_BITS: u32 = 14;
const FURTHEST: i32 = 32768;
const LONGEST: i32 = 258;
/** The search stops this far from the end. */
const MARGIN: i32 = 15;
/** Positions count on through blocks; before they leave an i32 the table is moved down. */
const MOST_POSITION: i32 = i32.MAX_VALUE - MOST_STORED_BYTES * 2;

/** Entries of a value and, in the upper half, its position. */
const table: usize = memory.data(8 << TABLE_BITS, 16);
/** The block before ends where this one begins. */
const blocks: usize = memory.data(2 * MOST_STORED_BYTES + 64, 16);
export const BLOCK: usize = blocks + MOST_STORED_BYTES;

let previousBytes: i32 = 0;
/** The position of the first byte of the block; none in the table is as high. */
let blockPosition: i32 = MOST_STORED_BYTES;

/** Forgets the blocks before: what is in the table is too far away from now on. */
export function forgetBlocks(): void {
  previousBytes = 0;
  blockPosition += FURTHEST;
  if (blockPosition >= MOST_POSITION) movePositionsDown();
}

/** Writes the first bytes at BLOCK, one at least, as a block. */
export function writeFastBlock(byteCount: i32): void {
  if (byteCount < 128) {
    if (byteCount <= 16) writeStored(BLOCK, byteCount, false);
    else writeLiteralBlock(BLOCK, byteCount);
    forgetBlocks();
    return;
  }
  const tokensEnd = findTokens(byteCount);
  const tokens = <i32>((tokensEnd - TOKENS) >> 2);
  if (tokens > byteCount - (byteCount >> 4)) writeLiteralBlock(BLOCK, byteCount);
  else writeDynamicBlock(tokensEnd, BLOCK, byteCount);
  memory.copy(BLOCK - byteCount, BLOCK, byteCount);
  previousBytes = byteCount;
  blockPosition += byteCount;
}

function movePositionsDown(): void {
  const down = blockPosition - (FURTHEST + 1);
  for (let entry = table; entry < table + (8 << TABLE_BITS); entry += 8) {
    store<i32>(entry, max(0, load<i32>(entry, 4) - down), 4);
  }
  blockPosition = FURTHEST + 1;
}

// @ts-ignore: decorator
@inline
function entryOf(value: u32): usize {
  return table + <usize>(((value * 0x1e35a7bd) >> (32 - TABLE_BITS)) << 3);
}

// @ts-ignore: decorator
@inline
function setEntry(entry: usize, value: u32, position: i32): void {
  store<u64>(entry, <u64>value | (<u64>(<u32>position) << 32));
}

/** Up to seven tokens of rubbish lie behind the end that it answers. */
// @ts-ignore: decorator
@inline
function putLiterals(token: usize, from: i32, to: i32): usize {
  let at = token;
  for (let i = from; i < to; i += 8) {
    const wide = v128.load8x8_u(BLOCK + i);
    v128.store(at, i32x4.extend_low_i16x8_u(wide));
    v128.store(at, i32x4.extend_high_i16x8_u(wide), 16);
    at += 32;
  }
  return token + (<usize>(to - from) << 2);
}

function findTokens(byteCount: i32): usize {
  if (blockPosition >= MOST_POSITION) movePositionsDown();
  const base = blockPosition;
  const oldest = -previousBytes;
  const last = byteCount - MARGIN;
  let token = TOKENS;
  let emitted = 0;
  let at = 0;
  let value = load<u32>(BLOCK);
  let entry = entryOf(value);
  while (true) {
    // Steps grow by one for each 32 bytes in which nothing is found.
    let skip = 32;
    let next = at;
    let found: u64 = 0;
    while (true) {
      at = next;
      next = at + (skip >> 5);
      skip += skip >> 5;
      if (next > last) return putLiterals(token, emitted, byteCount);
      found = load<u64>(entry);
      const nextValue = load<u32>(BLOCK + next);
      setEntry(entry, value, at + base);
      entry = entryOf(nextValue);
      if (at + base - <i32>(found >> 32) <= FURTHEST && value == <u32>found) break;
      value = nextValue;
    }
    token = putLiterals(token, emitted, at);
    while (true) {
      const distance = at + base - <i32>(found >> 32);
      at += 4;
      const most = min(LONGEST - 4, byteCount - at);
      // A place older than the block before is known by its four bytes alone.
      const more = at - distance < oldest ? 0 : equalBytes(BLOCK + at, BLOCK + at - distance, most);
      store<u32>(token, MATCH | ((more + 1) << 15) | (distance - 1));
      token += 4;
      at += more;
      emitted = at;
      if (at >= last) return putLiterals(token, emitted, byteCount);
      const around = load<u64>(BLOCK + at - 1);
      setEntry(entryOf(<u32>around), <u32>around, base + at - 1);
      value = <u32>(around >> 8);
      entry = entryOf(value);
      found = load<u64>(entry);
      setEntry(entry, value, base + at);
      if (at + base - <i32>(found >> 32) > FURTHEST || value != <u32>found) break;
    }
    value = load<u32>(BLOCK + at + 1);
    entry = entryOf(value);
    at++;
  }
}

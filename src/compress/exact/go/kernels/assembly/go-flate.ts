// kernel: own memory
// The DEFLATE encoder of Go's compress/flate from Go 1.7 to 1.26, bit for bit, at every level. The algorithm is that of
// the Go authors, whose notice is in docs/notices/go.txt.

import { alignToByte, OUTPUT, resetBits, takeOutput } from './lib/bit-writer';
import { BLOCK, forgetBlocks, writeFastBlock } from './lib/best-speed';
import { MOST_STORED_BYTES, writeLiteralBlock, writeStored } from './lib/block-writer';
import { flushChains, historyOfState, resetChains, restoreChains, STATE, takeChained } from './lib/hash-chains';

const INPUT_BYTES: i32 = 65536;
const input: usize = memory.data(INPUT_BYTES, 16);

const HUFFMAN_ONLY: i32 = -2;
const STORED: i32 = 0;
const FIRST_CHAIN_LEVEL: i32 = 2;

let level: i32 = 0;
/** Levels below 2 gather a block's bytes at BLOCK. */
let gathered: i32 = 0;

export function inputOffset(): usize {
  return input;
}

export function inputCapacity(): i32 {
  return INPUT_BYTES;
}

export function outputOffset(): usize {
  return OUTPUT;
}

/** Where saved states are found, and put to be restored. */
export function stateOffset(): usize {
  return STATE;
}

/** -2 (Huffman codes alone), 0 (stored) to 9. `reset` must follow. */
export function setLevel(newLevel: i32): void {
  level = newLevel;
}

export function reset(dictionaryBytes: i32): void {
  resetBits();
  gathered = 0;
  if (level >= FIRST_CHAIN_LEVEL) resetChains(level, input, dictionaryBytes);
  else forgetBlocks();
}

export function write(byteCount: i32): i32 {
  if (level >= FIRST_CHAIN_LEVEL) {
    takeChained(input, byteCount);
    return takeOutput();
  }
  let taken = 0;
  while (taken < byteCount) {
    if (gathered == MOST_STORED_BYTES) writeGathered();
    const piece = min(byteCount - taken, MOST_STORED_BYTES - gathered);
    memory.copy(BLOCK + gathered, input + taken, piece);
    gathered += piece;
    taken += piece;
  }
  return takeOutput();
}

export function flush(): i32 {
  writeHeldBack();
  writeStored(BLOCK, 0, false);
  return takeOutput();
}

export function finish(): i32 {
  writeHeldBack();
  writeStored(BLOCK, 0, true);
  alignToByte();
  return takeOutput();
}

/** For the state at `stateOffset`: see lib/hash-chains.ts. */
export function stateHistory(): i32 {
  return level > 3 ? historyOfState() : -1;
}

/** Instead of `reset`: goes on from the state at `stateOffset`, the history it wants being in the input buffer. */
export function restore(): void {
  gathered = 0;
  restoreChains(input);
}

function writeHeldBack(): void {
  if (level >= FIRST_CHAIN_LEVEL) flushChains();
  else if (gathered > 0) writeGathered();
}

function writeGathered(): void {
  if (level == STORED) writeStored(BLOCK, gathered, false);
  else if (level == HUFFMAN_ONLY) writeLiteralBlock(BLOCK, gathered);
  else writeFastBlock(gathered);
  gathered = 0;
}

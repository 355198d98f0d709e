// kernel: own memory
// The DEFLATE encoder of github.com/klauspost/compress, package flate, levels 1 to 9, of its releases from 1.14.0 on; also
// that of Go's compress/flate from Go 1.27 on. Written from the algorithm; see docs/notices/klauspost.txt.
//
// Levels 1 to 6 collect blocks of 65,535 bytes and search each for matches in what came before (level-1.ts …); levels 7
// to 9 slide a window (lazy.ts). Both hand tokens to block-writer.ts.
import { takeOutput } from './lib/bit-writer';
import { resetBlockWriter, writeLastBlock, writeLiteralBlock, writeStored, writeTokenBlock } from './lib/block-writer';
import { resetHistory, roomForBlock } from './lib/fast-history';
import { setGeneration } from './lib/generation';
import { INPUT, INPUT_CAPACITY, MEMORY_BYTES, OUTPUT, TABLES, TABLES_BYTES, WINDOW } from './lib/layout';
import { fillLazyDictionary, resetLazy, searchLazy, writeLazy } from './lib/lazy';
import { searchLevel1 } from './lib/level-1';
import { searchLevel2 } from './lib/level-2';
import { searchLevel3 } from './lib/level-3';
import { searchLevel4 } from './lib/level-4';
import { resetLevel5, searchLevel5, searchLevel6 } from './lib/level-5';
import { fillSymbolTables } from './lib/symbols';
import { clearTokens, tokenCount } from './lib/tokens';

const BLOCK_BYTES: i32 = 65535;
const FIRST_LAZY_LEVEL: i32 = 7;
/** Up to this level a block is copied into the history when it is searched; above it is put there at once. */
const LAST_COPIED_LEVEL: i32 = 4;
/** A flush sends fewer bytes than that without a search, and forgets what came before. */
const FEW_BYTES: i32 = 128;
const VERY_FEW_BYTES: i32 = 32;

let level: i32 = 0;
/** Bytes that wait to be searched, of levels 1 to 6: how many, and where. */
let waiting: i32 = 0;
let block: usize = WINDOW;

/** Sets which encoder this instance is from now on, before anything else. `generation` is of lib/generation.ts. */
export function configure(newLevel: i32, generation: i32): void {
  memory.grow(<i32>(MEMORY_BYTES >> 16) + 1 - memory.size());
  fillSymbolTables();
  memory.fill(TABLES, 0, TABLES_BYTES);
  block = WINDOW;
  if (newLevel == 5 || newLevel == 6) resetLevel5();
  level = newLevel;
  setGeneration(generation);
  reset(0);
}

export function inputOffset(): usize {
  return INPUT;
}

export function inputCapacity(): i32 {
  return INPUT_CAPACITY;
}

export function outputOffset(): usize {
  return OUTPUT;
}

/** Begins a stream whose dictionary is at the input's start. */
export function reset(dictionaryBytes: i32): void {
  if (level >= FIRST_LAZY_LEVEL) {
    resetBlockWriter(8);
    resetLazy(level);
    fillLazyDictionary(INPUT, dictionaryBytes);
    return;
  }
  resetBlockWriter(7);
  resetHistory();
  waiting = 0;
  const used = min(dictionaryBytes, 32768);
  clearTokens();
  search(INPUT + <usize>(dictionaryBytes - used), used);
  clearTokens();
}

export function write(byteCount: i32): i32 {
  if (level >= FIRST_LAZY_LEVEL) {
    writeLazy(INPUT, byteCount);
    return takeOutput();
  }
  let from = INPUT;
  while (byteCount > 0) {
    // A full block waits for more, because the last one is sent otherwise.
    if (waiting == BLOCK_BYTES) sendBlock(false);
    if (waiting == 0 && level > LAST_COPIED_LEVEL) block = roomForBlock();
    const taken = min(byteCount, BLOCK_BYTES - waiting);
    memory.copy(block + <usize>waiting, from, <usize>taken);
    waiting += taken;
    from += <usize>taken;
    byteCount -= taken;
  }
  return takeOutput();
}

export function flush(): i32 {
  sendAll();
  writeStored(INPUT, 0);
  return takeOutput();
}

export function finish(): i32 {
  sendAll();
  writeLastBlock();
  return takeOutput();
}

function sendAll(): void {
  if (level >= FIRST_LAZY_LEVEL) return searchLazy(true);
  if (waiting >= FEW_BYTES) return sendBlock(true);
  if (waiting == 0) return;
  if (waiting <= VERY_FEW_BYTES) writeStored(block, waiting);
  else writeLiteralBlock(block, waiting, true);
  waiting = 0;
  resetHistory();
}

function sendBlock(endsHere: bool): void {
  const count = waiting;
  waiting = 0;
  search(block, count);
  const tokens = tokenCount();
  if (tokens == 0) writeStored(block, count);
  else if (tokens > count - (count >> 4)) writeLiteralBlock(block, count, endsHere);
  else writeTokenBlock(block, count, endsHere);
  clearTokens();
}

function search(from: usize, count: i32): void {
  if (level == 1) searchLevel1(from, count);
  else if (level == 2) searchLevel2(from, count);
  else if (level == 3) searchLevel3(from, count);
  else if (level == 4) searchLevel4(from, count);
  else if (level == 5) searchLevel5(from, count);
  else searchLevel6(from, count);
}

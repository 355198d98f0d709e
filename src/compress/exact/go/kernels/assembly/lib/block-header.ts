// The header of a dynamic block, RFC 1951, section 3.2.7.

import { writeBits } from './bit-writer';
import { countCodeBits, increment, makeCode, writeSymbol } from './huffman';

/** Both codes' lengths as they are sent: symbols 0 to 18, each repeat followed by its extra value. */
const lengthSymbols: usize = memory.data(286 + 30 + 4, 16);
const lengthFrequencies: usize = memory.data(19 * 4, 16);
const lengthCodes: usize = memory.data(19 * 4, 16);
const SENDING_ORDER: usize = memory.data<u8>([16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]);

let lengthSymbolCount: i32 = 0;
let literalCount: i32 = 0;
let distanceCount: i32 = 0;
/** How many lengths of the code of lengths are sent. */
let sentLengths: i32 = 0;

/** Prepares the header that tells these two codes, of which the first so many lengths are sent. Repeats are greedy. */
export function makeHeader(literalCodes: usize, literals: i32, distanceCodes: usize, distances: i32): void {
  memory.fill(lengthFrequencies, 0, 19 * 4);
  lengthSymbolCount = 0;
  literalCount = literals;
  distanceCount = distances;
  // The distances' lengths are found behind the literals' without a test for each.
  const distancesBase = distanceCodes - (<usize>literals << 2);
  const total = literals + distances;
  let at = 0;
  while (at < total) {
    const length = lengthOf(at < literals ? literalCodes : distancesBase, at);
    let run = 1;
    while (at + run < total) {
      if (lengthOf(at + run < literals ? literalCodes : distancesBase, at + run) != length) break;
      run++;
    }
    at += run;
    putRun(length, run);
  }
  makeCode(lengthFrequencies, 19, 7, lengthCodes);
  sentLengths = 19;
  while (sentLengths > 4 && frequencyOf(load<u8>(SENDING_ORDER + sentLengths - 1)) == 0) sentLengths--;
}

export function countHeaderBits(): i32 {
  const repeats = frequencyOf(16) * 2 + frequencyOf(17) * 3 + frequencyOf(18) * 7;
  return 3 + 5 + 5 + 4 + 3 * sentLengths + repeats + countCodeBits(lengthFrequencies, lengthCodes, 19);
}

export function writeHeader(): void {
  writeBits(4 | ((literalCount - 257) << 3) | ((distanceCount - 1) << 8) | ((sentLengths - 4) << 13), 17);
  for (let i = 0; i < sentLengths; i++) writeBits(lengthOf(lengthCodes, load<u8>(SENDING_ORDER + i)), 3);
  for (let i = 0; i < lengthSymbolCount; i++) {
    const symbol = load<u8>(lengthSymbols + i);
    writeSymbol(lengthCodes, symbol);
    if (symbol < 16) continue;
    i++;
    writeBits(load<u8>(lengthSymbols + i), symbol == 16 ? 2 : symbol == 17 ? 3 : 7);
  }
}

// @ts-ignore: decorator
@inline
function lengthOf(codes: usize, index: i32): u32 {
  return load<u32>(codes + (<usize>index << 2)) >> 16;
}

function frequencyOf(symbol: u32): i32 {
  return load<i32>(lengthFrequencies + (symbol << 2));
}

function putRun(length: u32, count: i32): void {
  let left = count;
  if (length != 0) {
    putSymbol(length);
    left--;
    while (left >= 3) {
      const repeat = min(left, 6);
      putRepeat(16, repeat - 3);
      left -= repeat;
    }
  } else {
    while (left >= 11) {
      const repeat = min(left, 138);
      putRepeat(18, repeat - 11);
      left -= repeat;
    }
    if (left >= 3) {
      putRepeat(17, left - 3);
      left = 0;
    }
  }
  for (; left > 0; left--) putSymbol(length);
}

function putSymbol(symbol: u32): void {
  store<u8>(lengthSymbols + lengthSymbolCount++, <u8>symbol);
  increment(lengthFrequencies, symbol);
}

function putRepeat(symbol: u32, extra: i32): void {
  putSymbol(symbol);
  store<u8>(lengthSymbols + lengthSymbolCount++, <u8>extra);
}

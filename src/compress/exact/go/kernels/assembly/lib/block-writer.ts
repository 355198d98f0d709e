// Turns tokens into a block: which of stored, fixed and dynamic it becomes, and its bits.

import {
  alignToByte,
  bitsPending,
  handBack,
  outputAddress,
  pendingBitsOf,
  writeBits,
  writeBytes,
} from './bit-writer';
import { countHeaderBits, makeHeader, writeHeader } from './block-header';
import { countCodeBits, increment, makeCode, reverseBits, writeSymbol } from './huffman';

/** A literal is its byte; a match is this, its length - 3 in the bits from 15 on, and its distance - 1. */
export const MATCH: u32 = 1 << 31;
export const MOST_STORED_BYTES: i32 = 65535;
/** Level 1 makes a token of each byte of its window at most; literals are put there 8 at a time. */
export const TOKENS: usize = memory.data((MOST_STORED_BYTES + 32) * 4, 16);

const LITERALS: i32 = 286;
const DISTANCES: i32 = 30;
const END_OF_BLOCK: i32 = 256;
const FIRST_LENGTH: i32 = 257;

const literalFrequencies: usize = memory.data(LITERALS * 4, 16);
const distanceFrequencies: usize = memory.data(DISTANCES * 4, 16);
const literalCodes: usize = memory.data(LITERALS * 4, 16);
const distanceCodes: usize = memory.data(DISTANCES * 4, 16);
const fixedLiteralCodes: usize = memory.data(288 * 4, 16);
const fixedDistanceCodes: usize = memory.data(DISTANCES * 4, 16);

/** For a length - 3, its symbol less FIRST_LENGTH; for a distance - 1 (or, in the second half, an eighth bit on), its. */
const lengthClass: usize = memory.data(256, 16);
const distanceClass: usize = memory.data(512, 16);
/** For a length - 3, what this block sends for it: the bits, and their number from bit 24 on. */
const lengthBits: usize = memory.data(256 * 4, 16);

makeStaticTables();

function makeStaticTables(): void {
  for (let symbol: u32 = 0; symbol < 288; symbol++) {
    const length: u32 = symbol < 144 ? 8 : symbol < 256 ? 9 : symbol < 280 ? 7 : 8;
    const code = symbol < 144 ? symbol + 48 : symbol < 256 ? symbol + 256 : symbol < 280 ? symbol - 256 : symbol - 88;
    store<u32>(fixedLiteralCodes + (symbol << 2), (length << 16) | reverseBits(code, length));
  }
  for (let symbol: u32 = 0; symbol < <u32>DISTANCES; symbol++) {
    store<u32>(fixedDistanceCodes + (symbol << 2), (5 << 16) | reverseBits(symbol, 5));
  }
  for (let i: u32 = 0; i < 256; i++) {
    const doubling = i < 8 ? 0 : 29 - clz(i);
    store<u8>(lengthClass + i, <u8>(i == 255 ? 28 : i < 8 ? i : 4 * doubling + (i >> doubling)));
    store<u8>(distanceClass + i, <u8>classOfDistance(i));
    store<u8>(distanceClass + 256 + i, <u8>classOfDistance(i << 7));
  }
}

function classOfDistance(less: u32): u32 {
  return less < 4 ? less : 2 * (30 - clz(less)) + (less >> (30 - clz(less)));
}

// @ts-ignore: decorator
@inline
function extraBitsOfLength(index: u32): u32 {
  return index < 8 || index == 28 ? 0 : (index >> 2) - 1;
}

// @ts-ignore: decorator
@inline
function extraBitsOfDistance(index: u32): u32 {
  return index < 4 ? 0 : (index >> 1) - 1;
}

// @ts-ignore: decorator
@inline
function distanceClassOf(less: u32): u32 {
  return load<u8>(distanceClass + <usize>(less < 256 ? less : 256 + (less >> 7)));
}

/** A stored block, also an empty one; `last` ends the stream, which is then whole bytes. */
export function writeStored(source: usize, byteCount: i32, last: boolean): void {
  writeBits(last ? 1 : 0, 3);
  alignToByte();
  writeBits(<u64>(byteCount | ((byteCount ^ 0xffff) << 16)) & 0xffffffff, 32);
  writeBytes(source, byteCount);
}

/** The smallest of the three kinds; `sourceBytes` < 0 says that the plain bytes are gone, so that it is not stored. */
export function writeSmallestBlock(tokensEnd: usize, source: usize, sourceBytes: i32): void {
  const distances = countTokens(tokensEnd);
  makeCode(literalFrequencies, LITERALS, 15, literalCodes);
  makeCode(distanceFrequencies, DISTANCES, 15, distanceCodes);
  const literals = literalsUsed();
  makeHeader(literalCodes, literals, distanceCodes, distances);
  const extraBits = countExtraBits();
  const fixedBits = 3 + extraBits + countBits(fixedLiteralCodes, fixedDistanceCodes);
  const dynamicBits = extraBits + countHeaderBits() + countBits(literalCodes, distanceCodes);
  const storable = sourceBytes >= 0 && sourceBytes <= MOST_STORED_BYTES;
  if (storable && (sourceBytes + 5) * 8 < min(fixedBits, dynamicBits)) {
    writeStored(source, sourceBytes, false);
  } else if (dynamicBits < fixedBits) {
    writeHeader();
    writeTokens(tokensEnd, literalCodes, distanceCodes);
  } else {
    writeBits(2, 3);
    writeTokens(tokensEnd, fixedLiteralCodes, fixedDistanceCodes);
  }
}

/** Dynamic, or stored when that saves less than a sixteenth; extra bits are not counted, as the original does not. */
export function writeDynamicBlock(tokensEnd: usize, source: usize, sourceBytes: i32): void {
  const distances = countTokens(tokensEnd);
  makeCode(literalFrequencies, LITERALS, 15, literalCodes);
  makeCode(distanceFrequencies, DISTANCES, 15, distanceCodes);
  const literals = literalsUsed();
  makeHeader(literalCodes, literals, distanceCodes, distances);
  const bits = countHeaderBits() + countBits(literalCodes, distanceCodes);
  if ((sourceBytes + 5) * 8 < bits + (bits >> 4)) {
    writeStored(source, sourceBytes, false);
    return;
  }
  writeHeader();
  writeTokens(tokensEnd, literalCodes, distanceCodes);
}

/** The bytes themselves with a code of their own, or stored when that saves less than a sixteenth. */
export function writeLiteralBlock(source: usize, sourceBytes: i32): void {
  memory.fill(literalFrequencies, 0, LITERALS * 4);
  memory.fill(distanceFrequencies, 0, DISTANCES * 4);
  for (let i = 0; i < sourceBytes; i++) increment(literalFrequencies, load<u8>(source + i));
  store<u32>(literalFrequencies, 1, END_OF_BLOCK * 4);
  store<u32>(distanceFrequencies, 1);
  makeCode(literalFrequencies, LITERALS, 15, literalCodes);
  makeCode(distanceFrequencies, DISTANCES, 15, distanceCodes);
  makeHeader(literalCodes, FIRST_LENGTH, distanceCodes, 1);
  const bits = countHeaderBits() + countBits(literalCodes, distanceCodes);
  if ((sourceBytes + 5) * 8 < bits + (bits >> 4)) {
    writeStored(source, sourceBytes, false);
    return;
  }
  writeHeader();
  for (let i = 0; i < sourceBytes; i++) writeSymbol(literalCodes, load<u8>(source + i));
  writeSymbol(literalCodes, END_OF_BLOCK);
}

/** Answers how many distance symbols are sent: one at least, which is counted once where there is no match. */
function countTokens(tokensEnd: usize): i32 {
  memory.fill(literalFrequencies, 0, LITERALS * 4);
  memory.fill(distanceFrequencies, 0, DISTANCES * 4);
  for (let at = TOKENS; at < tokensEnd; at += 4) {
    const token = load<u32>(at);
    if (token < MATCH) {
      increment(literalFrequencies, token);
    } else {
      increment(literalFrequencies, FIRST_LENGTH + <u32>load<u8>(lengthClass + ((token >> 15) & 0xff)));
      increment(distanceFrequencies, distanceClassOf(token & 0x7fff));
    }
  }
  store<u32>(literalFrequencies, 1, END_OF_BLOCK * 4);
  let distances = DISTANCES;
  while (distances > 0 && load<u32>(distanceFrequencies + (<usize>(distances - 1) << 2)) == 0) distances--;
  if (distances > 0) return distances;
  store<u32>(distanceFrequencies, 1);
  return 1;
}

function literalsUsed(): i32 {
  let literals = LITERALS;
  while (load<u32>(literalFrequencies + (<usize>(literals - 1) << 2)) == 0) literals--;
  return literals;
}

function countExtraBits(): i32 {
  let bits: u32 = 0;
  for (let index: u32 = 8; index < 28; index++) {
    bits += load<u32>(literalFrequencies + ((FIRST_LENGTH + index) << 2)) * extraBitsOfLength(index);
  }
  for (let index: u32 = 4; index < <u32>DISTANCES; index++) {
    bits += load<u32>(distanceFrequencies + (index << 2)) * extraBitsOfDistance(index);
  }
  return <i32>bits;
}

function countBits(literals: usize, distances: usize): i32 {
  return countCodeBits(literalFrequencies, literals, LITERALS) + countCodeBits(distanceFrequencies, distances, DISTANCES);
}

function writeTokens(tokensEnd: usize, literals: usize, distances: usize): void {
  for (let i: u32 = 0; i < 256; i++) {
    const index: u32 = load<u8>(lengthClass + i);
    const extra = extraBitsOfLength(index);
    const code = load<u32>(literals + ((FIRST_LENGTH + index) << 2));
    const codeBits = code >> 16;
    const value = (code & 0xffff) | ((i & ((1 << extra) - 1)) << codeBits);
    store<u32>(lengthBits + (i << 2), value | ((codeBits + extra) << 24));
  }
  let address = outputAddress();
  let bits = pendingBitsOf();
  let count = bitsPending();
  for (let at = TOKENS; at < tokensEnd; at += 4) {
    const token = load<u32>(at);
    if (token < MATCH) {
      const code = load<u32>(literals + (token << 2));
      bits |= <u64>(code & 0xffff) << count;
      count += code >> 16;
    } else {
      const length = load<u32>(lengthBits + ((token >> 13) & 0x3fc));
      bits |= <u64>(length & 0xffffff) << count;
      count += length >> 24;
      const less = token & 0x7fff;
      const index = distanceClassOf(less);
      const code = load<u32>(distances + (index << 2));
      bits |= <u64>(code & 0xffff) << count;
      count += code >> 16;
      const extra = extraBitsOfDistance(index);
      bits |= <u64>(less & ((1 << extra) - 1)) << count;
      count += extra;
    }
    store<u64>(address, bits);
    address += count >> 3;
    bits >>= count & ~7;
    count &= 7;
  }
  handBack(address, bits, count);
  writeSymbol(literals, END_OF_BLOCK);
}

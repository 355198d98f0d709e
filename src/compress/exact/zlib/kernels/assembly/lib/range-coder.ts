// A binary arithmetic coder with adaptive probabilities, after the range coder of LZMA (Igor Pavlov, public domain): the
// same calls write, or read, so that what one side does the other follows.
//
// A probability is a u32: that of a 0 in 1/2^15, and above it how often it was asked, up to SLOWEST: it moves by halves at
// first, and by 1/2^SLOWEST later.

const TOP: u32 = 1 << 24;
const ONE: u32 = 1 << 15;
const SLOWEST: u32 = 5;

/** One coded stream, being written or read. */
@unmanaged
export class RangeCoder {
  low: u64;
  range: u32;
  /** Reading: the next 32 bits, less what was subtracted. */
  code: u32;
  /** Writing: the byte held back for a carry, and how many there are with the 255s behind it. */
  held: u32;
  heldCount: u32;
  at: usize;
  end: usize;
  overflowed: bool;
}

export let isReading: bool = false;

export function setReading(reading: bool): void {
  isReading = reading;
}

/** Sets all probabilities in a table to even. */
export function resetProbabilities(table: usize, count: u32): void {
  for (let i: u32 = 0; i < count; i++) store<u32>(table + (i << 2), ONE >> 1);
}

export function beginWriting(coder: RangeCoder, buffer: usize, sizeBytes: u32): void {
  coder.low = 0;
  coder.range = 0xffffffff;
  coder.held = 0;
  coder.heldCount = 1;
  coder.at = buffer;
  coder.end = buffer + sizeBytes;
  coder.overflowed = false;
}

export function beginReading(coder: RangeCoder, buffer: usize, sizeBytes: u32): void {
  coder.range = 0xffffffff;
  coder.at = buffer;
  coder.end = buffer + sizeBytes;
  coder.code = 0;
  for (let i = 0; i < 5; i++) coder.code = (coder.code << 8) | readByte(coder);
}

/** What lies behind the end counts as zeros. */
function readByte(coder: RangeCoder): u32 {
  return coder.at < coder.end ? <u32>load<u8>(coder.at++) : 0;
}

function shiftLow(coder: RangeCoder): void {
  const low = coder.low;
  if (<u32>low < 0xff000000 || low >> 32) {
    const carry = <u32>(low >> 32);
    let byte = coder.held;
    do {
      if (coder.at < coder.end) store<u8>(coder.at++, byte + carry);
      else coder.overflowed = true;
      byte = 0xff;
    } while (--coder.heldCount);
    coder.held = (<u32>low) >> 24;
  }
  coder.heldCount++;
  coder.low = (low & 0xffffff) << 8;
}

/** Ends what is written. */
export function endWriting(coder: RangeCoder): void {
  for (let i = 0; i < 5; i++) shiftLow(coder);
}

/** Writes `bit`, or reads one; either way the answer is the bit. */
export function codeBit(coder: RangeCoder, probability: usize, bit: u32): u32 {
  const entry = load<u32>(probability);
  let ofZero = entry & 0xffff;
  const seen = entry >> 16;
  const bound = (coder.range >> 15) * ofZero;
  const result: u32 = isReading ? (coder.code < bound ? 0 : 1) : bit;
  const shift = seen + 1;
  if (result) {
    if (isReading) coder.code -= bound;
    else coder.low += bound;
    coder.range -= bound;
    ofZero -= ofZero >> shift;
  } else {
    coder.range = bound;
    ofZero += (ONE - ofZero) >> shift;
  }
  store<u32>(probability, ofZero | (min(shift, SLOWEST - 1) << 16));
  while (coder.range < TOP) {
    coder.range <<= 8;
    if (isReading) coder.code = (coder.code << 8) | readByte(coder);
    else shiftLow(coder);
  }
  return result;
}

/** As many bits, the highest first, without probabilities. */
export function codeEvenBits(coder: RangeCoder, value: u32, count: u32): u32 {
  let result: u32 = 0;
  for (let i = <i32>count - 1; i >= 0; i--) {
    coder.range >>= 1;
    let bit = (value >> i) & 1;
    if (isReading) {
      bit = coder.code < coder.range ? 0 : 1;
      if (bit) coder.code -= coder.range;
    } else if (bit) {
      coder.low += coder.range;
    }
    result = (result << 1) | bit;
    while (coder.range < TOP) {
      coder.range <<= 8;
      if (isReading) coder.code = (coder.code << 8) | readByte(coder);
      else shiftLow(coder);
    }
  }
  return result;
}

/** A value of `count` bits, each with the probability that those before it lead to: 2^count of them. */
export function codeTree(coder: RangeCoder, table: usize, value: u32, count: u32): u32 {
  let node: u32 = 1;
  for (let i = <i32>count - 1; i >= 0; i--) {
    node = (node << 1) | codeBit(coder, table + (node << 2), (value >> i) & 1);
  }
  return node - (1 << count);
}

/** Any number below 2^32-1: how many bits it has, in a table of 64, and these. */
export function codeNumber(coder: RangeCoder, table: usize, value: u32): u32 {
  const raised = value + 1;
  const bits = codeTree(coder, table, isReading ? 0 : 31 - clz(raised), 5);
  const rest = codeEvenBits(coder, raised & ((1 << bits) - 1), bits);
  return ((1 << bits) | rest) - 1;
}

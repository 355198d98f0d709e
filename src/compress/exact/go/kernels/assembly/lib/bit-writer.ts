// The compressed bytes of one call of the kernel, and the bits that do not fill a byte yet.

/** Twice what the 64 KiB of input of one call, and the tokens held back before it, can become. */
const OUTPUT_BYTES: i32 = 512 * 1024;

export const OUTPUT: usize = memory.data(OUTPUT_BYTES, 16);

let outputEnd: usize = OUTPUT;
let pendingBits: u64 = 0;
let pendingCount: u32 = 0;
let takenBytes: u64 = 0;

export function resetBits(): void {
  restoreBits(0, 0, 0);
}

export function restoreBits(byteCount: u64, bits: u32, count: u32): void {
  outputEnd = OUTPUT;
  takenBytes = byteCount;
  pendingBits = bits;
  pendingCount = count;
}

/** How many whole bytes lie at OUTPUT; the next ones are written there again. */
export function takeOutput(): i32 {
  const byteCount = <i32>(outputEnd - OUTPUT);
  takenBytes += byteCount;
  outputEnd = OUTPUT;
  return byteCount;
}

/** Whole bytes of the stream so far. */
export function writtenBytes(): u64 {
  return takenBytes + (outputEnd - OUTPUT);
}

/** Fewer than eight, and the bits themselves from the lowest on. */
export function bitsPending(): u32 {
  return pendingCount;
}

export function pendingByte(): u32 {
  return <u32>pendingBits;
}

/** At most 57 bits at a time, of which `value` has no higher ones set. */
export function writeBits(value: u64, count: u32): void {
  const bits = pendingBits | (value << pendingCount);
  const total = pendingCount + count;
  store<u64>(outputEnd, bits);
  outputEnd += total >> 3;
  pendingBits = bits >> (total & ~7);
  pendingCount = total & 7;
}

/** Fills the last byte with zero bits. */
export function alignToByte(): void {
  if (pendingCount > 0) writeBits(0, 8 - pendingCount);
}

/** Only when no bits are pending. */
export function writeBytes(source: usize, byteCount: i32): void {
  memory.copy(outputEnd, source, byteCount);
  outputEnd += byteCount;
}

/**
 * For the loops that keep these in locals: `outputAddress`, then `bits` and `count` as above, and all three handed back.
 */
export function outputAddress(): usize {
  return outputEnd;
}

export function pendingBitsOf(): u64 {
  return pendingBits;
}

export function handBack(address: usize, bits: u64, count: u32): void {
  outputEnd = address;
  pendingBits = bits;
  pendingCount = count;
}

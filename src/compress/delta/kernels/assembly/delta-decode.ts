// kernel: own memory
// Rebuilds the plain bytes of a delta block from base bytes and the streams that docs/format.md, "Delta block",
// describes. Streams come from strangers: every length is checked against what is left before it is used.

/** What is wrong with the streams; 0 is nothing. delta-decoder.ts has the words. */
const NUMBER_CUT_OFF = 1;
const LITERALS_END = 2;
const OUTSIDE_BASE = 3;
const OUTSIDE_PLAIN = 4;
const DIFFERENCES_END = 5;
const LEFT_OVER = 6;
const EMPTY_COPY = 7;

let cursor: usize;
let failed: bool;

/** The number at `cursor`, which moves on; sets `failed` when it does not end before `end` or has more than 32 bits. */
// @ts-ignore: decorator
@inline
function readNumber(end: usize): u32 {
  let value: u32 = 0;
  for (let bits: u32 = 0; cursor < end && bits < 35; bits += 7) {
    const byte = <u32>load<u8>(cursor++);
    if (bits == 28 && byte > 15) break;
    value |= (byte & 127) << bits;
    if (byte < 128) return value;
  }
  failed = true;
  return 0;
}

/**
 * Fills the `plainBytes` at `plain`. `streams` points at twelve numbers: where each of the six streams begins and
 * ends. Writes nothing outside the plain bytes. Returns 0 or what is wrong.
 */
export function decode(base: usize, baseBytes: u32, plain: usize, plainBytes: u32, streams: usize): u32 {
  let literalLengths: usize = load<u32>(streams);
  const literalLengthsEnd: usize = load<u32>(streams, 4);
  let copyLengths: usize = load<u32>(streams, 8);
  const copyLengthsEnd: usize = load<u32>(streams, 12);
  let shifts: usize = load<u32>(streams, 16);
  const shiftsEnd: usize = load<u32>(streams, 20);
  let gaps: usize = load<u32>(streams, 24);
  const gapsEnd: usize = load<u32>(streams, 28);
  let differences: usize = load<u32>(streams, 32);
  const differencesEnd: usize = load<u32>(streams, 36);
  let literals: usize = load<u32>(streams, 40);
  const literalsEnd: usize = load<u32>(streams, 44);
  let at: u32 = 0;
  let sourceEnd: u32 = 0;
  failed = false;
  let pending = gaps < gapsEnd;
  let gap: u32 = 0;
  if (pending) {
    cursor = gaps;
    gap = readNumber(gapsEnd);
    gaps = cursor;
  }
  while (literalLengths < literalLengthsEnd && !failed) {
    cursor = literalLengths;
    const literal = readNumber(literalLengthsEnd);
    literalLengths = cursor;
    cursor = copyLengths;
    const copy = readNumber(copyLengthsEnd);
    copyLengths = cursor;
    cursor = shifts;
    const shift = readNumber(shiftsEnd);
    shifts = cursor;
    if (failed) return NUMBER_CUT_OFF;
    if (literal > <u32>(literalsEnd - literals)) return LITERALS_END;
    if (literal > plainBytes - at) return OUTSIDE_PLAIN;
    memory.copy(plain + at, literals, literal);
    literals += literal;
    at += literal;
    if (copy == 0) return EMPTY_COPY;
    if (copy > plainBytes - at) return OUTSIDE_PLAIN;
    const source = sourceEnd + literal + ((shift >> 1) ^ (0 - (shift & 1)));
    if (source > baseBytes || copy > baseBytes - source) return OUTSIDE_BASE;
    sourceEnd = source + copy;
    const copied = plain + at;
    memory.copy(copied, base + source, copy);
    at += copy;
    let k: u32 = 0;
    while (pending && gap < copy - k) {
      k += gap;
      if (differences == differencesEnd) return DIFFERENCES_END;
      const difference = load<u32>(differences);
      differences += 4;
      const count = min(4, copy - k);
      if (count == 4) store<u32>(copied + k, load<u32>(copied + k) + difference);
      else for (let m: u32 = 0; m < count; m++) store<u8>(copied + k + m, load<u8>(copied + k + m) + <u8>(difference >> (m << 3)));
      k += count;
      pending = gaps < gapsEnd;
      if (pending) {
        cursor = gaps;
        gap = readNumber(gapsEnd);
        gaps = cursor;
      }
    }
    gap -= copy - k;
  }
  if (failed) return NUMBER_CUT_OFF;
  if (<u32>(literalsEnd - literals) != plainBytes - at) return literalsEnd - literals < plainBytes - at ? LITERALS_END : LEFT_OVER;
  memory.copy(plain + at, literals, plainBytes - at);
  if (pending || copyLengths != copyLengthsEnd || shifts != shiftsEnd || differences != differencesEnd) return LEFT_OVER;
  return 0;
}

/** Moves bytes inside the memory; the ranges may overlap. */
export function copyBytes(target: usize, source: usize, count: usize): void {
  memory.copy(target, source, count);
}

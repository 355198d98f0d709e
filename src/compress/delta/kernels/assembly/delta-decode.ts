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

let gaps: usize;
let gapsEnd: usize;
let differences: usize;
let differencesEnd: usize;
/** Copied bytes before the next difference, while there is one. */
let gap: u32;
let pending: bool;

function nextGap(): void {
  pending = gaps < gapsEnd;
  if (!pending) return;
  cursor = gaps;
  gap = readNumber(gapsEnd);
  gaps = cursor;
}

let literalLengths: usize;
let literalLengthsEnd: usize;
let copyLengths: usize;
let copyLengthsEnd: usize;
let shifts: usize;
let shiftsEnd: usize;
let sourceEnd: u32;

/** `streams` points at twelve numbers: where each of the six streams begins and ends. */
function openStreams(streams: usize): void {
  literalLengths = load<u32>(streams);
  literalLengthsEnd = load<u32>(streams, 4);
  copyLengths = load<u32>(streams, 8);
  copyLengthsEnd = load<u32>(streams, 12);
  shifts = load<u32>(streams, 16);
  shiftsEnd = load<u32>(streams, 20);
  gaps = load<u32>(streams, 24);
  gapsEnd = load<u32>(streams, 28);
  sourceEnd = 0;
  failed = false;
  gap = 0;
  nextGap();
}

/** What {@link nextCopy} has read: so many literals, then so many bytes of the base from `source` on. */
let literal: u32;
let copy: u32;
let source: u32;

/** Reads the next literals and copy; returns 0, or what is wrong with them where so many plain bytes and literals are left. */
function nextCopy(baseBytes: u32, plainLeft: u32, literalsLeft: u32): u32 {
  cursor = literalLengths;
  literal = readNumber(literalLengthsEnd);
  literalLengths = cursor;
  cursor = copyLengths;
  copy = readNumber(copyLengthsEnd);
  copyLengths = cursor;
  cursor = shifts;
  const shift = readNumber(shiftsEnd);
  shifts = cursor;
  if (failed) return NUMBER_CUT_OFF;
  if (literal > literalsLeft) return LITERALS_END;
  if (literal > plainLeft) return OUTSIDE_PLAIN;
  if (copy == 0) return EMPTY_COPY;
  if (copy > plainLeft - literal) return OUTSIDE_PLAIN;
  source = sourceEnd + literal + ((shift >> 1) ^ (0 - (shift & 1)));
  if (source > baseBytes || copy > baseBytes - source) return OUTSIDE_BASE;
  sourceEnd = source + copy;
  return 0;
}

/** Adds the differences that fall into the `copy` bytes at `copied`; false when they end too early. */
function addDifferences(copied: usize, copy: u32): bool {
  let k: u32 = 0;
  while (pending && gap < copy - k) {
    k += gap;
    if (differences == differencesEnd) return false;
    const at = copied + k;
    const difference = load<u32>(differences);
    differences += 4;
    const count = min(4, copy - k);
    if (count == 4) store<u32>(at, load<u32>(at) + difference);
    else for (let m: u32 = 0; m < count; m++) store<u8>(at + m, load<u8>(at + m) + <u8>(difference >> (m << 3)));
    k += count;
    nextGap();
  }
  gap -= copy - k;
  return true;
}

/**
 * Fills the `plainBytes` at `plain` from what {@link openStreams} takes. Writes nothing outside the plain bytes. Returns 0 or what is wrong.
 */
export function decode(base: usize, baseBytes: u32, plain: usize, plainBytes: u32, streams: usize): u32 {
  openStreams(streams);
  differences = load<u32>(streams, 32);
  differencesEnd = load<u32>(streams, 36);
  let literals: usize = load<u32>(streams, 40);
  const literalsEnd: usize = load<u32>(streams, 44);
  if ((differencesEnd - differences) & 3) return DIFFERENCES_END;
  let left = plainBytes;
  while (literalLengths < literalLengthsEnd) {
    const wrong = nextCopy(baseBytes, left, <u32>(literalsEnd - literals));
    if (wrong) return wrong;
    memory.copy(plain, literals, literal);
    literals += literal;
    plain += literal;
    memory.copy(plain, base + source, copy);
    if (!addDifferences(plain, copy)) return failed ? NUMBER_CUT_OFF : DIFFERENCES_END;
    plain += copy;
    left -= literal + copy;
  }
  if (failed) return NUMBER_CUT_OFF;
  const rest = <u32>(literalsEnd - literals);
  if (rest < left) return LITERALS_END;
  memory.copy(plain, literals, left);
  const usedUp = copyLengths == copyLengthsEnd && shifts == shiftsEnd && differences == differencesEnd;
  return rest > left || pending || !usedUp ? LEFT_OVER : 0;
}

/** How many numbers a stream holds that does not end within one: each ends with a byte below 128. */
export function countNumbers(from: usize, end: usize): u32 {
  let count: u32 = 0;
  for (; from < end; from++) count += <u32>(load<u8>(from) < 128);
  return count;
}

/**
 * Lists what {@link decode} would do, from the same streams: `copies` places of copies in the plain bytes, as many of their ends, of
 * where they begin in the base, and of how many literals come before them all together; then the place of each difference. Returns 0 or what is wrong.
 */
export function list(baseBytes: u32, plainBytes: u32, streams: usize, lists: usize, copies: u32): u32 {
  openStreams(streams);
  let differencesLeft = (load<u32>(streams, 36) - load<u32>(streams, 32)) >> 2;
  const literalBytes = load<u32>(streams, 44) - load<u32>(streams, 40);
  if ((load<u32>(streams, 36) - load<u32>(streams, 32)) & 3) return DIFFERENCES_END;
  const stride = <usize>copies << 2;
  let differencesAt = lists + (stride << 2);
  let at: u32 = 0;
  let literalsBefore: u32 = 0;
  for (let i: u32 = 0; literalLengths < literalLengthsEnd; i++, lists += 4) {
    // What is left is no number: each has its last byte.
    if (i == copies) return NUMBER_CUT_OFF;
    const wrong = nextCopy(baseBytes, plainBytes - at, literalBytes - literalsBefore);
    if (wrong) return wrong;
    literalsBefore += literal;
    at += literal;
    store<u32>(lists, at);
    store<u32>(lists + stride, at + copy);
    store<u32>(lists + (stride << 1), source);
    store<u32>(lists + 3 * stride, literalsBefore);
    let k: u32 = 0;
    while (pending && gap < copy - k) {
      k += gap;
      if (differencesLeft == 0) return failed ? NUMBER_CUT_OFF : DIFFERENCES_END;
      differencesLeft--;
      store<u32>(differencesAt, at + k);
      differencesAt += 4;
      k += min(4, copy - k);
      nextGap();
    }
    gap -= copy - k;
    at += copy;
  }
  if (failed) return NUMBER_CUT_OFF;
  if (literalBytes - literalsBefore < plainBytes - at) return LITERALS_END;
  const usedUp = copyLengths == copyLengthsEnd && shifts == shiftsEnd;
  return literalBytes - literalsBefore > plainBytes - at || pending || differencesLeft || !usedUp ? LEFT_OVER : 0;
}

/** Moves bytes inside the memory; the ranges may overlap. */
export function copyBytes(target: usize, source: usize, count: usize): void {
  memory.copy(target, source, count);
}

// The compressed bytes of the call that runs: bits go in least significant first, whole bytes lie at OUTPUT.
import {
  DISTANCE_BASES, DISTANCE_EXTRA_BITS, LENGTH_BASES, LENGTH_EXTRA_BITS, LENGTH_SYMBOLS, OUTPUT, TOKENS,
} from './layout';

/** Bits that do not make a whole byte yet: always fewer than 8 between calls. */
let pendingBits: u64 = 0;
let pendingCount: u64 = 0;
let outputEnd: usize = OUTPUT;

/** How many bytes lie at OUTPUT; they are the caller's, and the next ones will lie at the same place. */
export function takeOutput(): i32 {
  const count = <i32>(outputEnd - OUTPUT);
  outputEnd = OUTPUT;
  return count;
}

export function resetBits(): void {
  pendingBits = 0;
  pendingCount = 0;
  outputEnd = OUTPUT;
}

/** At most 57 bits. What lies above `count` in `value` spoils what follows, as it does in the original. */
export function putBits(value: u64, count: u64): void {
  const bits = pendingBits | (value << pendingCount);
  const total = pendingCount + count;
  store<u64>(outputEnd, bits);
  outputEnd += <usize>(total >> 3);
  pendingBits = bits >> (total & 56);
  pendingCount = total & 7;
}

export function putCode(code: u32): void {
  putBits(<u64>(code >> 8), <u64>(code & 255));
}

/** Zero bits up to the next whole byte. */
export function alignToByte(): void {
  if (pendingCount > 0) store<u8>(outputEnd++, <u8>pendingBits);
  pendingBits = 0;
  pendingCount = 0;
}

/** Bytes as they are; only where a byte begins. */
export function putBytes(from: usize, count: i32): void {
  memory.copy(outputEnd, from, <usize>count);
  outputEnd += <usize>count;
}

/** The literals of the bytes at [from, to). */
export function putLiterals(from: usize, to: usize, codes: usize): void {
  let bits = pendingBits;
  let count = pendingCount;
  let out = outputEnd;
  for (; from < to; from++) {
    const code = load<u32>(codes + (<usize>load<u8>(from) << 2));
    bits |= <u64>(code >> 8) << count;
    count += <u64>(code & 255);
    store<u64>(out, bits);
    out += <usize>(count >> 3);
    bits >>= count & 56;
    count &= 7;
  }
  pendingBits = bits;
  pendingCount = count;
  outputEnd = out;
}

/** The tokens before `end`, an end of block among them included: it is a literal with the number 256. */
export function putTokens(end: usize, literalCodes: usize, distanceCodes: usize): void {
  let bits = pendingBits;
  let count = pendingCount;
  let out = outputEnd;
  for (let at = TOKENS; at < end; at += 4) {
    const token = load<u32>(at);
    if (token <= 256) {
      const code = load<u32>(literalCodes + (token << 2));
      bits |= <u64>(code >> 8) << count;
      count += <u64>(code & 255);
    } else {
      const length = (token >> 22) & 255;
      const symbol = <usize>load<u8>(length, LENGTH_SYMBOLS) << 2;
      const lengthCode = load<u32>(literalCodes + 256 * 4 + symbol);
      bits |= <u64>(lengthCode >> 8) << count;
      count += <u64>(lengthCode & 255);
      bits |= <u64>(length - load<u32>(symbol + LENGTH_BASES)) << count;
      count += <u64>load<u32>(symbol + LENGTH_EXTRA_BITS);
      const distance = ((token >> 16) & 31) << 2;
      const distanceCode = load<u32>(distanceCodes + distance);
      bits |= <u64>(distanceCode >> 8) << count;
      count += <u64>(distanceCode & 255);
      bits |= <u64>((token & 0xffff) - load<u32>(distance + DISTANCE_BASES)) << count;
      count += <u64>load<u32>(distance + DISTANCE_EXTRA_BITS);
    }
    store<u64>(out, bits);
    out += <usize>(count >> 3);
    bits >>= count & 56;
    count &= 7;
  }
  pendingBits = bits;
  pendingCount = count;
  outputEnd = out;
}

// The compressed bytes of the call that runs: bits go in least significant first, whole bytes lie at OUTPUT.
import {
  DISTANCE_EXTRA_BITS, DISTANCE_SENDS, LENGTH_BASES, LENGTH_EXTRA_BITS, LENGTH_SENDS, LENGTH_SYMBOLS, OUTPUT, TOKENS,
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

/** What is sent for each length and each distance code, so that a match takes two look-ups. */
function fillSends(literalCodes: usize, distanceCodes: usize): void {
  for (let length: usize = 0; length < 256; length++) {
    const symbol = <usize>load<u8>(length, LENGTH_SYMBOLS) << 2;
    const code = load<u32>(literalCodes + 256 * 4 + symbol);
    const count = code & 255;
    const extra = <u32>length - load<u32>(symbol + LENGTH_BASES);
    const bits = (code >> 8) | (extra << count);
    store<u32>((length << 2) + LENGTH_SENDS, (bits << 8) | (count + load<u32>(symbol + LENGTH_EXTRA_BITS)));
  }
  for (let symbol: usize = 0; symbol < 30 * 4; symbol += 4) {
    const code = load<u32>(distanceCodes + symbol);
    store<u32>(symbol + DISTANCE_SENDS, ((code >> 8) << 16) | (load<u32>(symbol + DISTANCE_EXTRA_BITS) << 8) | (code & 255));
  }
}

/** The tokens before `end`, an end of block among them included: it is a literal with the number 256. */
export function putTokens(end: usize, literalCodes: usize, distanceCodes: usize): void {
  fillSends(literalCodes, distanceCodes);
  let bits = pendingBits;
  let count = pendingCount;
  let out = outputEnd;
  // No literal, so that a run of them ends there.
  store<u32>(end, u32.MAX_VALUE);
  for (let at = TOKENS; at < end; at += 4) {
    let token = load<u32>(at);
    if (token <= 256) {
      let code = load<u32>(literalCodes + (token << 2));
      bits |= <u64>(code >> 8) << count;
      count += <u64>(code & 255);
      token = load<u32>(at, 4);
      if (token <= 256) {
        code = load<u32>(literalCodes + (token << 2));
        bits |= <u64>(code >> 8) << count;
        count += <u64>(code & 255);
        at += 4;
        token = load<u32>(at, 4);
        if (token <= 256) {
          code = load<u32>(literalCodes + (token << 2));
          bits |= <u64>(code >> 8) << count;
          count += <u64>(code & 255);
          at += 4;
        }
      }
    } else {
      const length = load<u32>(((token >> 20) & (255 << 2)) + LENGTH_SENDS);
      bits |= <u64>(length >> 8) << count;
      count += <u64>(length & 255);
      const distance = load<u32>(((token >> 14) & (31 << 2)) + DISTANCE_SENDS);
      bits |= <u64>(distance >> 16) << count;
      count += <u64>(distance & 255);
      const extra = (distance >> 8) & 255;
      // The least distance of a code is a multiple of 1 << extra.
      bits |= <u64>(token & ((1 << extra) - 1)) << count;
      count += <u64>extra;
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

import { crc32 } from '../../src/hash/crc32.js';
import { createRandom } from './deflate-inputs.mjs';
import { GO_HEADER } from './gzip-files.js';
import { concatBytes } from './tar-builder.js';

/** Lengths and distances a code stands for first (RFC 1951, 3.2.5), and the bits that follow. */
const LENGTH_BASES = [
  3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195,
  227,
];
const DISTANCE_BASES = [
  1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097,
  6145, 8193, 12_289, 16_385, 24_577,
];
const lengthExtra = (code: number): number => (code < 8 ? 0 : (code >> 2) - 1);
const distanceExtra = (code: number): number => (code < 4 ? 0 : (code >> 1) - 1);

class BitWriter {
  readonly bytes: number[] = [];
  #pending = 0;
  #count = 0;

  put(value: number, count: number): void {
    this.#pending |= value << this.#count;
    this.#count += count;
    for (; this.#count >= 8; this.#count -= 8) {
      this.bytes.push(this.#pending & 255);
      this.#pending >>>= 8;
    }
  }

  /** Huffman codes come with their highest bit first. */
  putCode(code: number, count: number): void {
    for (let i = count - 1; i >= 0; i--) this.put((code >> i) & 1, 1);
  }

  /** By the fixed code. */
  putSymbol(symbol: number): void {
    if (symbol < 144) this.putCode(0x30 + symbol, 8);
    else if (symbol < 256) this.putCode(0x190 + symbol - 144, 9);
    else if (symbol < 280) this.putCode(symbol - 256, 7);
    else this.putCode(0xc0 + symbol - 280, 8);
  }

  end(): Uint8Array {
    this.put(0, 7);
    return Uint8Array.from(this.bytes);
  }
}

function putMatch(out: BitWriter, length: number, distance: number): void {
  const lengthCode = LENGTH_BASES.findLastIndex((base) => base <= length);
  out.putSymbol(257 + lengthCode);
  out.put(length - LENGTH_BASES[lengthCode]!, lengthExtra(lengthCode));
  const code = DISTANCE_BASES.findLastIndex((base) => base <= distance);
  out.putCode(code, 5);
  out.put(distance - DISTANCE_BASES[code]!, distanceExtra(code));
}

/** A gzip file of matches and literals taken by chance: no encoder comes near it. */
export function whimsicalGzip(plain: Uint8Array, seed = 1): Uint8Array {
  const random = createRandom(seed);
  const out = new BitWriter();
  const last = new Map<number, number>();
  out.put(1 | (1 << 1), 3);
  for (let at = 0; at < plain.length; ) {
    const key = plain[at]! | (plain[at + 1]! << 8) | (plain[at + 2]! << 16);
    const from = last.get(key) ?? Number.NEGATIVE_INFINITY;
    last.set(key, at);
    let length = 0;
    if (at - from <= 32_768)
      while (length < 200 && plain[from + length] === plain[at + length] && at + length < plain.length)
        length++;
    if (length < 3 || random.below(2) === 0) {
      out.putSymbol(plain[at]!);
      at++;
      continue;
    }
    const taken = 3 + random.below(length - 2);
    putMatch(out, taken, at - from);
    at += taken;
  }
  out.putSymbol(256);
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(crc32(plain), 0);
  trailer.writeUInt32LE(plain.length, 4);
  return concatBytes([GO_HEADER, out.end(), trailer]);
}

import {
  DISTANCE_CODES, DISTANCE_EXTRA_BITS, DISTANCE_SYMBOLS, FIXED_DISTANCE_CODES, FIXED_LITERAL_CODES,
  LENGTH_BASES, LENGTH_EXTRA_BITS, LENGTH_SYMBOLS, LONE_DISTANCE_CODES,
} from './layout';

/** The first `count` bits of `code` in the order they are sent: a Huffman code goes most significant bit first. */
export function reversed(code: u32, count: u32): u32 {
  let result: u32 = 0;
  for (let i: u32 = 0; i < count; i++) result |= ((code >> i) & 1) << (count - 1 - i);
  return result;
}

/** Writes the tables of RFC 1951, sections 3.2.5 and 3.2.6, that do not depend on data. */
export function fillSymbolTables(): void {
  fillLengths();
  fillDistances();
  for (let symbol: u32 = 0; symbol < 286; symbol++) {
    let code = symbol + 48;
    let bits: u32 = 8;
    if (symbol >= 280) {
      code = symbol - 280 + 192;
    } else if (symbol >= 256) {
      code = symbol - 256;
      bits = 7;
    } else if (symbol >= 144) {
      code = symbol - 144 + 400;
      bits = 9;
    }
    store<u32>(FIXED_LITERAL_CODES + (symbol << 2), bits | (reversed(code, bits) << 8));
  }
  for (let symbol: u32 = 0; symbol < 30; symbol++) {
    store<u32>(FIXED_DISTANCE_CODES + (symbol << 2), 5 | (reversed(symbol, 5) << 8));
  }
  store<u32>(LONE_DISTANCE_CODES, 1);
}

function fillLengths(): void {
  let length = 0;
  for (let code = 0; code < 28; code++) {
    const extra = code < 8 ? 0 : (code >> 2) - 1;
    store<u32>(LENGTH_EXTRA_BITS + (<usize>(code + 1) << 2), extra);
    store<u32>(LENGTH_BASES + (<usize>(code + 1) << 2), length);
    for (let i = 0; i < 1 << extra; i++, length++) store<u8>(LENGTH_SYMBOLS + <usize>length, <u8>(code + 1));
  }
  // Length 258 has a code of its own, and takes the last place of the code before.
  store<u8>(LENGTH_SYMBOLS + 255, 29);
  store<u32>(LENGTH_BASES + (29 << 2), 255);
}

function fillDistances(): void {
  let distance = 0;
  for (let code = 0; code < 30; code++) {
    const extra = code < 2 ? 0 : (code >> 1) - 1;
    store<u32>(DISTANCE_EXTRA_BITS + (<usize>code << 2), extra);
    for (let i = 0; i < 1 << extra; i++, distance++) {
      if (distance < 256) store<u8>(DISTANCE_SYMBOLS + <usize>distance, <u8>code);
      store<u8>(DISTANCE_SYMBOLS + 256 + (<usize>distance >> 7), <u8>code);
    }
  }
}

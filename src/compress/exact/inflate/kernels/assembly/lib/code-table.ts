// Tables of Huffman codes that are looked up by their first bits (RFC 1951, section 3.2.2).

// An entry of a code table: bits 0-5 how many bits to take, those of the code and the extra ones; bits 8-11 those of the
// code alone, or of a subtable its index bits; flags; bits 16-31 a literal, the base of a length or distance, or where the subtable begins.
export const LITERAL: u32 = 0x8000;
export const SPECIAL: u32 = 0x4000;
export const SUBTABLE: u32 = 0x2000;
/** With SPECIAL: no such code; else the end of the block. */
export const INVALID: u32 = 0x1000;

export const OF_LENGTHS: i32 = 0;
export const OF_LITERALS: i32 = 1;
export const OF_DISTANCES: i32 = 2;

const sorted: usize = memory.data(2 * 288, 16);
const counts: usize = memory.data(4 * 16, 16);
const offsets: usize = memory.data(4 * 16, 16);

const LENGTH_BASES: usize = memory.data<u16>([
  3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258,
]);
const LENGTH_EXTRAS: usize = memory.data<u8>([
  0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0,
]);
const DISTANCE_BASES: usize = memory.data<u16>([
  1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145,
  8193, 12289, 16385, 24577,
]);

function entryOf(kind: i32, symbol: u32, length: u32): u32 {
  if (kind == OF_LENGTHS) return (symbol << 16) | (length << 8) | length;
  let base: u32 = 0;
  let extra: u32 = 0;
  if (kind == OF_LITERALS) {
    if (symbol < 256) return (symbol << 16) | LITERAL | (length << 8) | length;
    if (symbol == 256) return SPECIAL | (length << 8) | length;
    if (symbol > 285) return SPECIAL | INVALID | length;
    base = load<u16>(LENGTH_BASES + ((symbol - 257) << 1));
    extra = load<u8>(LENGTH_EXTRAS + symbol - 257);
  } else {
    if (symbol > 29) return SPECIAL | INVALID | length;
    base = load<u16>(DISTANCE_BASES + (symbol << 1));
    extra = symbol < 4 ? 0 : (symbol >> 1) - 1;
  }
  return (base << 16) | (length << 8) | (length + extra);
}

/**
 * Makes the table of the codes of `symbolCount` symbols whose lengths are at `lengths`, each a byte, looked up by `tableBits` bits.
 *
 * @returns false when the lengths are those of no prefix code; as zlib, it lets a single code of one bit pass
 */
export function makeTable(lengths: usize, symbolCount: u32, table: usize, tableBits: u32, kind: i32): bool {
  memory.fill(counts, 0, 64);
  for (let i: u32 = 0; i < symbolCount; i++) {
    const cell = counts + (<usize>load<u8>(lengths + i) << 2);
    store<u32>(cell, load<u32>(cell) + 1);
  }
  let longest: u32 = 15;
  while (longest > 0 && load<u32>(counts + (longest << 2)) == 0) longest--;
  let left: i32 = 1;
  let offset: u32 = 0;
  for (let length: u32 = 1; length <= 15; length++) {
    const count = load<u32>(counts + (length << 2));
    store<u32>(offsets + (length << 2), offset);
    offset += count;
    left = (left << 1) - <i32>count;
    if (left < 0) return false;
  }
  if (left > 0) {
    if (longest > 1 || kind == OF_LENGTHS) return false;
    const none = SPECIAL | INVALID | 1;
    for (let i: u32 = 0; i < <u32>1 << tableBits; i++) store<u32>(table + (i << 2), none);
  }
  for (let i: u32 = 0; i < symbolCount; i++) {
    const length = <usize>load<u8>(lengths + i);
    if (length == 0) continue;
    const place = load<u32>(offsets + (length << 2));
    store<u32>(offsets + (length << 2), place + 1);
    store<u16>(sorted + (place << 1), <u16>i);
  }
  fillTable(lengths, offset, table, tableBits, kind);
  return true;
}

function fillTable(lengths: usize, codeCount: u32, table: usize, tableBits: u32, kind: i32): void {
  const mask = (<u32>1 << tableBits) - 1;
  let next = mask + 1;
  let code: u32 = 0;
  let prefix: u32 = 0xffffffff;
  let subtable: u32 = 0;
  let subtableBits: u32 = 0;
  for (let i: u32 = 0; i < codeCount; i++) {
    const symbol = <u32>load<u16>(sorted + (i << 1));
    const length = <u32>load<u8>(lengths + symbol);
    const entry = entryOf(kind, symbol, length);
    if (length <= tableBits) {
      for (let slot = code; slot <= mask; slot += <u32>1 << length) store<u32>(table + (slot << 2), entry);
    } else {
      if ((code & mask) != prefix) {
        prefix = code & mask;
        subtable = next;
        subtableBits = bitsOfSubtable(length, tableBits);
        next += <u32>1 << subtableBits;
        store<u32>(table + (prefix << 2), (subtable << 16) | SUBTABLE | (subtableBits << 8));
      }
      for (let slot = code >> tableBits; slot < <u32>1 << subtableBits; slot += <u32>1 << (length - tableBits)) {
        store<u32>(table + ((subtable + slot) << 2), entry);
      }
    }
    const cell = counts + (length << 2);
    store<u32>(cell, load<u32>(cell) - 1);
    let step = <u32>1 << (length - 1);
    while (code & step) step >>= 1;
    code = step == 0 ? 0 : (code & (step - 1)) + step;
  }
}

/** Wide enough for the codes left that begin alike, `counts` being those of codes not yet placed. */
function bitsOfSubtable(length: u32, tableBits: u32): u32 {
  let width = length - tableBits;
  let left: i32 = 1 << width;
  for (; width + tableBits < 15; width++) {
    left -= <i32>load<u32>(counts + ((width + tableBits) << 2));
    if (left <= 0) break;
    left <<= 1;
  }
  return width;
}

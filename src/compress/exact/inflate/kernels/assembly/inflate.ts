// kernel: own memory
// Inflates a raw DEFLATE stream (RFC 1951), a bounded piece at a time.

const INPUT_BYTES: i32 = 65536;
/** What may be loaded behind the input, and must be zeros for the end to be found in time. */
const PADDING_BYTES: i32 = 32;
const input: usize = memory.data(INPUT_BYTES + PADDING_BYTES, 16);

const HISTORY_BYTES: i32 = 32768;
const PIECE_BYTES: i32 = 262144;
const LONGEST: i32 = 258;
/** The longest match and what copying eight bytes at a time may write behind it. */
const SLACK_BYTES: i32 = LONGEST + 16;
const output: usize = memory.data(HISTORY_BYTES + PIECE_BYTES + SLACK_BYTES, 16);
const outputEnd: usize = output + HISTORY_BYTES + PIECE_BYTES;

/** More than a block's header can take. */
const HEADER_BYTES: i32 = 1024;

export const NEEDS_INPUT: i32 = 0;
export const HAS_PIECE: i32 = 1;
export const HAS_ENDED: i32 = 2;
export const IS_DAMAGED: i32 = -1;
export const IS_CUT_OFF: i32 = -2;

const AT_HEADER: i32 = 0;
const IN_CODES: i32 = 1;
const IN_STORED: i32 = 2;
const AT_END: i32 = 3;

// An entry of a code table: bits 0-5 how many bits to take, those of the code and the extra ones; bits 8-11 those of the
// code alone, or of a subtable its index bits; flags; bits 16-31 a literal, the base of a length or distance, or where the subtable begins.
const LITERAL: u32 = 0x8000;
const SPECIAL: u32 = 0x4000;
const SUBTABLE: u32 = 0x2000;
/** With SPECIAL: no such code; else the end of the block. */
const INVALID: u32 = 0x1000;

const LITERAL_BITS: u32 = 11;
const DISTANCE_BITS: u32 = 9;
const LENGTHS_BITS: u32 = 7;
// The most that tables of these widths can take, with subtables (as zlib's examples/enough.c counts them).
const literals: usize = memory.data(4 * 2400, 16);
const distances: usize = memory.data(4 * 1024, 16);
const lengthCodes: usize = memory.data(4 * 128, 16);

const codeLengths: usize = memory.data(320 + 16, 16);
const sorted: usize = memory.data(2 * 288, 16);
const counts: usize = memory.data(4 * 16, 16);
const offsets: usize = memory.data(4 * 16, 16);

const LENGTH_ORDER: usize = memory.data<u8>([16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]);
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

let at: usize = input;
let inputEnd: usize = input;
let isLast: bool = false;
let takenBefore: u64 = 0;
let bits: u64 = 0;
let bitCount: u32 = 0;

let out: usize = output;
let pieceAt: usize = output;
/** Where what was made, as far as it is kept, begins. */
let historyAt: usize = output;

let mode: i32 = AT_HEADER;
let inLastBlock: bool = false;
let storedLeft: u32 = 0;
let failure: i32 = 0;

export function reset(): void {
  at = inputEnd = input;
  isLast = false;
  takenBefore = 0;
  bits = 0;
  bitCount = 0;
  out = pieceAt = historyAt = output;
  mode = AT_HEADER;
  inLastBlock = false;
  failure = 0;
}

/** Where more input is to be put; what has been taken makes room. */
export function inputOffset(): usize {
  const left = <i32>(inputEnd - at);
  takenBefore += at - input;
  memory.copy(input, at, left);
  at = input;
  inputEnd = input + left;
  return inputEnd;
}

/** How much of it fits there. */
export function inputRoom(): i32 {
  return INPUT_BYTES - <i32>(inputEnd - input);
}

/** So many bytes were put there; none means that there are no more. */
export function supply(byteCount: i32): void {
  inputEnd += byteCount;
  isLast = byteCount == 0;
  memory.fill(inputEnd, 0, PADDING_BYTES);
}

export function pieceOffset(): usize {
  return pieceAt;
}

export function pieceLength(): i32 {
  return <i32>(out - pieceAt);
}

/** Input bytes that the stream took so far. */
export function takenBytes(): f64 {
  return <f64>(takenBefore + (at - input));
}

/** Goes on until a piece is full, input is wanted, or it is over. There may be a piece in any case but an error. */
export function run(): i32 {
  if (out + SLACK_BYTES > outputEnd) slide();
  pieceAt = out;
  const status = proceed();
  giveBack();
  return status < 0 || at <= inputEnd ? status : IS_CUT_OFF;
}

function slide(): void {
  memory.copy(output, out - HISTORY_BYTES, HISTORY_BYTES);
  out = output + HISTORY_BYTES;
  historyAt = output;
}

function proceed(): i32 {
  for (;;) {
    if (mode == AT_END) return HAS_ENDED;
    if (mode == AT_HEADER) {
      if (inLastBlock) {
        mode = AT_END;
        continue;
      }
      if (!isLast && <i32>(inputEnd - at) < HEADER_BYTES) return NEEDS_INPUT;
      if (!readHeader()) return failure;
      continue;
    }
    const status = mode == IN_STORED ? copyStored() : decode();
    if (status != AT_HEADER_NEXT) return status;
    mode = AT_HEADER;
  }
  return failure;
}

/** The block is over. */
const AT_HEADER_NEXT: i32 = 100;

// @ts-ignore: decorators are legal on functions
@inline
function refill(): void {
  bits |= load<u64>(at) << bitCount;
  at += (63 - bitCount) >> 3;
  bitCount |= 56;
}

function take(count: u32): u32 {
  refill();
  const value = <u32>bits & ((1 << count) - 1);
  bits >>= count;
  bitCount -= count;
  return value;
}

/** Bytes that were only looked at are input again. */
function giveBack(): void {
  at -= bitCount >> 3;
  bitCount &= 7;
  bits &= (1 << bitCount) - 1;
}

function fail(status: i32): bool {
  failure = status;
  return false;
}

function readHeader(): bool {
  inLastBlock = take(1) != 0;
  const type = take(2);
  if (type == 0) return readStoredHeader();
  mode = IN_CODES;
  if (type == 1) return useFixedCodes();
  return type == 2 ? readCodes() : fail(IS_DAMAGED);
}

function readStoredHeader(): bool {
  const skipped = bitCount & 7;
  bits >>= skipped;
  bitCount -= skipped;
  giveBack();
  if (at + 4 > inputEnd) return fail(IS_CUT_OFF);
  const length = <u32>load<u16>(at);
  if ((length ^ <u32>load<u16>(at, 2)) != 0xffff) return fail(IS_DAMAGED);
  at += 4;
  storedLeft = length;
  mode = IN_STORED;
  return true;
}

function copyStored(): i32 {
  const count = min(min(storedLeft, <u32>(inputEnd - at)), <u32>(outputEnd - out));
  memory.copy(out, at, count);
  out += count;
  at += count;
  storedLeft -= count;
  if (storedLeft == 0) return AT_HEADER_NEXT;
  if (out == outputEnd) return HAS_PIECE;
  return isLast ? IS_CUT_OFF : NEEDS_INPUT;
}

function useFixedCodes(): bool {
  memory.fill(codeLengths, 8, 144);
  memory.fill(codeLengths + 144, 9, 112);
  memory.fill(codeLengths + 256, 7, 24);
  memory.fill(codeLengths + 280, 8, 8);
  makeTable(codeLengths, 288, literals, LITERAL_BITS, OF_LITERALS);
  memory.fill(codeLengths, 5, 32);
  makeTable(codeLengths, 32, distances, DISTANCE_BITS, OF_DISTANCES);
  return true;
}

function readCodes(): bool {
  const literalCount = take(5) + 257;
  const distanceCount = take(5) + 1;
  const lengthCount = take(4) + 4;
  if (literalCount > 286 || distanceCount > 30) return fail(IS_DAMAGED);
  memory.fill(codeLengths, 0, 19);
  for (let i: u32 = 0; i < lengthCount; i++) store<u8>(codeLengths + load<u8>(LENGTH_ORDER + i), <u8>take(3));
  if (!makeTable(codeLengths, 19, lengthCodes, LENGTHS_BITS, OF_LENGTHS)) return fail(IS_DAMAGED);
  const total = literalCount + distanceCount;
  for (let i: u32 = 0; i < total; ) {
    refill();
    const entry = load<u32>(lengthCodes + ((<u32>bits & 127) << 2));
    if (entry & SPECIAL) return fail(IS_DAMAGED);
    const taken = entry & 63;
    bits >>= taken;
    bitCount -= taken;
    const symbol = entry >>> 16;
    if (symbol < 16) {
      store<u8>(codeLengths + i++, <u8>symbol);
      continue;
    }
    if (symbol == 16 && i == 0) return fail(IS_DAMAGED);
    const repeated: u8 = symbol == 16 ? load<u8>(codeLengths + i - 1) : 0;
    const times = symbol == 16 ? 3 + take(2) : symbol == 17 ? 3 + take(3) : 11 + take(7);
    if (i + times > total) return fail(IS_DAMAGED);
    memory.fill(codeLengths + i, repeated, times);
    i += times;
  }
  if (load<u8>(codeLengths + 256) == 0) return fail(IS_DAMAGED);
  if (!makeTable(codeLengths + literalCount, distanceCount, distances, DISTANCE_BITS, OF_DISTANCES)) return fail(IS_DAMAGED);
  return makeTable(codeLengths, literalCount, literals, LITERAL_BITS, OF_LITERALS) || fail(IS_DAMAGED);
}

const OF_LENGTHS: i32 = 0;
const OF_LITERALS: i32 = 1;
const OF_DISTANCES: i32 = 2;

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

/** @returns false when the lengths are those of no prefix code; as zlib, it lets a single code of one bit pass. */
function makeTable(lengths: usize, symbolCount: u32, table: usize, tableBits: u32, kind: i32): bool {
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

function decode(): i32 {
  let buffer = bits;
  let count = bitCount;
  let from = at;
  let to = out;
  const inputStop = isLast ? inputEnd + 8 : inputEnd - 16;
  const outputStop = outputEnd - SLACK_BYTES;
  let status: i32 = -100;
  for (;;) {
    if (to > outputStop) {
      status = HAS_PIECE;
      break;
    }
    if (from > inputStop) {
      status = isLast ? IS_CUT_OFF : NEEDS_INPUT;
      break;
    }
    buffer |= load<u64>(from) << count;
    from += (63 - count) >> 3;
    count |= 56;
    let entry = load<u32>(literals + ((<usize>buffer & 2047) << 2));
    if (entry & LITERAL) {
      buffer >>= entry & 63;
      count -= entry & 63;
      store<u8>(to++, <u8>(entry >>> 16));
      entry = load<u32>(literals + ((<usize>buffer & 2047) << 2));
      if (!(entry & LITERAL)) continue;
      buffer >>= entry & 63;
      count -= entry & 63;
      store<u8>(to++, <u8>(entry >>> 16));
      entry = load<u32>(literals + ((<usize>buffer & 2047) << 2));
      if (!(entry & LITERAL)) continue;
      buffer >>= entry & 63;
      count -= entry & 63;
      store<u8>(to++, <u8>(entry >>> 16));
      continue;
    }
    if (entry & (SPECIAL | SUBTABLE)) {
      if (entry & SUBTABLE) {
        const width = (entry >>> 8) & 15;
        entry = load<u32>(literals + (((entry >>> 16) + ((<u32>(buffer >> 11)) & ((1 << width) - 1))) << 2));
        if (entry & LITERAL) {
          buffer >>= entry & 63;
          count -= entry & 63;
          store<u8>(to++, <u8>(entry >>> 16));
          continue;
        }
      }
      if (entry & SPECIAL) {
        if (entry & INVALID) {
          status = IS_DAMAGED;
          break;
        }
        buffer >>= entry & 63;
        count -= entry & 63;
        status = AT_HEADER_NEXT;
        break;
      }
    }
    const length = (entry >>> 16) + <u32>((buffer & ((<u64>1 << (entry & 63)) - 1)) >> ((entry >>> 8) & 15));
    buffer >>= entry & 63;
    count -= entry & 63;
    entry = load<u32>(distances + ((<usize>buffer & 511) << 2));
    if (entry & SUBTABLE) {
      const width = (entry >>> 8) & 15;
      entry = load<u32>(distances + (((entry >>> 16) + ((<u32>(buffer >> 9)) & ((1 << width) - 1))) << 2));
    }
    if (entry & SPECIAL) {
      status = IS_DAMAGED;
      break;
    }
    const distance = (entry >>> 16) + <u32>((buffer & ((<u64>1 << (entry & 63)) - 1)) >> ((entry >>> 8) & 15));
    buffer >>= entry & 63;
    count -= entry & 63;
    if (<usize>distance > to - historyAt) {
      status = IS_DAMAGED;
      break;
    }
    const end = to + length;
    if (distance >= 8) {
      let source = to - distance;
      do {
        store<u64>(to, load<u64>(source));
        to += 8;
        source += 8;
      } while (to < end);
    } else if (distance == 1) {
      memory.fill(to, load<u8>(to - 1), length);
    } else {
      for (; to < end; to++) store<u8>(to, load<u8>(to - distance));
    }
    to = end;
  }
  bits = buffer;
  bitCount = count;
  at = from;
  out = to;
  return status;
}

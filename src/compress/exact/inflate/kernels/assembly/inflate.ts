// kernel: own memory
// Inflates a raw DEFLATE stream (RFC 1951), a bounded piece at a time.

import { INVALID, LITERAL, makeTable, OF_DISTANCES, OF_LENGTHS, OF_LITERALS, SPECIAL, SUBTABLE } from './lib/code-table';

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

const LITERAL_BITS: u32 = 11;
const DISTANCE_BITS: u32 = 9;
const LENGTHS_BITS: u32 = 7;
// The most that tables of these widths can take, with subtables (as zlib's examples/enough.c counts them).
const literals: usize = memory.data(4 * 2400, 16);
const distances: usize = memory.data(4 * 1024, 16);
const lengthCodes: usize = memory.data(4 * 128, 16);

const codeLengths: usize = memory.data(320 + 16, 16);

const LENGTH_ORDER: usize = memory.data<u8>([16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]);

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

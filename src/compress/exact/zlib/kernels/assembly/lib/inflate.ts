// Decodes a raw deflate stream (RFC 1951) symbol by symbol. It has no window: what becomes of a token is the caller's.
import { HEADER_ORDER, LITERALS, DISTANCES, CODE_LENGTHS } from './block';
import { DISTANCE_BASE, DISTANCE_CODES, DISTANCE_EXTRA, END_OF_BLOCK, LENGTH_BASE, LENGTH_EXTRA, LITERAL_CODES } from './layout';

export const COMPRESSED_BYTES: i32 = 0x20000;
export const COMPRESSED: usize = memory.data(COMPRESSED_BYTES + 64, 16);
/** More than a block's header can take, and than a token can. */
export const HEADER_MOST_BYTES: u32 = 1024;
export const TOKEN_MOST_BYTES: u32 = 8;
const LONGEST_CODE: u32 = 15;

/** u16 by the next 15 bits: the symbol << 4 | bits, 0 for none. */
const LITERAL_TABLE: usize = memory.data(2 << 15, 16);
const DISTANCE_TABLE: usize = memory.data(2 << 15, 16);
const COUNTS: usize = memory.data(64, 16);
const NEXT: usize = memory.data(64, 16);

/** The lengths of both codes, one after the other, and how the header said them: u16 symbol | extra bits << 5. */
export const SAID_LENGTHS: usize = memory.data(320 + 138, 16);
export const SAID_RUNS: usize = memory.data(2 * 320, 16);
export const SAID_CODE_LENGTHS: usize = memory.data(32, 16);
export let saidRunsEnd: usize = SAID_RUNS;
export let literalCount: u32 = 0;
export let distanceCount: u32 = 0;
export let lengthCodeCount: u32 = 0;

/** The next bit, from COMPRESSED on, and how many there are. */
export let bitAt: u32 = 0;
export let bitEnd: u32 = 0;

export function setBits(at: u32, end: u32): void {
  bitAt = at;
  bitEnd = end;
}

// @ts-ignore: decorator
@inline
export function peek(): u64 {
  return load<u64>(COMPRESSED + (bitAt >> 3)) >> (bitAt & 7);
}

/** At most 56 bits. */
// @ts-ignore: decorator
@inline
export function take(count: u32): u32 {
  const value = <u32>(peek() & ((<u64>1 << count) - 1));
  bitAt += count;
  return value;
}

/** How many symbols a code may lack. */
const NONE: u32 = 0;
const ALL_BUT_ONE: u32 = 1;
const ANY: u32 = 2;

/** Makes a table of code lengths. @returns false when they are those of no code */
function makeTable(lengths: usize, symbols: u32, table: usize, lacking: u32): bool {
  memory.fill(COUNTS, 0, 64);
  for (let symbol: u32 = 0; symbol < symbols; symbol++) {
    const count = COUNTS + (<usize>load<u8>(lengths + symbol) << 2);
    store<u32>(count, load<u32>(count) + 1);
  }
  let code: u32 = 0;
  let space: u32 = 0;
  store<u32>(COUNTS, 0);
  for (let length: u32 = 1; length <= LONGEST_CODE; length++) {
    const count = load<u32>(COUNTS + (length << 2));
    store<u32>(NEXT + (length << 2), code);
    space += count << (LONGEST_CODE - length);
    code = (code + count) << 1;
  }
  if (space > 1 << LONGEST_CODE) return false;
  if (space < 1 << LONGEST_CODE && lacking != ANY) {
    if (lacking == NONE || (space != 0 && space != 1 << (LONGEST_CODE - 1))) return false;
  }
  memory.fill(table, 0, 2 << LONGEST_CODE);
  for (let symbol: u32 = 0; symbol < symbols; symbol++) {
    const length = <u32>load<u8>(lengths + symbol);
    if (length == 0) continue;
    const next = load<u32>(NEXT + (length << 2));
    store<u32>(NEXT + (length << 2), next + 1);
    let reversed: u32 = 0;
    for (let i: u32 = 0; i < length; i++) reversed |= ((next >> i) & 1) << (length - 1 - i);
    const entry = (symbol << 4) | length;
    for (; reversed < 1 << LONGEST_CODE; reversed += 1 << length) store<u16>(table + (reversed << 1), entry);
  }
  return true;
}

/** Reads the codes of a block with its own. @returns false when there are none */
export function readCodes(): bool {
  literalCount = take(5) + 257;
  distanceCount = take(5) + 1;
  lengthCodeCount = take(4) + 4;
  if (literalCount > LITERAL_CODES || distanceCount > DISTANCE_CODES) return false;
  memory.fill(SAID_CODE_LENGTHS, 0, 32);
  for (let rank: u32 = 0; rank < lengthCodeCount; rank++) {
    store<u8>(SAID_CODE_LENGTHS + load<u8>(HEADER_ORDER + rank), take(3));
  }
  if (!makeTable(SAID_CODE_LENGTHS, 19, LITERAL_TABLE, NONE)) return false;
  saidRunsEnd = SAID_RUNS;
  const total = literalCount + distanceCount;
  for (let done: u32 = 0; done < total; ) {
    const entry = <u32>load<u16>(LITERAL_TABLE + <usize>((<u32>peek() & 0x7fff) << 1));
    if (entry == 0) return false;
    bitAt += entry & 15;
    const symbol = entry >> 4;
    let extra: u32 = 0;
    let length = symbol;
    let count: u32 = 1;
    if (symbol == 16) {
      if (done == 0) return false;
      length = load<u8>(SAID_LENGTHS + done - 1);
      extra = take(2);
      count = 3 + extra;
    } else if (symbol > 16) {
      length = 0;
      extra = take(symbol == 17 ? 3 : 7);
      count = (symbol == 17 ? 3 : 11) + extra;
    }
    store<u16>(saidRunsEnd, symbol | (extra << 5));
    saidRunsEnd += 2;
    if (done + count > total) return false;
    memory.fill(SAID_LENGTHS + done, <u8>length, count);
    done += count;
  }
  return (
    load<u8>(SAID_LENGTHS + END_OF_BLOCK) != 0 &&
    makeTable(SAID_LENGTHS, literalCount, LITERAL_TABLE, ALL_BUT_ONE) &&
    makeTable(SAID_LENGTHS + literalCount, distanceCount, DISTANCE_TABLE, ALL_BUT_ONE)
  );
}

/** The codes of a block that says none. */
export function useFixedCodes(literals: usize, distances: usize): void {
  makeTable(literals, 288, LITERAL_TABLE, NONE);
  makeTable(distances, DISTANCE_CODES, DISTANCE_TABLE, ANY);
}

/** What {@link nextToken} answers beside tokens. */
export const NO_TOKEN: u32 = 0xffffffff;
export const BLOCK_ENDS: u32 = 0xfffffffe;
/** A match of 258 bytes said in another way than all do. */
export const ODD_TOKEN: u32 = 0xfffffffd;

/** The next token: distance (0 for a literal) | (literal or length - 3) << 16; counts it. Reads 48 bits at most. */
export function nextToken(): u32 {
  let bits = peek();
  let entry = <u32>load<u16>(LITERAL_TABLE + <usize>((<u32>bits & 0x7fff) << 1));
  if (entry == 0) return NO_TOKEN;
  let used = entry & 15;
  bits >>= used;
  const symbol = entry >> 4;
  const weight = LITERALS.weights + (<usize>symbol << 2);
  if (symbol < 256) {
    store<u32>(weight, load<u32>(weight) + 1);
    bitAt += used;
    return symbol << 16;
  }
  if (symbol == END_OF_BLOCK) {
    bitAt += used;
    return BLOCK_ENDS;
  }
  if (symbol >= LITERAL_CODES) return NO_TOKEN;
  store<u32>(weight, load<u32>(weight) + 1);
  const lengthCode = symbol - 257;
  const lengthExtra = <u32>load<u8>(LENGTH_EXTRA + lengthCode);
  const length = load<u8>(LENGTH_BASE + lengthCode) + (<u32>bits & ((1 << lengthExtra) - 1));
  if (length == 255 && lengthCode != 28) return ODD_TOKEN;
  bits >>= lengthExtra;
  entry = <u32>load<u16>(DISTANCE_TABLE + <usize>((<u32>bits & 0x7fff) << 1));
  if (entry == 0) return NO_TOKEN;
  bits >>= entry & 15;
  used += lengthExtra + (entry & 15);
  const code = entry >> 4;
  const distanceWeight = DISTANCES.weights + (<usize>code << 2);
  store<u32>(distanceWeight, load<u32>(distanceWeight) + 1);
  const distanceExtra = <u32>load<u8>(DISTANCE_EXTRA + code);
  const distance = load<u16>(DISTANCE_BASE + (code << 1)) + 1 + (<u32>bits & ((1 << distanceExtra) - 1));
  bitAt += used + distanceExtra;
  return distance | (length << 16);
}

/** Sets the counts of symbols to those of an empty block. */
export function clearCounts(): void {
  memory.fill(LITERALS.weights, 0, LITERAL_CODES << 2);
  memory.fill(DISTANCES.weights, 0, DISTANCE_CODES << 2);
  memory.fill(CODE_LENGTHS.weights, 0, 19 << 2);
  store<u32>(LITERALS.weights, 1, END_OF_BLOCK << 2);
}

// Huffman codes as zlib's trees.c makes them: which of several optimal codes comes out is decided by the order in
// which a binary heap yields equal weights, and by how lengths beyond the limit are taken back. Both are kept.
import { LITERAL_CODES } from './layout';

const NODES: u32 = 2 * LITERAL_CODES + 1;
/** u64, from 1: weight << 32 | depth << 16 | node. */
const HEAP: usize = memory.data(8 * 576, 16);
/** u16: the nodes as they left the heap, filled from the end: heaviest first. */
const LEAVING: usize = memory.data(2 * 576, 16);
const PARENT: usize = memory.data(2 * 576, 16);
const LENGTH_COUNT: usize = memory.data(32, 16);
const NEXT_CODE: usize = memory.data(32, 16);

let heapSize: u32 = 0;
let leavingFrom: u32 = 0;

/** Bits of the block's content with the codes built since these were set to 0, and with the fixed codes. */
export let dynamicBits: u32 = 0;
export let fixedBits: u32 = 0;

export function clearBitSums(): void {
  dynamicBits = 0;
  fixedBits = 0;
}

export function addDynamicBits(bits: u32): void {
  dynamicBits += bits;
}

/** One alphabet. The arrays are indexed by symbol; those that are written have room for all nodes of a tree. */
@unmanaged
export class Alphabet {
  /** u32, read; symbols that are needed for a complete code get the weight 1. */
  weights: usize;
  /** u8, written. */
  lengths: usize;
  /** u16, written: bits in the order of the stream. */
  codes: usize;
  /** u8: bits that follow a symbol, from symbol `extraFrom` on. */
  extraBits: usize;
  extraFrom: u32;
  /** u8: the fixed code's lengths, or 0 when there is none. */
  fixedLengths: usize;
  symbols: u32;
  maxLength: u32;
}

// Equal weights are ordered by depth, equal ones are "smaller" both ways: the low 16 bits do not count.
// @ts-ignore: decorator
@inline
function smaller(a: u64, b: u64): bool {
  return a <= (b | 0xffff);
}

function siftDown(from: u32): void {
  let at = from;
  const value = load<u64>(HEAP + (at << 3));
  for (let child = at << 1; child <= heapSize; child <<= 1) {
    let entry = load<u64>(HEAP + (child << 3));
    if (child < heapSize) {
      const right = load<u64>(HEAP + (child << 3), 8);
      if (smaller(right, entry)) {
        entry = right;
        child++;
      }
    }
    if (smaller(value, entry)) break;
    store<u64>(HEAP + (at << 3), entry);
    at = child;
  }
  store<u64>(HEAP + (at << 3), value);
}

function leave(node: u32): void {
  store<u16>(LEAVING + (--leavingFrom << 1), node);
}

/** Puts the used symbols into the heap, at least two; the largest of them. */
function fillHeap(alphabet: Alphabet): i32 {
  heapSize = 0;
  let largest: i32 = -1;
  for (let symbol: u32 = 0; symbol < alphabet.symbols; symbol++) {
    const weight = load<u32>(alphabet.weights + (symbol << 2));
    if (weight) {
      store<u64>(HEAP + (++heapSize << 3), (<u64>weight << 32) | symbol);
      largest = symbol;
    } else {
      store<u8>(alphabet.lengths + symbol, 0);
    }
  }
  while (heapSize < 2) {
    const symbol: u32 = largest < 2 ? ++largest : 0;
    store<u32>(alphabet.weights + (symbol << 2), 1);
    store<u64>(HEAP + (++heapSize << 3), (<u64>1 << 32) | symbol);
    dynamicBits--;
    if (alphabet.fixedLengths) fixedBits -= load<u8>(alphabet.fixedLengths + symbol);
  }
  return largest;
}

function joinNodes(symbols: u32): void {
  let node = symbols;
  leavingFrom = NODES;
  do {
    const first = load<u64>(HEAP, 8);
    store<u64>(HEAP, load<u64>(HEAP + (heapSize-- << 3)), 8);
    siftDown(1);
    const second = load<u64>(HEAP, 8);
    const a = <u32>first & 0xffff;
    const b = <u32>second & 0xffff;
    leave(a);
    leave(b);
    const depth = max((<u32>first >> 16) & 0xff, (<u32>second >> 16) & 0xff) + 1;
    const weight = (first >> 32) + (second >> 32);
    store<u16>(PARENT + (a << 1), node);
    store<u16>(PARENT + (b << 1), node);
    store<u64>(HEAP, (weight << 32) | (<u64>(depth & 0xff) << 16) | node++, 8);
    siftDown(1);
  } while (heapSize >= 2);
  leave(<u32>load<u64>(HEAP, 8) & 0xffff);
}

/** Gives every node its depth, capped; adds up the block's bits; how many depths were capped. */
function measure(alphabet: Alphabet, largest: u32): i32 {
  let capped: i32 = 0;
  const lengths = alphabet.lengths;
  store<u8>(lengths + load<u16>(LEAVING + (leavingFrom << 1)), 0);
  for (let at = leavingFrom + 1; at < NODES; at++) {
    const node = <u32>load<u16>(LEAVING + (at << 1));
    let length = <u32>load<u8>(lengths + load<u16>(PARENT + (node << 1))) + 1;
    if (length > alphabet.maxLength) {
      length = alphabet.maxLength;
      capped++;
    }
    store<u8>(lengths + node, length);
    if (node > largest) continue;
    store<u16>(LENGTH_COUNT + (length << 1), load<u16>(LENGTH_COUNT + (length << 1)) + 1);
    const weight = load<u32>(alphabet.weights + (node << 2));
    const extra =
      node >= alphabet.extraFrom ? <u32>load<u8>(alphabet.extraBits + node - alphabet.extraFrom) : 0;
    dynamicBits += weight * (length + extra);
    if (alphabet.fixedLengths) fixedBits += weight * (load<u8>(alphabet.fixedLengths + node) + extra);
  }
  return capped;
}

/** Makes room for lengths that were capped by lengthening the longest of the others, and deals all lengths anew. */
function fitLengths(alphabet: Alphabet, largest: u32, capped: i32): void {
  const longest = alphabet.maxLength;
  do {
    let length = longest - 1;
    while (load<u16>(LENGTH_COUNT + (length << 1)) == 0) length--;
    const at = LENGTH_COUNT + (length << 1);
    store<u16>(at, load<u16>(at) - 1);
    store<u16>(at, load<u16>(at, 2) + 2, 2);
    store<u16>(LENGTH_COUNT + (longest << 1), load<u16>(LENGTH_COUNT + (longest << 1)) - 1);
    capped -= 2;
  } while (capped > 0);
  let at = NODES;
  for (let length = longest; length; length--) {
    let count = <u32>load<u16>(LENGTH_COUNT + (length << 1));
    while (count) {
      const node = <u32>load<u16>(LEAVING + (--at << 1));
      if (node > largest) continue;
      const before = <u32>load<u8>(alphabet.lengths + node);
      dynamicBits += (length - before) * load<u32>(alphabet.weights + (node << 2));
      store<u8>(alphabet.lengths + node, length);
      count--;
    }
  }
}

function reverse(code: u32, length: u32): u32 {
  let result: u32 = 0;
  for (; length; length--, code >>= 1) result = (result << 1) | (code & 1);
  return result;
}

/** The canonical code (RFC 1951, 3.2.2) of the lengths of symbols 0 to `largest`, whose counts are given. */
function assignCodes(lengths: usize, codes: usize, largest: u32): void {
  let code: u32 = 0;
  for (let length: u32 = 1; length <= 15; length++) {
    code = (code + load<u16>(LENGTH_COUNT + ((length - 1) << 1))) << 1;
    store<u16>(NEXT_CODE + (length << 1), code);
  }
  for (let symbol: u32 = 0; symbol <= largest; symbol++) {
    const length = <u32>load<u8>(lengths + symbol);
    if (length == 0) continue;
    const next = <u32>load<u16>(NEXT_CODE + (length << 1));
    store<u16>(NEXT_CODE + (length << 1), next + 1);
    store<u16>(codes + (symbol << 1), reverse(next, length));
  }
}

/** Makes the code of an alphabet for its weights; the largest symbol in it. Adds to the sums of bits. */
export function buildCode(alphabet: Alphabet): u32 {
  const largest = <u32>fillHeap(alphabet);
  for (let at = heapSize >> 1; at >= 1; at--) siftDown(at);
  joinNodes(alphabet.symbols);
  memory.fill(LENGTH_COUNT, 0, 32);
  const capped = measure(alphabet, largest);
  if (capped) fitLengths(alphabet, largest, capped);
  assignCodes(alphabet.lengths, alphabet.codes, largest);
  return largest;
}

/** The code that goes with lengths given for symbols 0 to `largest`. */
export function codeOfLengths(lengths: usize, codes: usize, largest: u32): void {
  memory.fill(LENGTH_COUNT, 0, 32);
  for (let symbol: u32 = 0; symbol <= largest; symbol++) {
    const at = LENGTH_COUNT + (<u32>load<u8>(lengths + symbol) << 1);
    store<u16>(at, load<u16>(at) + 1);
  }
  store<u16>(LENGTH_COUNT, 0);
  assignCodes(lengths, codes, largest);
}

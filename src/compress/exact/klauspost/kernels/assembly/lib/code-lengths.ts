// The header of a block with codes of its own: RFC 1951, section 3.2.7.
import { putBits, putCode } from './bit-writer';
import { buildCodes, sizeInBits } from './huffman';
import { CODE_LENGTHS, CODE_LENGTH_CODES, CODE_LENGTH_COUNTS } from './layout';

const END: u32 = 255;
const ORDER: usize = memory.data<u8>([16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]);

let emitted: usize = CODE_LENGTHS;
/** How many lengths of code length codes the header has. */
let sentCount: i32 = 0;

/** Prepares the header for the first codes of both trees and returns its size in bits. */
export function planHeader(literalCodes: usize, literals: i32, distanceCodes: usize, distances: i32): i32 {
  memory.fill(CODE_LENGTH_COUNTS, 0, 19 * 4);
  emitted = CODE_LENGTHS;
  const total = literals + distances;
  let length = codeLengthAt(0, literalCodes, literals, distanceCodes);
  let count = 1;
  for (let i = 1; i <= total; i++) {
    const next = i == total ? END : codeLengthAt(i, literalCodes, literals, distanceCodes);
    if (next == length) {
      count++;
      continue;
    }
    emitRun(length, count);
    length = next;
    count = 1;
  }
  store<u8>(emitted, <u8>END);
  buildCodes(CODE_LENGTH_CODES, CODE_LENGTH_COUNTS, 19, 7);
  return sizeOfHeader();
}

// @ts-ignore: decorator
@inline
function codeLengthAt(index: i32, literalCodes: usize, literals: i32, distanceCodes: usize): u32 {
  return index < literals
    ? <u32>load<u8>(literalCodes + (<usize>index << 2))
    : <u32>load<u8>(distanceCodes + (<usize>(index - literals) << 2));
}

function emit(symbol: u32): void {
  store<u8>(emitted++, <u8>symbol);
  const count = CODE_LENGTH_COUNTS + (symbol << 2);
  store<u32>(count, load<u32>(count) + 1);
}

/** A run of one length, greedily: the longest repetition first, what is too short for one singly. */
function emitRun(length: u32, count: i32): void {
  if (length != 0) {
    emit(length);
    for (count--; count >= 3; ) {
      const repeated = min(count, 6);
      emit(16);
      store<u8>(emitted++, <u8>(repeated - 3));
      count -= repeated;
    }
  } else {
    while (count >= 11) {
      const repeated = min(count, 138);
      emit(18);
      store<u8>(emitted++, <u8>(repeated - 11));
      count -= repeated;
    }
    if (count >= 3) {
      emit(17);
      store<u8>(emitted++, <u8>(count - 3));
      count = 0;
    }
  }
  for (; count > 0; count--) emit(length);
}

function sizeOfHeader(): i32 {
  sentCount = 19;
  while (sentCount > 4 && load<u32>(CODE_LENGTH_COUNTS + (<usize>load<u8>(ORDER + sentCount - 1) << 2)) == 0) sentCount--;
  const extra =
    load<u32>(CODE_LENGTH_COUNTS + 16 * 4) * 2 +
    load<u32>(CODE_LENGTH_COUNTS + 17 * 4) * 3 +
    load<u32>(CODE_LENGTH_COUNTS + 18 * 4) * 7;
  return 3 + 5 + 5 + 4 + 3 * sentCount + sizeInBits(CODE_LENGTH_CODES, CODE_LENGTH_COUNTS, 19) + <i32>extra;
}

/** Sends the header that was planned last, of a block that is not the last one. */
export function putHeader(literals: i32, distances: i32): void {
  putBits(4, 3);
  putBits(<u64>(literals - 257), 5);
  putBits(<u64>(distances - 1), 5);
  putBits(<u64>(sentCount - 4), 4);
  for (let i = 0; i < sentCount; i++) {
    putBits(<u64>load<u8>(CODE_LENGTH_CODES + (<usize>load<u8>(ORDER + i) << 2)), 3);
  }
  for (let at = CODE_LENGTHS; ; ) {
    const symbol = <u32>load<u8>(at++);
    if (symbol == END) return;
    putCode(load<u32>(CODE_LENGTH_CODES + (symbol << 2)));
    if (symbol >= 16) putBits(<u64>load<u8>(at++), symbol == 16 ? 2 : symbol == 17 ? 3 : 7);
  }
}

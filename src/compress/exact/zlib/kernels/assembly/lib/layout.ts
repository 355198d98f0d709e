// Where things lie in the kernel's memory, the sizes of zlib's window, and the constant tables of RFC 1951.

/** Distances reach back this far at most, less MIN_LOOKAHEAD; the window holds twice as much. */
export const HALF_WINDOW: u32 = 0x8000;
export const WINDOW_BYTES: u32 = 2 * HALF_WINDOW;
export const MIN_MATCH: u32 = 3;
export const MAX_MATCH: u32 = 258;
/** With fewer bytes ahead the window is filled first: the longest match, the string after it, and one. */
export const MIN_LOOKAHEAD: u32 = MAX_MATCH + MIN_MATCH + 1;
export const MAX_DISTANCE: u32 = HALF_WINDOW - MIN_LOOKAHEAD;
/** From here on no match may start, and filling slides the window first. */
export const SLIDE_AT: u32 = HALF_WINDOW + MAX_DISTANCE;

export const INPUT_BYTES: i32 = 0x40000;
// The input and a full window, were they all matches of three bytes (31 bits at most), and the block before them.
const OUTPUT_BYTES: i32 = 0xc0000;

// Comparisons read by words, up to eight bytes beyond the longest match.
export const WINDOW: usize = memory.data(<i32>WINDOW_BYTES + 64, 16);
/**
 * u32 by hash of three bytes: the newest window index with it, 0 for none | how many there have been << 16.
 * u32 by index modulo HALF_WINDOW: the entry that the index found there, thus the one before and its own ordinal.
 */
export const HEAD: usize = memory.data(0x40000, 16);
export const PREVIOUS: usize = memory.data(0x20000, 16);
/** u16 by hash of four bytes, as HEAD; u32 by index: the index before | the own ordinal of PREVIOUS << 16. */
export const HEAD_OF_FOUR: usize = memory.data(0x10000, 16);
export const PREVIOUS_OF_FOUR: usize = memory.data(0x20000, 16);
/** u32: distance (0 for a literal) | (literal or length - 3) << 16. */
export const TOKENS: usize = memory.data(0x20000, 16);
export const INPUT: usize = memory.data(INPUT_BYTES, 16);
export const OUTPUT: usize = memory.data(OUTPUT_BYTES + 64, 16);

export const LITERAL_CODES: u32 = 286;
export const DISTANCE_CODES: u32 = 30;
export const LENGTH_CODES_CODES: u32 = 19;
export const END_OF_BLOCK: u32 = 256;

/** u8 by length - 3: the length code, from 0. */
export const LENGTH_CODE: usize = memory.data(256, 16);
export const LENGTH_EXTRA: usize = memory.data<u8>([
  0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0,
]);
/** u8 by length code: the least length - 3. */
export const LENGTH_BASE: usize = memory.data(32, 16);
/** u8 by distance - 1 below 256, then by 256 + (distance - 1 >> 7): the distance code. */
export const DISTANCE_CODE: usize = memory.data(512, 16);
export const DISTANCE_EXTRA: usize = memory.data<u8>([
  0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13,
]);
/** u16 by distance code: the least distance - 1. */
export const DISTANCE_BASE: usize = memory.data(64, 16);

/** The distance code of `distance` - 1. */
// @ts-ignore: decorator
@inline
export function distanceCode(distance: u32): u32 {
  return <u32>load<u8>(DISTANCE_CODE + <usize>(distance < 256 ? distance : 256 + (distance >> 7)));
}

function fillTables(): void {
  let length: u32 = 0;
  for (let code: u32 = 0; code < 28; code++) {
    store<u8>(LENGTH_BASE + code, length);
    const count: u32 = 1 << load<u8>(LENGTH_EXTRA + code);
    for (let n: u32 = 0; n < count; n++) store<u8>(LENGTH_CODE + length++, code);
  }
  // The longest match has a code of its own, though the code before it could say it too.
  store<u8>(LENGTH_BASE + 28, 255);
  store<u8>(LENGTH_CODE + 255, 28);
  let distance: u32 = 0;
  for (let code: u32 = 0; code < DISTANCE_CODES; code++) {
    store<u16>(DISTANCE_BASE + (code << 1), distance);
    const count: u32 = 1 << load<u8>(DISTANCE_EXTRA + code);
    for (let n: u32 = 0; n < count; n++, distance++) {
      if (distance < 256) store<u8>(DISTANCE_CODE + distance, code);
      else store<u8>(DISTANCE_CODE + 256 + (distance >> 7), code);
    }
  }
}
fillTables();

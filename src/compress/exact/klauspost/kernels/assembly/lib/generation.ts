// Which release's output is made: the number of changes of output before it, in the order they were released.

/** From 1.14.2 the end of block counts as a symbol where a new table's size is estimated. */
export const BEFORE_COUNTED_END: i32 = 0;
/** From 1.14.3 the fixed codes are tried for short blocks only, and noise is recognised by its histogram. */
export const BEFORE_NOISE_TEST: i32 = 1;
/** From 1.15.0 a long match is cut into pieces of 258 bytes; before it, of 255. */
export const BEFORE_LONG_SPLIT: i32 = 2;
/** From 1.15.10 the first two bytes may differ where levels 5 and 6 look for a better match by its end. */
export const BEFORE_SKIPPED_START: i32 = 3;
/** From 1.15.11 levels 1 to 3 hash five bytes; before it, four. */
export const BEFORE_FIVE_BYTE_HASH: i32 = 4;
/** From 1.15.15 levels 7 to 9 do the same as 5 and 6, and level 9 weighs matches otherwise. */
export const BEFORE_LAZY_SKIPPED_START: i32 = 5;
/** From 1.18.0 level 4 measures one of two matches at the wrong place, so it often takes the worse. */
export const BEFORE_WRONG_PLACE: i32 = 6;
/** From 1.18.1 a header leaves out what is unused at its end; in 1.18.1 it forgets the end of block. */
export const BEFORE_TRIMMED_HEADER: i32 = 7;
export const BEFORE_SOUND_HEADER: i32 = 8;
/** From 1.20.3 levels 7 to 9 do not count a dictionary among the bytes of the first block. */
export const BEFORE_DICTIONARY_APART: i32 = 9;
/** Go 1.27 alone: level 9 takes a byte that has no code to cost a bit. */
export const GO_1_27: i32 = 11;

export let generation: i32 = 0;

export function setGeneration(value: i32): void {
  generation = value;
}

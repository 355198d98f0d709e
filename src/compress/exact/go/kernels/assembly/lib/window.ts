// The window of levels 2 to 9 and the chains of positions with the same hash of four bytes.
//
// The original slides its window of 64 KiB down by half when it is nearly used up, and looks at nothing before its
// start: how far back a match may lie depends on where in the window it is. So this window slides at the same places.

export const WINDOW_BYTES: i32 = 65536;
export const FURTHEST: i32 = 32768;
export const SHORTEST: i32 = 4;
export const LONGEST: i32 = 258;
/** Past this index a window that is full slides. */
export const SLIDE_FROM: i32 = WINDOW_BYTES - (SHORTEST + LONGEST);

const HASH_BITS: u32 = 17;
const HEADS_BYTES: i32 = 2 << HASH_BITS;

export const WINDOW: usize = memory.data(WINDOW_BYTES + 16, 16);
/** For each hash, a u16: the last index of the window with it, plus one; 0 for none. */
const heads: usize = memory.data(HEADS_BYTES, 16);
/**
 * For each index modulo 32 KiB, a u16: how far before it its predecessor in the chain lies, or a distance that goes
 * beyond the window's start. It stays so when the window slides.
 */
const steps: usize = memory.data(2 * FURTHEST, 16);
/** For each index modulo 32 KiB, a u16: how many came before it in its chain, modulo 2^16; wrong where that lies too far back. */
const ordinals: usize = memory.data(2 * FURTHEST, 16);

export function forgetWindow(): void {
  memory.fill(heads, 0, HEADS_BYTES);
}

/** Moves the upper half of the window to the lower one, and heads along; those of the lower half are gone. */
export function slideWindow(): void {
  memory.copy(WINDOW, WINDOW + FURTHEST, WINDOW_BYTES - FURTHEST);
  const down = i16x8.splat(<i16>FURTHEST);
  for (let at = heads; at < heads + HEADS_BYTES; at += 16) {
    v128.store(at, i16x8.sub_sat_u(v128.load(at), down));
  }
}

/**
 * Puts the position at an index of the window at the head of its chain. Answers how far before it the last one
 * lies: more than the index when there is none in the window.
 */
// @ts-ignore: decorator
@inline
export function enterPosition(index: i32): u32 {
  const head = headOf(bswap(load<u32>(WINDOW + index)));
  const place: u32 = index + 1;
  const distance = place - load<u16>(head);
  const cell = cellOf(index);
  const ordinal = load<u16>(ordinals + cellOf(index - distance)) + 1;
  store<u16>(head, <u16>place);
  store<u16>(steps + cell, <u16>distance);
  store<u16>(ordinals + cell, <u16>ordinal);
  return distance;
}

// @ts-ignore: decorator
@inline
function headOf(value: u32): usize {
  return heads + <usize>(((value * 0x1e35a7bd) >> (32 - HASH_BITS)) << 1);
}

// @ts-ignore: decorator
@inline
function cellOf(index: u32): usize {
  return <usize>((index & (FURTHEST - 1)) << 1);
}

/** How far before an index that is not in its chain yet the last one of that lies; more than the index when there is none. */
// @ts-ignore: decorator
@inline
export function lastDistance(index: i32): u32 {
  return index + 1 - load<u16>(headOf(bswap(load<u32>(WINDOW + index))));
}

/** By how many steps of its chain one comes from `index` to the place `distance` before it, less than FURTHEST. */
// @ts-ignore: decorator
@inline
export function linksBetween(index: i32, distance: u32): u32 {
  return <u32>(load<u16>(ordinals + cellOf(index)) - load<u16>(ordinals + cellOf(index - distance))) & 0xffff;
}

/** From the position `distance` before `index` to the one before it in its chain. */
// @ts-ignore: decorator
@inline
export function stepFrom(index: i32, distance: u32): u32 {
  return load<u16>(steps + cellOf(index - distance));
}

export function enterPositions(from: i32, to: i32): void {
  for (let index = from; index < to; index++) enterPosition(index);
}

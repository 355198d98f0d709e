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
const HEADS_BYTES: usize = 4 << HASH_BITS;
/** Heads are moved down before positions leave a u32, seldom enough to cost nothing. */
const MOST_BASE: u32 = 1 << 30;

export const WINDOW: usize = memory.data(WINDOW_BYTES + 16, 16);
/** For each hash, the last position with it, plus one; 0 for none. Positions count from `base`, which is never 0. */
const heads: usize = memory.data(4 << HASH_BITS, 16);
/** For each index of the window modulo 32 KiB, how far before it its predecessor in the chain lies; 0xffff: too far. */
const steps: usize = memory.data(2 * FURTHEST, 16);

/** What index 0 of the window has as a position. */
let base: u32 = 1;

export function forgetWindow(): void {
  memory.fill(heads, 0, HEADS_BYTES);
  base = 1;
}

/** Moves the upper half of the window to the lower one. */
export function slideWindow(): void {
  memory.copy(WINDOW, WINDOW + FURTHEST, WINDOW_BYTES - FURTHEST);
  base += FURTHEST;
  if (base <= MOST_BASE) return;
  const down = base - 1;
  for (let at = heads; at < heads + HEADS_BYTES; at += 4) {
    const position = load<u32>(at);
    store<u32>(at, position > down ? position - down : 0);
  }
  base = 1;
}

/**
 * Puts the position at an index of the window at the head of its chain. Answers how far before it the last one
 * lies: more than the index when there is none in the window.
 */
// @ts-ignore: decorator
@inline
export function enterPosition(index: i32): u32 {
  const value = bswap(load<u32>(WINDOW + index));
  const head = heads + <usize>(((value * 0x1e35a7bd) >> (32 - HASH_BITS)) << 2);
  const position = base + index;
  const distance = position - load<u32>(head);
  store<u32>(head, position);
  store<u16>(steps + <usize>((index & (FURTHEST - 1)) << 1), <u16>min(distance, 0xffff));
  return distance;
}

/** From the position `distance` before `index` to the one before it in its chain. */
// @ts-ignore: decorator
@inline
export function stepFrom(index: i32, distance: u32): u32 {
  return load<u16>(steps + <usize>(((index - distance) & (FURTHEST - 1)) << 1));
}

export function enterPositions(from: i32, to: i32): void {
  for (let index = from; index < to; index++) enterPosition(index);
}

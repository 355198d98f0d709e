// Compares bytes that lie at two places of the memory, 16 a step.

/** How far the score of a copy may fall below its best before it ends. */
export const FORWARD_DROP: i32 = 24;

// @ts-ignore: decorator
@inline
export function equalMask(a: usize, b: usize): i32 {
  return i8x16.bitmask(i8x16.eq(v128.load(a), v128.load(b)));
}

// @ts-ignore: decorator
@inline
export function isEqual(a: usize, b: usize): i32 {
  return <i32>(load<u8>(a) == load<u8>(b));
}

/** How many of `count` bytes are equal. */
export function countEqual(a: usize, b: usize, count: u32): i32 {
  let equal: i32 = 0;
  let i: u32 = 0;
  for (; i + 16 <= count; i += 16) equal += popcnt(equalMask(a + i, b + i));
  for (; i < count; i++) equal += isEqual(a + i, b + i);
  return equal;
}

/** The length near `length`, not above `limit`, at which a copy gains most: the last of them. */
export function refine(a: usize, b: usize, length: u32, limit: u32): u32 {
  const first = length >= 16 ? length - 16 : 0;
  const end = min(length + 16, limit);
  let score: i32 = 0;
  let top: i32 = 0;
  let best = first;
  for (let i = first; i < end; i++) {
    score += isEqual(a + i, b + i) * 2 - 1;
    if (score >= top) {
      top = score;
      best = i + 1;
    }
  }
  return best;
}

/** What a copy of at most `limit` bytes gains. */
export function forwardScore(a: usize, b: usize, limit: u32): i32 {
  let score: i32 = 0;
  let top: i32 = 0;
  let i: u32 = 0;
  for (; i + 16 <= limit; i += 16) {
    score += popcnt(equalMask(a + i, b + i)) * 2 - 16;
    if (score > top) top = score;
    else if (score < top - FORWARD_DROP) return top;
  }
  for (; i < limit; i++) {
    score += isEqual(a + i, b + i) * 2 - 1;
    if (score > top) top = score;
  }
  return top;
}

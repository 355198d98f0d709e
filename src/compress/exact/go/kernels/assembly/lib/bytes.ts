/** How many of at most `most` bytes at `a` and `b` are equal before the first that differ; reads up to 7 beyond. */
// @ts-ignore: decorator
@inline
export function equalBytes(a: usize, b: usize, most: i32): i32 {
  let length = 0;
  while (length < most) {
    const difference = load<u64>(a + length) ^ load<u64>(b + length);
    if (difference != 0) return min(most, length + <i32>(ctz(difference) >> 3));
    length += 8;
  }
  return most;
}

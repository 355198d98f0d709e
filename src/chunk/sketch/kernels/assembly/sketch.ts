// kernel: shared memory
// The sketch-1 kernel: the features of one chunk in shared memory, 64 bytes a step. docs/format.md is normative.
//
// It has no static data and writes no memory: what it gathers is in globals, which each instance has of its own.
// It reads only bytes of the chunk it was given.

/** A position is sampled where these bits of the difference are those of the target. */
const SAMPLE_MASK: i8 = <i8>0xfc;
const SAMPLE_TARGET: i8 = <i8>0x88;
/** What is hashed ends with the sampled byte. */
const WINDOW_BYTES: u32 = 20;
const SMALLEST_CHUNK: u32 = 64;
const NONE: u64 = u64.MAX_VALUE;

let least0: u64 = NONE;
let least1: u64 = NONE;
let least2: u64 = NONE;
let least3: u64 = NONE;
let least4: u64 = NONE;
let least5: u64 = NONE;

/** s1(b) = b + table[b & 15], modulo 256, for 16 bytes: the chunker's. */
// @ts-ignore: decorator
@inline
function spread(bytes: v128): v128 {
  const table = i8x16(
    <i8>0xdc, <i8>0x63, <i8>0xdb, <i8>0x93, <i8>0x2b, <i8>0x09, <i8>0xbf, <i8>0xba,
    <i8>0x33, <i8>0xa9, <i8>0x69, <i8>0xbd, <i8>0x2b, <i8>0xbd, <i8>0x02, <i8>0xaa,
  );
  return i8x16.add(bytes, i8x16.swizzle(table, v128.and(bytes, i8x16.splat(15))));
}

/** Each lane of `current` minus the one 1 before it; `previous` is the vector before. */
// @ts-ignore: decorator
@inline
function minus1(previous: v128, current: v128): v128 {
  return i8x16.sub(
    current,
    v128.shuffle<i8>(previous, current, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30),
  );
}

// @ts-ignore: decorator
@inline
function minus2(previous: v128, current: v128): v128 {
  return i8x16.sub(
    current,
    v128.shuffle<i8>(previous, current, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29),
  );
}

// @ts-ignore: decorator
@inline
function minus4(previous: v128, current: v128): v128 {
  return i8x16.sub(
    current,
    v128.shuffle<i8>(previous, current, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27),
  );
}

/** The lanes whose difference s8 is sampled. */
// @ts-ignore: decorator
@inline
function samples(previous: v128, current: v128): v128 {
  return i8x16.eq(
    v128.and(minus4(previous, current), i8x16.splat(SAMPLE_MASK)),
    i8x16.splat(SAMPLE_TARGET),
  );
}

/** x of the window that ends with the byte at `last`. */
// @ts-ignore: decorator
@inline
function hashWindow(last: usize): u64 {
  let x = load<u64>(last - 19) * 0x9e3779b97f4a7c15;
  x ^= x >> 32;
  x = (x ^ load<u64>(last - 11)) * 0xbf58476d1ce4e5b9;
  x ^= x >> 32;
  x = (x ^ <u64>load<u32>(last - 3)) * 0x94d049bb133111eb;
  x ^= x >> 29;
  x *= 0xd6e8feb86659fd93;
  return x ^ (x >> 32);
}

/** Puts a hash in its class. @returns the greatest of the least: no hash from there on can change anything */
function take(x: u64): u64 {
  const kind = (<u32>(x >> 32) & 0xffff) * 6 >> 16;
  if (kind == 0) least0 = min(least0, x);
  else if (kind == 1) least1 = min(least1, x);
  else if (kind == 2) least2 = min(least2, x);
  else if (kind == 3) least3 = min(least3, x);
  else if (kind == 4) least4 = min(least4, x);
  else least5 = min(least5, x);
  return max(max(max(least0, least1), max(least2, least3)), max(least4, least5));
}

/** Sketches the `length` bytes at `chunk`; {@link feature} then tells the features. */
export function sketch(chunk: usize, length: u32): void {
  least0 = least1 = least2 = least3 = least4 = least5 = NONE;
  if (length < SMALLEST_CHUNK) return;
  let bound = NONE;
  let pointer = chunk + WINDOW_BYTES - 1;
  const end = chunk + length;
  let a3 = spread(v128.load(pointer - 16));
  // The lowest lanes lack the bytes before them, but what follows sees only lanes 12 and above.
  let d3 = minus1(a3, a3);
  let q3 = minus2(d3, d3);
  for (; pointer + 64 <= end; pointer += 64) {
    const a0 = spread(v128.load(pointer));
    const d0 = minus1(a3, a0);
    const q0 = minus2(d3, d0);
    const m0 = samples(q3, q0);
    const a1 = spread(v128.load(pointer, 16));
    const d1 = minus1(a0, a1);
    const q1 = minus2(d0, d1);
    const m1 = samples(q0, q1);
    const a2 = spread(v128.load(pointer, 32));
    const d2 = minus1(a1, a2);
    const q2 = minus2(d1, d2);
    const m2 = samples(q1, q2);
    a3 = spread(v128.load(pointer, 48));
    d3 = minus1(a2, a3);
    q3 = minus2(d2, d3);
    const m3 = samples(q2, q3);
    if (!v128.any_true(v128.or(v128.or(m0, m1), v128.or(m2, m3)))) continue;
    let bits = <u64>i8x16.bitmask(m0) | <u64>i8x16.bitmask(m1) << 16
      | <u64>i8x16.bitmask(m2) << 32 | <u64>i8x16.bitmask(m3) << 48;
    do {
      const x = hashWindow(pointer + <usize>ctz(bits));
      if (x < bound) bound = take(x);
      bits &= bits - 1;
    } while (bits);
  }
  while (pointer < end) {
    // The last vector ends with the last byte; what is seen a second time changes nothing.
    const vector = min(pointer, end - 16);
    const a = spread(v128.load(vector - 16));
    const b = spread(v128.load(vector));
    const d = minus1(a, a);
    const e = minus1(a, b);
    let bits = i8x16.bitmask(samples(minus2(d, d), minus2(d, e)));
    for (; bits; bits &= bits - 1) {
      const x = hashWindow(vector + <usize>ctz(bits));
      if (x < bound) bound = take(x);
    }
    pointer = vector + 16;
  }
}

/** Feature 0 to 5 of the chunk sketched last; 0 where its class was empty. */
export function feature(kind: u32): u32 {
  let least = least5;
  if (kind == 0) least = least0;
  else if (kind == 1) least = least1;
  else if (kind == 2) least = least2;
  else if (kind == 3) least = least3;
  else if (kind == 4) least = least4;
  return least == NONE ? 0 : <u32>least;
}

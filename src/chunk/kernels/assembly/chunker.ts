// kernel: shared memory
// The xgear-1 kernel: finds the end of one chunk in shared memory, 64 bytes a step. docs/format.md is normative.
//
// It keeps no state and has no static data, so any number of threads may run it over one memory.
// It reads only bytes of the chunk it was given: [chunk, chunk + length).

/** The value a difference is compared with; its top bit is set, so a difference of zero is never a cut. */
const TARGET: u32 = 0x8b;

/** s1(b) = b + table[b & 15], modulo 256, for 16 bytes. The table makes s1 a permutation of the bytes. */
// @ts-ignore: decorator
@inline
function spread(bytes: v128): v128 {
  const table = i8x16(
    <i8>0xdc, <i8>0x63, <i8>0xdb, <i8>0x93, <i8>0x2b, <i8>0x09, <i8>0xbf, <i8>0xba,
    <i8>0x33, <i8>0xa9, <i8>0x69, <i8>0xbd, <i8>0x2b, <i8>0xbd, <i8>0x02, <i8>0xaa,
  );
  return i8x16.add(bytes, i8x16.swizzle(table, v128.and(bytes, i8x16.splat(15))));
}

/** The 16 lanes that lie 1 before `current`, of which `previous` is the vector before. */
// @ts-ignore: decorator
@inline
function lag1(previous: v128, current: v128): v128 {
  return v128.shuffle<i8>(previous, current, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30);
}

// @ts-ignore: decorator
@inline
function lag2(previous: v128, current: v128): v128 {
  return v128.shuffle<i8>(previous, current, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29);
}

// @ts-ignore: decorator
@inline
function lag4(previous: v128, current: v128): v128 {
  return v128.shuffle<i8>(previous, current, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27);
}

/** s8 of the one byte at `at`, from the 8 bytes that end with it; reads 16. */
function differenceAt(at: usize): u32 {
  const zero = i8x16.splat(0);
  const a = spread(v128.load(at - 15));
  const d = i8x16.sub(a, lag1(zero, a));
  const q = i8x16.sub(d, lag2(zero, d));
  return <u32>i8x16.extract_lane_u(i8x16.sub(q, lag4(zero, q)), 15);
}

/** Bit k says whether the outer test holds at byte `at` + k; reads [at - 32, at + 16). */
function outerHits(at: usize, outerMask: u32): i32 {
  const outer = i8x16.splat(<i8>outerMask);
  const target = i8x16.splat(<i8>(TARGET & outerMask));
  const a0 = spread(v128.load(at - 32));
  const a1 = spread(v128.load(at - 16));
  const a2 = spread(v128.load(at));
  const d0 = i8x16.sub(a0, lag1(a0, a0));
  const d1 = i8x16.sub(a1, lag1(a0, a1));
  const d2 = i8x16.sub(a2, lag1(a1, a2));
  const q0 = i8x16.sub(d0, lag2(d0, d0));
  const q1 = i8x16.sub(d1, lag2(d0, d1));
  const q2 = i8x16.sub(d2, lag2(d1, d2));
  // The lowest lanes of d0 and q0 are wrong for want of earlier bytes, but q1 and q2 see only lanes 12 and above.
  const m1 = i8x16.eq(v128.and(i8x16.sub(q1, lag4(q0, q1)), outer), target);
  const m2 = i8x16.eq(v128.and(i8x16.sub(q2, lag4(q1, q2)), outer), target);
  return i8x16.bitmask(v128.and(m1, m2));
}

/** The length of the chunk that ends at the first true cut among the outer hits `bits` at offset `at`, or 0. */
function confirm(
  chunk: usize, at: u32, bits: i32, avgBytes: u32, strictMask: u32, looseMask: u32,
): u32 {
  while (bits) {
    const index = at + ctz(bits);
    const mask = index + 1 < avgBytes ? strictMask : looseMask;
    if (((differenceAt(chunk + index - 8) ^ TARGET) & mask) == 0) return index + 1;
    bits &= bits - 1;
  }
  return 0;
}

/**
 * The length of the first chunk in the `length` bytes at `chunk`, of which `scanned` were searched before; 0 when
 * it does not end within them. Wants 64 <= minBytes < avgBytes < maxBytes.
 */
export function findCut(
  chunk: usize, scanned: u32, length: u32, minBytes: u32, avgBytes: u32, maxBytes: u32,
  outerMask: u32, strictMask: u32, looseMask: u32,
): u32 {
  const end = min(length, maxBytes);
  let at = max(minBytes - 1, scanned);
  if (at + 64 <= end) {
    const outer = i8x16.splat(<i8>outerMask);
    const target = i8x16.splat(<i8>(TARGET & outerMask));
    let pointer = chunk + at;
    const early = spread(v128.load(pointer - 32));
    let a3 = spread(v128.load(pointer - 16));
    const earlyD = i8x16.sub(early, lag1(early, early));
    let d3 = i8x16.sub(a3, lag1(early, a3));
    const earlyQ = i8x16.sub(earlyD, lag2(earlyD, earlyD));
    let q3 = i8x16.sub(d3, lag2(earlyD, d3));
    let m3 = i8x16.eq(v128.and(i8x16.sub(q3, lag4(earlyQ, q3)), outer), target);
    for (; at + 64 <= end; at += 64, pointer += 64) {
      const a0 = spread(v128.load(pointer));
      const d0 = i8x16.sub(a0, lag1(a3, a0));
      const q0 = i8x16.sub(d0, lag2(d3, d0));
      const m0 = i8x16.eq(v128.and(i8x16.sub(q0, lag4(q3, q0)), outer), target);
      const a1 = spread(v128.load(pointer, 16));
      const d1 = i8x16.sub(a1, lag1(a0, a1));
      const q1 = i8x16.sub(d1, lag2(d0, d1));
      const m1 = i8x16.eq(v128.and(i8x16.sub(q1, lag4(q0, q1)), outer), target);
      const a2 = spread(v128.load(pointer, 32));
      const d2 = i8x16.sub(a2, lag1(a1, a2));
      const q2 = i8x16.sub(d2, lag2(d1, d2));
      const m2 = i8x16.eq(v128.and(i8x16.sub(q2, lag4(q1, q2)), outer), target);
      const before = m3;
      a3 = spread(v128.load(pointer, 48));
      d3 = i8x16.sub(a3, lag1(a2, a3));
      const q = i8x16.sub(d3, lag2(d2, d3));
      m3 = i8x16.eq(v128.and(i8x16.sub(q, lag4(q2, q)), outer), target);
      q3 = q;
      // s8(i - 16) is the vector before: the outer test is one `and` of neighbouring comparisons.
      const hits = v128.or(
        v128.or(v128.and(before, m0), v128.and(m0, m1)),
        v128.or(v128.and(m1, m2), v128.and(m2, m3)),
      );
      if (v128.any_true(hits)) {
        for (let step: u32 = 0; step < 64; step += 16) {
          const bits = outerHits(pointer + step, outerMask);
          const cut = confirm(chunk, at + step, bits, avgBytes, strictMask, looseMask);
          if (cut) return cut;
        }
      }
    }
  }
  while (at < end) {
    // The last vector ends with the last byte; lanes that were searched already are masked off.
    const vector = min(at, end - 16);
    const bits = outerHits(chunk + vector, outerMask) & (0xffff << (at - vector));
    const cut = confirm(chunk, vector, bits, avgBytes, strictMask, looseMask);
    if (cut) return cut;
    at = vector + 16;
  }
  return length >= maxBytes ? maxBytes : 0;
}

/** Moves bytes inside the memory; the ranges may overlap. */
export function copyBytes(target: usize, source: usize, count: usize): void {
  memory.copy(target, source, count);
}

// kernel: own memory
// Turns the relative operands of x86-64 code into absolute ones and back, in place. docs/format.md is normative.
//
// It keeps no state and has no static data.

/** An operand is only taken for one when its top byte is 0x00 or 0xff: then 25 bits hold it, with its sign. */
// @ts-ignore: decorator
@inline
function isNear(operand: u32): bool {
  return ((operand + 0x01000000) & 0xfe000000) == 0;
}

/** The lowest 25 bits with their sign: the top byte of the result is 0x00 or 0xff again. */
// @ts-ignore: decorator
@inline
function fold(value: u32): u32 {
  return <u32>((<i32>(value << 7)) >> 7);
}

/**
 * Bit k says whether an instruction with such an operand may begin at byte `at` + k; reads 18. These are call and jump
 * (e8, e9), conditional jump (0f 80 to 0f 8f), and what a REX.W prefix makes of mov and lea with an operand relative
 * to the instruction pointer (48..4f, 89, 8b or 8d, mod 00 r/m 101).
 */
// @ts-ignore: decorator
@inline
function starts(at: usize): i32 {
  const first = v128.load(at);
  const second = v128.load(at, 1);
  const third = v128.load(at, 2);
  const branch = i8x16.eq(v128.and(first, i8x16.splat(<i8>0xfe)), i8x16.splat(<i8>0xe8));
  const escape = i8x16.eq(first, i8x16.splat(0x0f));
  const conditional = i8x16.eq(v128.and(second, i8x16.splat(<i8>0xf0)), i8x16.splat(<i8>0x80));
  const wide = i8x16.eq(v128.and(first, i8x16.splat(<i8>0xf8)), i8x16.splat(0x48));
  // 89 and 8b differ in one bit, 8b and 8d in two.
  const move = i8x16.eq(v128.and(second, i8x16.splat(<i8>0xfd)), i8x16.splat(<i8>0x89));
  const lea = i8x16.eq(second, i8x16.splat(<i8>0x8d));
  const relative = i8x16.eq(v128.and(third, i8x16.splat(<i8>0xc7)), i8x16.splat(0x05));
  const moves = v128.and(v128.and(wide, relative), v128.or(move, lea));
  return i8x16.bitmask(v128.or(v128.or(branch, v128.and(escape, conditional)), moves));
}

/** Where the operand of the instruction at `at` begins, counted from it. */
// @ts-ignore: decorator
@inline
function operandOf(at: usize): u32 {
  const first = <u32>load<u8>(at);
  return select<u32>(2, select<u32>(1, 3, first >= 0xe8), first == 0x0f);
}

/** Turns the operand at `place`, which an instruction ends with at `end` of the bytes. Returns 1, or 0 when it stays. */
// @ts-ignore: decorator
@inline
function turn(place: usize, end: u32, direction: i32): u32 {
  const operand = load<u32>(place);
  const turned = fold(operand + (end ^ direction) - direction);
  const near = isNear(operand);
  store<u32>(place, select<u32>(turned, operand, near));
  return <u32>near;
}

/**
 * Filters `length` bytes: with `direction` 1 relative operands become absolute, with -1 they become relative again.
 * Returns how many operands it turned. Reads and writes no byte outside.
 */
export function filter(bytes: usize, length: u32, direction: i32): u32 {
  let turned: u32 = 0;
  let i: u32 = 0;
  // An instruction with its operand is 7 bytes at most; a look at 16 bytes reads 18.
  if (length < 18) return 0;
  const last = length - 18;
  // 0 or all ones: a sign changed without a branch.
  const sign = direction >> 1;
  // Where instructions are cannot be foretold: what the processor guesses wrong is what this costs, so few branches depend on it.
  while (i <= last) {
    const from = bytes + i;
    const isWide = i + 63 <= last;
    let bits = <u64>starts(from);
    if (isWide) bits |= <u64>starts(from + 16) << 16 | <u64>starts(from + 32) << 32 | <u64>starts(from + 48) << 48;
    const width: u32 = isWide ? 64 : 16;
    let next = i + width;
    while (bits) {
      const at = i + <u32>ctz(bits);
      if (at > last) break;
      const skip = operandOf(bytes + at);
      const end = at + skip + 4;
      turned += turn(bytes + at + skip, end, sign);
      // An operand's bytes are passed over even when it stays: what they look like must not depend on what comes after.
      if (end >= i + width) {
        next = end;
        break;
      }
      bits &= <u64>-1 << (end - i);
    }
    i = next;
  }
  return turned;
}

export function copyBytes(target: usize, source: usize, count: u32): void {
  memory.copy(target, source, count);
}

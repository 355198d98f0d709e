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
  return first == 0x0f ? 2 : first >= 0xe8 ? 1 : 3;
}

/**
 * Filters `length` bytes: with `direction` 1 relative operands become absolute, with -1 they become relative again.
 * Returns how many operands it turned. Reads and writes no byte outside.
 */
export function filter(bytes: usize, length: u32, direction: i32): u32 {
  let turned: u32 = 0;
  let i: u32 = 0;
  // An instruction with its operand is 7 bytes at most; a step reads 18.
  if (length < 18) return 0;
  const last = length - 18;
  while (i <= last) {
    let bits = starts(bytes + i);
    let next = i + 16;
    while (bits) {
      const at = i + ctz(bits);
      bits &= bits - 1;
      if (at > last) break;
      const skip = operandOf(bytes + at);
      const place = bytes + at + skip;
      const operand = load<u32>(place);
      const end = at + skip + 4;
      if (isNear(operand)) {
        store<u32>(place, fold(direction > 0 ? operand + end : operand - end));
        turned++;
      }
      // An operand's bytes are passed over even when it stays: what they look like must not depend on what comes after.
      if (end >= i + 16) {
        next = end;
        break;
      }
      bits &= -1 << (end - i);
    }
    i = next;
  }
  return turned;
}

export function copyBytes(target: usize, source: usize, count: u32): void {
  memory.copy(target, source, count);
}

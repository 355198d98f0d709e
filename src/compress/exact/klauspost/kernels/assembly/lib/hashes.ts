// Multiplicative hashes of the first bytes of a little-endian word. The product of the word shifted left keeps just the
// bytes wanted; its top bits are the hash.

export const PRIME_4: u64 = 2654435761;
export const PRIME_5: u64 = 889523592379;
/** The multiplier of level 1 in releases before it hashed 5 bytes. */
export const PRIME_4_OLD: u64 = 0x1e35a7bd;
const PRIME_7: u64 = 58295818150454627;

/** `shift` is 64 minus the bits of the bytes hashed. The result is multiplied by an entry's size, 1 << `scale`. */
// @ts-ignore: decorator
@inline
export function hash(word: u64, shift: u64, prime: u64, bits: u64, scale: u64): usize {
  return <usize>((((word << shift) * prime) >> (64 - bits)) << scale);
}

/** Of 4 bytes, 15 bits, for entries of 4 bytes. */
// @ts-ignore: decorator
@inline
export function hash4(word: u64): usize {
  return <usize>(((<u32>word * <u32>PRIME_4) >> 17) << 2);
}

/** Of 7 bytes, 15 bits, for entries of 1 << `scale` bytes. */
// @ts-ignore: decorator
@inline
export function hash7(word: u64, scale: u64): usize {
  return <usize>((((word << 8) * PRIME_7) >> 49) << scale);
}

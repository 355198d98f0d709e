import xxhash from 'xxhash-wasm';

const { h64Raw } = await xxhash();

/**
 * XXH64 with seed 0 (https://github.com/Cyan4973/xxHash, `XXH64`): the fast check of blocks and footers.
 * It finds accidental damage; identity is always SHA-256.
 */
export function xxh64(bytes: Uint8Array): bigint {
  return h64Raw(bytes, 0n);
}

import xxhash from 'xxhash-wasm';

/** Hashed at once: what is hashed is copied into WebAssembly, whose memory each thread has of its own and keeps. */
const PIECE_BYTES = 256 * 1024;

const { h64Raw, create64 } = await xxhash();

/**
 * XXH64 with seed 0 (https://github.com/Cyan4973/xxHash, `XXH64`): the fast check of blocks and footers.
 * It finds accidental damage; identity is always SHA-256.
 */
export function xxh64(bytes: Uint8Array): bigint {
  if (bytes.length <= PIECE_BYTES) return h64Raw(bytes, 0n);
  const hash = create64(0n);
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) hash.update(bytes.subarray(at, at + PIECE_BYTES));
  return hash.digest();
}

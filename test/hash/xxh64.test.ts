import { expect, it } from 'vitest';
import xxhash from 'xxhash-wasm';
import { xxh64 } from '../../src/hash/xxh64.js';
import { noise } from '../support/tar-builder.js';

it('hashes long bytes in pieces to what they hash to as a whole', async () => {
  const { h64Raw } = await xxhash();
  const all = noise(1, 900_000);
  for (const sizeBytes of [0, 1, 262_143, 262_144, 262_145, 524_288, 524_289, 900_000]) {
    const bytes = all.subarray(0, sizeBytes);
    expect(xxh64(bytes)).toBe(h64Raw(bytes, 0n));
  }
  // Of no bytes, as https://github.com/Cyan4973/xxHash has it.
  expect(xxh64(new Uint8Array(0))).toBe(0xef46db3751d8e999n);
});

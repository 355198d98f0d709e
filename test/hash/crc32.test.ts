import { describe, expect, it } from 'vitest';
import { crc32, crc32ByTables } from '../../src/hash/crc32.js';
import { createRandom } from '../support/deflate-inputs.mjs';

describe.each([
  ['crc32', crc32],
  ['crc32 by tables', crc32ByTables],
])('%s', (_, checksum) => {
  it('is that of RFC 1952', () => {
    expect(checksum(Buffer.from('123456789'))).toBe(0xcbf43926);
    expect(checksum(new Uint8Array(0))).toBe(0);
  });

  it('goes on from what came before, wherever that ends', () => {
    const bytes = Buffer.from('The CRC-32 of a whole is that of its parts, one after the other.');
    for (let at = 0; at <= bytes.length; at++) {
      expect(checksum(bytes.subarray(at), checksum(bytes.subarray(0, at)))).toBe(checksum(bytes));
    }
  });
});

it('both ways to a CRC-32 come to the same', () => {
  const random = createRandom(4);
  for (let round = 0; round < 200; round++) {
    const bytes = Uint8Array.from({ length: random.below(300) }, () => random.below(256));
    const before = random.below(2 ** 31);
    expect(crc32ByTables(bytes, before), `seed 4, round ${round}`).toBe(crc32(bytes, before));
  }
});

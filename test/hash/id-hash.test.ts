import { describe, expect, it } from 'vitest';
import { idHash } from '../../src/hash/id-hash.js';

const IDS = 65_536;
const SLOTS = 2 * IDS;

/** What somebody makes who knows the code, but not the process's numbers. */
const FAMILIES: Readonly<Record<string, (number: number) => number[]>> = {
  'equal first words': (number) => [7, 7, 7, 7, 7, 7, 7, number],
  'a counter in front': (number) => [number, 0, 0, 0, 0, 0, 0, 0],
  'high bits only': (number) => [number << 16, 0, 0, 0, 0, 0, 0, 0],
  'a few high bits of each word': (number) =>
    Array.from({ length: 8 }, (_, word) => ((number >>> (2 * word)) & 3) << 30),
  'differences that take each other back': (number) =>
    Array.from({ length: 8 }, (_, word) => {
      const own = (number >>> word) & 1 ? 0x80000000 : 0;
      const before = word > 0 && (number >>> (word - 1)) & 1 ? 0x80010000 : 0;
      return (own ^ before ^ ((number >>> 8) << 2)) >>> 0;
    }),
};

describe('the hash of ids in memory', () => {
  it.each(Object.entries(FAMILIES))('spreads %s', (_, make) => {
    const perSlot = new Uint32Array(SLOTS);
    for (let number = 0; number < IDS; number++) {
      const slot = idHash(Uint32Array.from(make(number)), 0) & (SLOTS - 1);
      perSlot[slot] = perSlot[slot]! + 1;
    }
    expect(perSlot.reduce((most, ids) => Math.max(most, ids), 0)).toBeLessThan(300);
  });

  it('is the same for equal ids, wherever they stand', () => {
    const words = Uint32Array.from({ length: 24 }, (_, i) => (i % 8) * 0x12345678);
    expect(idHash(words, 8)).toBe(idHash(words, 0));
    expect(idHash(words, 16)).toBe(idHash(words, 0));
  });
});

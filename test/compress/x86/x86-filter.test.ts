import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { X86Filter } from '../../../src/compress/x86/x86-filter.js';
import { filterByHand } from './x86-filter-oracle.js';

const SEED = Number(process.env.DBUP_TEST_SEED ?? 20_261_122);
const filter = new X86Filter();

function undo(filtered: Uint8Array): Uint8Array {
  filter.buffer(filtered.length).set(filtered);
  const plain = new Uint8Array(filtered.length);
  filter.undoInto(plain);
  return plain;
}

/** Bytes of which most are the beginnings of instructions or parts of operands that are near. */
const codeLike = fc
  .array(
    fc.constantFrom(
      [0xe8],
      [0xe9],
      [0x0f, 0x84],
      [0x48, 0x8d, 0x05],
      [0x4c, 0x8b, 0x3d],
      [0x48, 0x89, 0x15],
      [0x00],
      [0xff],
      [0x12, 0x34, 0x00, 0x00],
      [0xf0, 0xde, 0xff, 0xff],
      [0x90],
    ),
    { maxLength: 300 },
  )
  .map((parts) => Uint8Array.from(parts.flat()));

describe(`the x86 filter (seed ${SEED})`, () => {
  it('does what the document says, and is undone, for bytes like code', () => {
    fc.assert(
      fc.property(codeLike, (plain) => {
        const expected = filterByHand(plain, 1);
        expect(Buffer.from(filterByHand(expected, -1)).equals(plain)).toBe(true);
        expect(Buffer.from(undo(expected)).equals(plain)).toBe(true);
        const filtered = filter.apply(plain);
        if (filtered) expect(Buffer.from(filtered).equals(expected)).toBe(true);
      }),
      { seed: SEED, numRuns: 3000 },
    );
  });

  it('does so for real code, whatever its length and place', () => {
    const node = readFileSync(process.execPath).subarray(0x1000000, 0x1000000 + 3_000_000);
    for (const length of [node.length, 2_097_152, 65_537, 4099, 19, 18, 17, 1, 0]) {
      const plain = node.subarray(1, 1 + length);
      const expected = filterByHand(plain, 1);
      const filtered = filter.apply(plain);
      if (length > 4000) expect(filtered, `${length} bytes of code are taken for code`).not.toBeNull();
      if (filtered) expect(Buffer.from(filtered).equals(expected)).toBe(true);
      expect(Buffer.from(undo(expected)).equals(plain)).toBe(true);
    }
  });

  it('leaves text alone', () => {
    expect(filter.apply(readFileSync(new URL(import.meta.url)))).toBeNull();
  });
});

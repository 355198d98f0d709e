import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CheckpointRecipe } from '../../src/format/checkpoint-recipe.js';
import { decodeRecipe, encodeRecipe } from '../../src/format/recipe.js';
import { SEED } from '../oci/only-dbup-errors.js';
import { acceptsOrRefuses, hexIds } from './only-pool-errors.js';

const damaged = expect.objectContaining({ code: 'POOL_DAMAGED' });
const ID = '5a'.repeat(32);
const STATE = Uint8Array.from({ length: 16 }, (_, i) => i + 1);

function recipeOf(places: [number, number][], sizeBytes = 1000): CheckpointRecipe {
  const checkpoints = places.map(([plainBytes, compressedBytes]) => ({
    plainBytes,
    compressedBytes,
    crc: 0xfedcba98,
    state: STATE,
  }));
  return { kind: 'checkpoints', sizeBytes, inner: { recipeId: ID, sizeBytes }, checkpoints };
}

const recipes: fc.Arbitrary<CheckpointRecipe> = fc
  .record({
    steps: fc.array(
      fc.record({
        plain: fc.integer({ min: 1, max: 2 ** 40 }),
        compressed: fc.integer({ min: 1, max: 2 ** 40 }),
        crc: fc.nat(2 ** 32 - 1),
        state: fc.uint8Array({ minLength: 16, maxLength: 16 }),
      }),
      { minLength: 1, maxLength: 20 },
    ),
    recipeId: hexIds,
  })
  .map(({ steps, recipeId }) => {
    let plainBytes = 0;
    let compressedBytes = 0;
    const checkpoints = steps.map(({ plain, compressed, crc, state }) => {
      plainBytes += plain;
      compressedBytes += compressed;
      return { plainBytes, compressedBytes, crc, state };
    });
    const sizeBytes = plainBytes;
    return { kind: 'checkpoints', sizeBytes, inner: { recipeId, sizeBytes }, checkpoints };
  });

describe('checkpoint recipe', () => {
  it('has the bytes that docs/format.md gives it', () => {
    const recipe = recipeOf([[300, 100]]);
    const crc = '98badcfe';
    expect(Buffer.from(encodeRecipe(recipe)).toString('hex')).toBe(
      `4442523104000000e803000000000000${ID}2c010000000000006400000000000000${crc}0102030405060708090a0b0c0d0e0f10`,
    );
    expect(decodeRecipe(encodeRecipe(recipe), 'r')).toEqual(recipe);
  });

  it('gives back every recipe it encodes', () => {
    fc.assert(
      fc.property(recipes, (recipe) => {
        expect(decodeRecipe(encodeRecipe(recipe), 'r')).toEqual(recipe);
      }),
      { seed: SEED, numRuns: 200 },
    );
  });

  it('never breaks on damage', () => {
    fc.assert(
      fc.property(recipes, fc.nat(), fc.integer({ min: 1, max: 255 }), (recipe, at, change) => {
        const bytes = Buffer.from(encodeRecipe(recipe));
        bytes[at % bytes.length]! ^= change;
        acceptsOrRefuses(() => decodeRecipe(bytes, 'r'));
      }),
      { seed: SEED, numRuns: 500 },
    );
    const bytes = encodeRecipe(recipeOf([[300, 100]]));
    for (let length = 0; length < bytes.length; length++) {
      expect(() => decodeRecipe(bytes.subarray(0, length), 'r'), `${length} bytes`).toThrow(damaged);
    }
  });

  it.each([
    ['without one', recipeOf([])],
    [
      'that go back in the plain bytes',
      recipeOf([
        [300, 100],
        [200, 150],
      ]),
    ],
    [
      'at the same place',
      recipeOf([
        [300, 100],
        [300, 150],
      ]),
    ],
    [
      'that go back in the gzip file',
      recipeOf([
        [300, 100],
        [400, 100],
      ]),
    ],
    ['at the beginning', recipeOf([[0, 10]])],
    ['behind the end', recipeOf([[1001, 10]])],
  ])('refuses checkpoints %s', (_, recipe) => {
    expect(() => decodeRecipe(encodeRecipe(recipe), 'r')).toThrow(damaged);
  });
});

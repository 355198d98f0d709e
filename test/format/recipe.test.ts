import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../src/core/limits.js';
import {
  decodeRecipe,
  encodeRecipe,
  type Recipe,
  type Segment,
  type StreamRef,
  segmentSizeBytes,
} from '../../src/format/recipe.js';
import { SEED } from '../oci/only-dbup-errors.js';
import { acceptsOrRefuses, damaged, hexIds } from './only-pool-errors.js';

const sizes = fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 2 ** 45 }));
const filledStreams: fc.Arbitrary<StreamRef> = fc.record({
  depth: fc.nat(LIMITS.streamDepth),
  sizeBytes: sizes,
  id: hexIds,
});
const streams: fc.Arbitrary<StreamRef> = fc.oneof(
  fc.constant({ depth: 0, sizeBytes: 0, id: '' }),
  filledStreams,
);
const segments: fc.Arbitrary<Segment> = fc.oneof(
  filledStreams.map((stream): Segment => ({ type: 'stream', stream })),
  fc
    .record({ digestHex: hexIds, sizeBytes: fc.integer({ min: 1, max: 2 ** 40 }), recipeId: hexIds })
    .map((blob): Segment => ({ type: 'blob', blob })),
  fc
    .record({
      contents: streams,
      frames: streams,
      parts: filledStreams,
      more: fc.integer({ min: 1, max: 99 }),
    })
    .map(({ more, ...rest }): Segment => {
      const sizeBytes = Math.ceil(rest.contents.sizeBytes / 1032) + more;
      return { type: 'opened', opened: { sizeBytes, ...rest } };
    }),
);
const recipes: fc.Arbitrary<Recipe> = fc.oneof(
  streams.map((stream): Recipe => ({ kind: 'plain', sizeBytes: stream.sizeBytes, stream })),
  fc.tuple(streams, fc.array(segments, { maxLength: 20 })).map(
    ([skeleton, list]): Recipe => ({
      kind: 'tar',
      sizeBytes: list.reduce((sum, segment) => sum + segmentSizeBytes(segment), skeleton.sizeBytes),
      skeleton,
      segments: list,
    }),
  ),
);

const ID = '5a'.repeat(32);
const PLAIN: Recipe = { kind: 'plain', sizeBytes: 7, stream: { depth: 1, sizeBytes: 7, id: ID } };
const TAR: Recipe = {
  kind: 'tar',
  sizeBytes: 60,
  skeleton: { depth: 0, sizeBytes: 10, id: ID },
  segments: [
    { type: 'stream', stream: { depth: 0, sizeBytes: 20, id: ID } },
    { type: 'blob', blob: { digestHex: ID, sizeBytes: 30, recipeId: ID } },
  ],
};

function changed(recipe: Recipe, change: (bytes: Buffer) => void): () => Recipe {
  const bytes = Buffer.from(encodeRecipe(recipe));
  change(bytes);
  return () => decodeRecipe(bytes, 'r');
}

describe('recipe', () => {
  it('gives back every recipe it encodes', () => {
    fc.assert(
      fc.property(recipes, (recipe) => {
        expect(decodeRecipe(encodeRecipe(recipe), 'r')).toEqual(recipe);
      }),
      { seed: SEED, numRuns: 500 },
    );
  });

  it('encodes what it accepts in one way only', () => {
    fc.assert(
      fc.property(
        recipes.chain((recipe) => damaged(encodeRecipe(recipe))),
        (bytes) => {
          let recipe: Recipe | undefined;
          acceptsOrRefuses(() => {
            recipe = decodeRecipe(bytes, 'r');
          });
          if (recipe) expect(Buffer.from(encodeRecipe(recipe)).equals(Buffer.from(bytes))).toBe(true);
        },
      ),
      { seed: SEED, numRuns: 3000 },
    );
  });

  it('never breaks on noise', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (tail) => {
        const bytes = new Uint8Array(Buffer.concat([Buffer.from('DBR1\x02\0\0\0', 'latin1'), tail]));
        acceptsOrRefuses(() => decodeRecipe(bytes, 'r'));
      }),
      { seed: SEED, numRuns: 2000 },
    );
  });

  it('refuses a recipe cut off anywhere, or with anything after it', () => {
    for (const recipe of [PLAIN, TAR]) {
      const bytes = encodeRecipe(recipe);
      for (let length = 0; length < bytes.length; length++) {
        expect(() => decodeRecipe(bytes.subarray(0, length), 'r')).toThrow(
          expect.objectContaining({ code: 'POOL_DAMAGED' }),
        );
      }
      expect(() => decodeRecipe(Buffer.concat([bytes, Buffer.alloc(1)]), 'r')).toThrow(/do not agree/);
    }
  });

  it.each([0, 6, 9, 255])('refuses kind %i as one it does not know', (kind) => {
    expect(changed(PLAIN, (b) => b.writeUInt8(kind, 4))).toThrow(
      expect.objectContaining({ code: 'POOL_FORMAT_UNSUPPORTED' }),
    );
  });

  it.each<[string, Recipe, (bytes: Buffer) => void]>([
    ['another magic', PLAIN, (b) => b.write('DBR2', 0, 'latin1')],
    ['reserved bytes of the head', PLAIN, (b) => b.writeUInt8(1, 7)],
    ['reserved bytes of a stream', PLAIN, (b) => b.writeUInt8(1, 16 + 7)],
    ['reserved bytes after the count', TAR, (b) => b.writeUInt8(1, 64 + 7)],
    ['reserved bytes of a segment', TAR, (b) => b.writeUInt8(1, 72 + 7)],
    ['reserved bytes of a blob', TAR, (b) => b.writeUInt8(1, 72 + 56 + 8 + 47)],
    ['an unknown segment', TAR, (b) => b.writeUInt8(2, 72)],
    ['a stream that is too deep', PLAIN, (b) => b.writeUInt8(LIMITS.streamDepth + 1, 16)],
    ['sizes that do not add up', TAR, (b) => b.writeBigUInt64LE(61n, 8)],
    ['a size above 2^53-1', PLAIN, (b) => b.writeBigUInt64LE(2n ** 53n, 8)],
    [
      'an empty stream with an id',
      PLAIN,
      (b) => {
        b.writeBigUInt64LE(0n, 8);
        b.writeUInt8(0, 16);
        b.writeBigUInt64LE(0n, 24);
      },
    ],
    ['more segments than the limit', TAR, (b) => b.writeUInt32LE(LIMITS.archiveSegments + 1, 64)],
    ['more segments than there are', TAR, (b) => b.writeUInt32LE(3, 64)],
  ])('refuses %s', (_, recipe, change) => {
    expect(changed(recipe, change)).toThrow(expect.objectContaining({ code: 'POOL_DAMAGED' }));
  });

  it('takes as many segments as the limit says, in a recipe a chunk can hold, and no more', () => {
    const many = (count: number): Recipe => ({
      kind: 'tar',
      sizeBytes: count,
      skeleton: { depth: 0, sizeBytes: 0, id: '' },
      segments: Array.from({ length: count }, () => ({
        type: 'blob',
        blob: { digestHex: ID, sizeBytes: 1, recipeId: ID },
      })),
    });
    const bytes = encodeRecipe(many(LIMITS.archiveSegments));
    expect(bytes.length).toBeLessThanOrEqual(LIMITS.recipeBytes);
    expect(decodeRecipe(bytes, 'r')).toEqual(many(LIMITS.archiveSegments));
    expect(() => encodeRecipe(many(LIMITS.archiveSegments + 1))).toThrow(
      expect.objectContaining({ code: 'INPUT_TOO_LARGE' }),
    );
  });
});

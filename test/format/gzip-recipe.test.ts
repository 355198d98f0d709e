import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../src/core/limits.js';
import {
  CHROMIUM_HASHES,
  decodeEncoderSpec,
  type EncoderSpec,
  encodeEncoderSpec,
} from '../../src/format/encoder-spec.js';
import type { GzipRecipe } from '../../src/format/gzip-recipe.js';
import { decodeRecipe, encodeRecipe } from '../../src/format/recipe.js';
import { SEED } from '../oci/only-dbup-errors.js';
import { GO_6, GO_HEADER, PGZIP_HEADER } from '../support/gzip-files.js';
import { acceptsOrRefuses, hexIds } from './only-pool-errors.js';

const PGZIP: EncoderSpec = { family: 'pgzip', level: 5, variant: '1.15.10', blockBytes: 2 ** 20 };
const damaged = expect.objectContaining({ code: 'POOL_DAMAGED' });
const ID = '5a'.repeat(32);

function recipeOf(members: GzipRecipe['members'], trailing = new Uint8Array(0)): GzipRecipe {
  const plainBytes = members.reduce((sum, member) => sum + member.plainBytes, 0);
  const inner = { recipeId: ID, sizeBytes: plainBytes };
  return { kind: 'gzip', sizeBytes: 1000, inner, members, trailing };
}

const GO_MEMBER = { header: GO_HEADER, encoder: GO_6, plainBytes: 300 };
const PGZIP_MEMBER = { header: PGZIP_HEADER, encoder: PGZIP, plainBytes: 128 };

const specs: fc.Arbitrary<EncoderSpec> = fc.oneof(
  fc.record({ family: fc.constant('go' as const), level: fc.nat(10) }),
  fc.record({
    family: fc.constantFrom('klauspost' as const),
    level: fc.nat(9),
    variant: fc.constantFrom('1.14.0' as const, '1.18.2' as const, 'go1.27' as const),
  }),
  fc.record({
    family: fc.constant('pgzip' as const),
    level: fc.nat(9),
    variant: fc.constantFrom('1.15.10' as const, '1.20.3' as const),
    blockBytes: fc.nat(2 ** 32 - 1),
  }),
  fc.record({ family: fc.constant('zlib' as const), level: fc.nat(9), memLevel: fc.constantFrom(8, 9) }),
  fc.record({ family: fc.constant('gnu' as const), level: fc.nat(9) }),
  fc.record({
    family: fc.constant('pigz' as const),
    level: fc.nat(9),
    flags: fc.nat(7),
    blockBytes: fc.nat(2 ** 32 - 1),
  }),
  fc.record({
    family: fc.constant('chromium' as const),
    level: fc.nat(9),
    hash: fc.constantFrom(...CHROMIUM_HASHES),
    memLevel: fc.constantFrom(8, 9),
  }),
);

const recipes: fc.Arbitrary<GzipRecipe> = fc
  .record({
    members: fc.array(
      fc.record({
        header: fc.uint8Array({ maxLength: 40 }),
        encoder: specs,
        plainBytes: fc.oneof(fc.nat(300), fc.nat(2 ** 40)),
      }),
      { minLength: 1, maxLength: 12 },
    ),
    trailing: fc.uint8Array({ maxLength: 20 }),
    recipeId: hexIds,
  })
  .map(({ members, trailing, recipeId }) => {
    const plainBytes = members.reduce((sum, member) => sum + member.plainBytes, 0);
    const inner = { recipeId, sizeBytes: plainBytes };
    return { kind: 'gzip', sizeBytes: Math.ceil(plainBytes / 3) + 20, inner, members, trailing };
  });

describe('gzip recipe', () => {
  it('has the bytes that docs/format.md gives it', () => {
    const recipe = recipeOf([GO_MEMBER, PGZIP_MEMBER, { ...GO_MEMBER, plainBytes: 0 }], Uint8Array.of(7, 8));
    expect(Buffer.from(encodeRecipe(recipe)).toString('hex')).toBe(
      '44425231' +
        '03' +
        '000000' +
        'e803000000000000' +
        'ac01000000000000' +
        ID +
        '02' +
        '0a1f8b08000000000000ff' +
        '0106' +
        '0a1f8b080000096e8800ff' +
        '03050500001000' +
        '03' +
        '00ac02' +
        '018001' +
        '0000' +
        '020708',
    );
    expect(decodeRecipe(encodeRecipe(recipe), 'r')).toEqual(recipe);
  });

  it('is small for a usual layer', () => {
    const layer = { ...recipeOf([{ ...PGZIP_MEMBER, plainBytes: 3 * 2 ** 30 }]), sizeBytes: 2 ** 30 };
    expect(encodeRecipe(layer).length).toBeLessThanOrEqual(100);
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
    const bytes = encodeRecipe(recipeOf([GO_MEMBER, PGZIP_MEMBER]));
    for (let length = 0; length < bytes.length; length++) {
      expect(() => decodeRecipe(bytes.subarray(0, length), 'r'), `${length} bytes`).toThrow(damaged);
    }
  });

  it.each([
    ['no member', recipeOf([])],
    ['more plain bytes than deflate can hold', recipeOf([{ ...GO_MEMBER, plainBytes: 1000 * 1032 + 1 }])],
    ['a header too long', recipeOf([{ ...GO_MEMBER, header: new Uint8Array(LIMITS.gzipHeaderBytes + 1) }])],
    ['too much behind it', recipeOf([GO_MEMBER], new Uint8Array(LIMITS.gzipTrailingBytes + 1))],
  ])('refuses %s', (_, recipe) => {
    expect(() => decodeRecipe(encodeRecipe(recipe), 'r')).toThrow(damaged);
  });

  it('tells an encoder of a later version from damage', () => {
    const bytes = Buffer.from(encodeRecipe(recipeOf([GO_MEMBER])));
    bytes[bytes.indexOf(encodeEncoderSpec(GO_6), 60)] = 77;
    expect(() => decodeRecipe(bytes, 'r')).toThrow(
      expect.objectContaining({ code: 'POOL_FORMAT_UNSUPPORTED' }),
    );
  });

  it('gives back every encoder, whatever follows', () => {
    fc.assert(
      fc.property(specs, (spec) => {
        const bytes = encodeEncoderSpec(spec);
        const followed = Buffer.concat([bytes, Uint8Array.of(1, 2, 3)]);
        expect(decodeEncoderSpec(followed)).toEqual({ spec, byteCount: bytes.length });
      }),
      { seed: SEED },
    );
  });
});

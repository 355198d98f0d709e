import { inflateRawSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { createChromiumEncoder, type ZlibLevel } from '../../../src/compress/exact/zlib/zlib-encoder.js';
import { CHROMIUM_HASHES } from '../../../src/format/encoder-spec.js';
import { createRandom, makeInput, pickWriteSizes } from '../../support/deflate-inputs.mjs';
import {
  encodeInPieces,
  encodeVector,
  readDeflateVectors,
  sha256Hex,
} from '../../support/deflate-vectors.js';

const LEVELS: readonly ZlibLevel[] = [1, 2, 3, 4, 5, 6, 7, 8, 9];
const vectors = readDeflateVectors('chromium');
const nothing = () => {};

/** Made once: that takes longer than most of what is done with them. */
const MIXTURE = makeInput('mixture', 1, 150_000);
const TAR = makeInput('tar', 5, 70_000);

describe.each(LEVELS)("Chromium's zlib, level %i", (level) => {
  test.each(CHROMIUM_HASHES)('makes the streams the original made, hash %s', (hash) => {
    for (const memLevel of [8, 9] as const) {
      const golden = vectors.get(`chromium-${hash}-${level}${memLevel === 9 ? '-mem9' : ''}`) ?? [];
      expect(golden.length).toBeGreaterThanOrEqual(21);
      const encoder = createChromiumEncoder({ level, memLevel, hash });
      for (const vector of golden) {
        const stream = encodeVector(encoder, vector);
        expect({ ...vector, streamBytes: stream.length, streamSha256: sha256Hex(stream) }).toEqual(vector);
      }
    }
  });

  test('makes the same stream whatever the write sizes and the stream before', () => {
    const random = createRandom(1000 * level);
    const encoder = createChromiumEncoder({ level, memLevel: 8, hash: 'product' });
    const whole = sha256Hex(encodeInPieces(encoder, MIXTURE));
    encodeInPieces(encoder, TAR);
    const sizes = pickWriteSizes(random, MIXTURE.length);
    expect(sha256Hex(encodeInPieces(encoder, MIXTURE, sizes)), `level ${level}`).toBe(whole);
  });

  test('can be inflated to what was written, wherever the input ends', () => {
    for (const hash of CHROMIUM_HASHES) {
      const encoder = createChromiumEncoder({ level, memLevel: 9, hash });
      for (const lengthBytes of [0, 2, 3, 4, 262, 65_274, 70_000]) {
        const plain = TAR.subarray(0, lengthBytes);
        const inflated = inflateRawSync(encodeInPieces(encoder, plain));
        expect(sha256Hex(inflated), `${hash} ${lengthBytes}`).toBe(sha256Hex(plain));
      }
    }
  });

  test('has neither flushes nor dictionaries', () => {
    const encoder = createChromiumEncoder({ level, memLevel: 8, hash: 'crc' });
    expect(() => encoder.flush(nothing)).toThrow(RangeError);
    expect(() => encoder.reset(new Uint8Array(1))).toThrow(RangeError);
  });
});

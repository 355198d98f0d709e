import { inflateRawSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { createGnuGzipEncoder, type ZlibLevel } from '../../../src/compress/exact/zlib/zlib-encoder.js';
import { createRandom, makeInput, pickWriteSizes } from '../../support/deflate-inputs.mjs';
import {
  encodeInPieces,
  encodeVector,
  readDeflateVectors,
  sha256Hex,
} from '../../support/deflate-vectors.js';

const LEVELS: readonly ZlibLevel[] = [1, 2, 3, 4, 5, 6, 7, 8, 9];
const vectors = readDeflateVectors('gnu');
const nothing = () => {};

/** Made once: that takes longer than most of what is done with them. */
const MIXTURE = makeInput('mixture', 1, 150_000);
const ENDED = ['tar', 'repeats', 'copies'] as const;
const INPUTS = ENDED.map((kind) => makeInput(kind, 5, 70_000));

describe.each(LEVELS)('GNU gzip level %i', (level) => {
  const encoder = createGnuGzipEncoder({ level });

  test('makes the streams the original made', () => {
    const golden = vectors.get(`gnu-${level}`) ?? [];
    expect(golden.length).toBeGreaterThanOrEqual(17);
    for (const vector of golden) {
      const stream = encodeVector(encoder, vector);
      expect({ ...vector, streamBytes: stream.length, streamSha256: sha256Hex(stream) }).toEqual(vector);
    }
  });

  test('makes the same stream whatever the write sizes and the stream before', () => {
    const random = createRandom(1000 * level);
    const whole = sha256Hex(encodeInPieces(createGnuGzipEncoder({ level }), MIXTURE));
    for (let i = 0; i < 2; i++) {
      const sizes = pickWriteSizes(random, MIXTURE.length);
      expect(sha256Hex(encodeInPieces(encoder, MIXTURE, sizes)), `level ${level}, run ${i}`).toBe(whole);
    }
  });

  test('can be inflated to what was written, wherever the input ends', () => {
    for (const [i, input] of INPUTS.entries()) {
      for (const lengthBytes of [0, 1, 2, 3, 261, 262, 65_274, 65_300, 65_536, 70_000]) {
        const plain = input.subarray(0, lengthBytes);
        const inflated = inflateRawSync(encodeInPieces(encoder, plain));
        expect(sha256Hex(inflated), `${ENDED[i]} ${lengthBytes}`).toBe(sha256Hex(plain));
      }
    }
  });

  test('has neither flushes nor dictionaries', () => {
    encoder.reset();
    expect(() => encoder.flush(nothing)).toThrow(RangeError);
    expect(() => encoder.reset(new Uint8Array(1))).toThrow(RangeError);
    encoder.reset(new Uint8Array(0));
  });
});

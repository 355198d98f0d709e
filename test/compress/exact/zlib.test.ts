import { inflateRawSync, constants as zlib } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { createZlibEncoder, type ZlibLevel } from '../../../src/compress/exact/zlib/zlib-encoder.js';
import { createRandom, INPUT_KINDS, makeInput, pickWriteSizes } from '../../support/deflate-inputs.mjs';
import {
  collectBytes,
  encodeInPieces,
  encodeVector,
  readDeflateVectors,
  sha256Hex,
} from '../../support/deflate-vectors.js';

const LEVELS: readonly ZlibLevel[] = [1, 2, 3, 4, 5, 6, 7, 8, 9];
const vectors = readDeflateVectors('zlib');
const nothing = () => {};

/** Made once: that takes longer than most of what is done with them. */
const MIXTURES = [1, 2].map((seed) => makeInput('mixture', seed, 120_000 + 1000 * seed));
const KINDS = INPUT_KINDS.map((kind) => makeInput(kind, 5, 70_000));
const TEXT = makeInput('text', 5, 98_043);
const TAR = makeInput('tar', 6, 150_000);

describe.each(LEVELS)('zlib level %i', (level) => {
  test.each([8, 9] as const)('makes the streams the original made, memLevel %i', (memLevel) => {
    const encoder = createZlibEncoder({ level, memLevel });
    const golden = vectors.get(`zlib-${level}${memLevel === 9 ? '-mem9' : ''}`) ?? [];
    expect(golden.length).toBeGreaterThanOrEqual(22);
    for (const vector of golden) {
      const stream = encodeVector(encoder, vector);
      expect({ ...vector, streamBytes: stream.length, streamSha256: sha256Hex(stream) }).toEqual(vector);
    }
  });

  test('makes the same stream whatever the write sizes', () => {
    const encoder = createZlibEncoder({ level, memLevel: 8 });
    for (const [seed, plain] of MIXTURES.entries()) {
      const random = createRandom(1000 * level + seed);
      const whole = sha256Hex(encodeInPieces(encoder, plain));
      const sizes = pickWriteSizes(random, plain.length);
      expect(sha256Hex(encodeInPieces(encoder, plain, sizes)), `seed ${seed}`).toBe(whole);
    }
    const short = TEXT.subarray(0, 3000);
    const bytewise = encodeInPieces(
      encoder,
      short,
      Array.from(short, () => 1),
    );
    expect(bytewise).toEqual(encodeInPieces(encoder, short));
  });

  test('can be inflated to what was written, also where the window is about to slide', () => {
    const encoder = createZlibEncoder({ level, memLevel: 9 });
    for (const [i, plain] of KINDS.entries()) {
      expect(sha256Hex(inflateRawSync(encodeInPieces(encoder, plain))), INPUT_KINDS[i]).toBe(
        sha256Hex(plain),
      );
    }
    for (const lengthBytes of [65_273, 65_274, 65_275, 65_535, 65_536, 65_537, 98_042, 98_043]) {
      const plain = TEXT.subarray(0, lengthBytes);
      expect(sha256Hex(inflateRawSync(encodeInPieces(encoder, plain))), `${lengthBytes}`).toBe(
        sha256Hex(plain),
      );
    }
  });

  test('shows all that was written after a flush, and does not repeat one', () => {
    const encoder = createZlibEncoder({ level, memLevel: 8 });
    const plain = TAR;
    const emitted: Uint8Array[] = [];
    const emit = (bytes: Uint8Array) => emitted.push(bytes.slice());
    for (const [from, to] of [
      [0, 10],
      [10, 65_600],
      [65_600, 150_000],
    ] as const) {
      encoder.write(plain.subarray(from, to), emit);
      encoder.flush(emit);
      const seen = inflateRawSync(Buffer.concat(emitted), { finishFlush: zlib.Z_SYNC_FLUSH });
      expect(sha256Hex(seen)).toBe(sha256Hex(plain.subarray(0, to)));
      expect(collectBytes((again) => encoder.flush(again)).length).toBe(0);
    }
  });

  test('makes of nothing an empty block with the fixed codes', () => {
    expect(encodeInPieces(createZlibEncoder({ level, memLevel: 8 }), new Uint8Array(0))).toEqual(
      Buffer.from([3, 0]),
    );
  });

  test('keeps nothing of the stream before, finished or not', () => {
    const plain = MIXTURES[0]!;
    const fresh = sha256Hex(encodeInPieces(createZlibEncoder({ level, memLevel: 8 }), plain));
    const encoder = createZlibEncoder({ level, memLevel: 8 });
    encodeInPieces(encoder, plain);
    expect(sha256Hex(encodeInPieces(encoder, plain))).toBe(fresh);
    encoder.reset();
    encoder.write(plain.subarray(0, 77_777), nothing);
    expect(sha256Hex(encodeInPieces(encoder, plain))).toBe(fresh);
    encoder.reset(plain);
    encoder.write(plain.subarray(0, 500), nothing);
    encoder.flush(nothing);
    expect(sha256Hex(encodeInPieces(encoder, plain))).toBe(fresh);
  });

  test('wants a reset after the end', () => {
    const encoder = createZlibEncoder({ level, memLevel: 8 });
    encoder.finish(nothing);
    expect(() => encoder.write(new Uint8Array(1), nothing)).toThrow(RangeError);
    expect(() => encoder.flush(nothing)).toThrow(RangeError);
    expect(() => encoder.finish(nothing)).toThrow(RangeError);
    encoder.reset();
    expect(collectBytes((emit) => encoder.finish(emit)).length).toBe(2);
  });
});

test('encoders taken in turn do not disturb each other', () => {
  const plain = TAR;
  const create = (level: ZlibLevel) => createZlibEncoder({ level, memLevel: 8 });
  const alone = LEVELS.map((level) => sha256Hex(encodeInPieces(create(level), plain)));
  const encoders = LEVELS.map((level) => ({ encoder: create(level), pieces: [] as Uint8Array[] }));
  for (let at = 0; at < plain.length; at += 20_000) {
    for (const { encoder, pieces } of encoders) {
      encoder.write(plain.subarray(at, at + 20_000), (bytes) => pieces.push(bytes.slice()));
    }
  }
  for (const { encoder, pieces } of encoders) encoder.finish((bytes) => pieces.push(bytes.slice()));
  expect(encoders.map(({ pieces }) => sha256Hex(Buffer.concat(pieces)))).toEqual(alone);
});

test('what zlib does not have is refused', () => {
  for (const level of [0, 10, -1, 1.5]) {
    expect(() => createZlibEncoder({ level: level as ZlibLevel, memLevel: 8 })).toThrow(RangeError);
  }
  expect(() => createZlibEncoder({ level: 6, memLevel: 7 as 8 })).toThrow(RangeError);
});

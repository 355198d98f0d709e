import { inflateRawSync, constants as zlib } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { createGoEncoder, type GoLevel } from '../../../src/compress/exact/go/go-encoder.js';
import { createRandom, INPUT_KINDS, makeInput, pickWriteSizes } from '../../support/deflate-inputs.mjs';
import {
  collectBytes,
  encodeInPieces,
  encodeVector,
  readDeflateVectors,
  sha256Hex,
} from '../../support/deflate-vectors.js';

const LEVELS: readonly GoLevel[] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 0, -2];
const idOf = (level: GoLevel) => (level === -2 ? 'go-huffman' : `go-${level}`);
const vectors = readDeflateVectors('go');

describe.each(LEVELS)('Go level %i', (level) => {
  test('makes the streams the original made', () => {
    const encoder = createGoEncoder({ level });
    const golden = vectors.get(idOf(level)) ?? [];
    expect(golden.length).toBeGreaterThanOrEqual(28);
    for (const vector of golden) {
      const stream = encodeVector(encoder, vector);
      expect({ ...vector, streamBytes: stream.length, streamSha256: sha256Hex(stream) }).toEqual(vector);
    }
  });

  test('makes the same stream whatever the write sizes', () => {
    const encoder = createGoEncoder({ level });
    for (const seed of [1, 2]) {
      const random = createRandom(1000 * level + seed);
      const plain = makeInput('mixture', seed, 100_000 + random.below(100_000));
      const whole = sha256Hex(encodeInPieces(encoder, plain));
      expect(
        sha256Hex(encodeInPieces(encoder, plain, pickWriteSizes(random, plain.length))),
        `seed ${seed}`,
      ).toBe(whole);
    }
    const short = makeInput('text', 4, 3000);
    const bytewise = encodeInPieces(
      encoder,
      short,
      Array.from(short, () => 1),
    );
    expect(bytewise).toEqual(encodeInPieces(encoder, short));
  });

  test('can be inflated to what was written', () => {
    const encoder = createGoEncoder({ level });
    for (const kind of INPUT_KINDS) {
      const plain = makeInput(kind, 5, 70_000);
      expect(sha256Hex(inflateRawSync(encodeInPieces(encoder, plain))), kind).toBe(sha256Hex(plain));
    }
  });

  test('shows all that was written after a flush', () => {
    const encoder = createGoEncoder({ level });
    const plain = makeInput('tar', 6, 150_000);
    const emitted: Uint8Array[] = [];
    const emit = (bytes: Uint8Array) => emitted.push(bytes.slice());
    for (const [from, to] of [
      [0, 10],
      [10, 65_600],
      [65_600, 65_600],
      [65_600, 150_000],
    ] as const) {
      encoder.write(plain.subarray(from, to), emit);
      encoder.flush(emit);
      const seen = inflateRawSync(Buffer.concat(emitted), { finishFlush: zlib.Z_SYNC_FLUSH });
      expect(sha256Hex(seen)).toBe(sha256Hex(plain.subarray(0, to)));
    }
  });

  test('makes of nothing the last block alone', () => {
    expect(encodeInPieces(createGoEncoder({ level }), new Uint8Array(0))).toEqual(
      Buffer.from([1, 0, 0, 0xff, 0xff]),
    );
  });

  test('keeps nothing of the stream before, finished or not', () => {
    const plain = makeInput('mixture', 7, 100_000);
    const fresh = sha256Hex(encodeInPieces(createGoEncoder({ level }), plain));
    const encoder = createGoEncoder({ level });
    encodeInPieces(encoder, plain);
    expect(sha256Hex(encodeInPieces(encoder, plain))).toBe(fresh);
    encoder.reset();
    encoder.write(plain.subarray(0, 77_777), () => {});
    expect(sha256Hex(encodeInPieces(encoder, plain))).toBe(fresh);
    encoder.reset(plain);
    encoder.write(plain.subarray(0, 500), () => {});
    expect(sha256Hex(encodeInPieces(encoder, plain))).toBe(fresh);
  });

  test('wants a reset after the end', () => {
    const encoder = createGoEncoder({ level });
    encoder.finish(() => {});
    expect(() => encoder.write(new Uint8Array(1), () => {})).toThrow(RangeError);
    expect(() => encoder.flush(() => {})).toThrow(RangeError);
    expect(() => encoder.finish(() => {})).toThrow(RangeError);
    encoder.reset();
    expect(collectBytes((emit) => encoder.finish(emit)).length).toBe(5);
  });
});

test('encoders taken in turn do not disturb each other', () => {
  const plain = makeInput('text', 8, 200_000);
  const alone = LEVELS.map((level) => sha256Hex(encodeInPieces(createGoEncoder({ level }), plain)));
  const encoders = LEVELS.map((level) => ({
    encoder: createGoEncoder({ level }),
    pieces: [] as Uint8Array[],
  }));
  for (let at = 0; at < plain.length; at += 20_000) {
    for (const { encoder, pieces } of encoders) {
      encoder.write(plain.subarray(at, at + 20_000), (bytes) => pieces.push(bytes.slice()));
    }
  }
  for (const { encoder, pieces } of encoders) encoder.finish((bytes) => pieces.push(bytes.slice()));
  expect(encoders.map(({ pieces }) => sha256Hex(Buffer.concat(pieces)))).toEqual(alone);
});

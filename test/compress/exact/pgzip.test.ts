import { inflateRawSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import type { KlauspostLevel } from '../../../src/compress/exact/klauspost/klauspost-encoder.js';
import {
  createPgzipBlockEncoder,
  createPgzipEncoder,
  PGZIP_DEFAULT_BLOCK_BYTES,
  PGZIP_DICTIONARY_BYTES,
} from '../../../src/compress/exact/pgzip/pgzip-encoder.js';
import type { KlauspostVariant } from '../../../src/format/encoder-spec.js';
import { createRandom, makeInput, pickWriteSizes } from '../../support/deflate-inputs.mjs';
import {
  collectBytes,
  encodeInPieces,
  encodeVector,
  readDeflateVectors,
  sha256Hex,
} from '../../support/deflate-vectors.js';

const vectors = readDeflateVectors('pgzip');
const EMPTY = new Uint8Array(0);
const PODMAN = { level: 5, variant: '1.15.10', blockBytes: PGZIP_DEFAULT_BLOCK_BYTES } as const;
const SMALL = { ...PODMAN, blockBytes: 65_666 } as const;

function parse(id: string) {
  const [, variant, level, blockBytes] = id.split('-');
  return {
    variant: variant as KlauspostVariant,
    level: Number(level) as KlauspostLevel,
    blockBytes: Number(blockBytes),
  };
}

describe.each([...vectors.keys()])('%s', (id) => {
  test('makes the streams the original made', () => {
    const encoder = createPgzipEncoder(parse(id));
    const golden = vectors.get(id) ?? [];
    expect(golden.length).toBeGreaterThanOrEqual(23);
    for (const vector of golden) {
      const stream = encodeVector(encoder, vector);
      expect({ ...vector, streamBytes: stream.length, streamSha256: sha256Hex(stream) }).toEqual(vector);
    }
  });
});

describe.each([PODMAN, SMALL, { ...SMALL, level: 9, variant: '1.15.15' } as const])('%o', (parameters) => {
  const { blockBytes } = parameters;

  test('makes the stream of its blocks, whatever their order', () => {
    const encoder = createPgzipEncoder(parameters);
    for (const lengthBytes of [0, 1, blockBytes - 1, blockBytes, blockBytes + 1, 2 * blockBytes, 150_000]) {
      const plain = makeInput('mixture', lengthBytes, lengthBytes);
      const starts = Array.from(
        { length: Math.floor(lengthBytes / blockBytes) + 1 },
        (_, i) => i * blockBytes,
      );
      const blocks = createPgzipBlockEncoder(parameters);
      const encoded = new Map(
        starts.toReversed().map((start) => {
          const block = plain.subarray(start, start + blockBytes);
          return [start, blocks.encodeBlock(block, plain.subarray(0, start), start === starts.at(-1))];
        }),
      );
      const joined = Buffer.concat(starts.map((start) => encoded.get(start) ?? EMPTY));
      expect(joined.equals(encodeInPieces(encoder, plain)), `${lengthBytes} bytes`).toBe(true);
      expect(inflateRawSync(joined).equals(plain)).toBe(true);
    }
  });

  test('makes the same stream whatever the write sizes', () => {
    const encoder = createPgzipEncoder(parameters);
    for (const seed of [1, 2]) {
      const random = createRandom(seed);
      const plain = makeInput('tar', seed, 200_000 + random.below(400_000));
      const whole = sha256Hex(encodeInPieces(encoder, plain));
      const sizes = pickWriteSizes(random, plain.length);
      expect(sha256Hex(encodeInPieces(encoder, plain, sizes)), `seed ${seed}`).toBe(whole);
    }
  });

  test('goes on at the start of a block from the bytes before it', () => {
    const encoder = createPgzipEncoder(parameters);
    const plain = makeInput('text', 3, 2 * blockBytes + 1000);
    const whole = encodeInPieces(encoder, plain);
    encoder.reset(plain.subarray(0, blockBytes));
    const rest = collectBytes((emit) => {
      encoder.write(plain.subarray(blockBytes), emit);
      encoder.finish(emit);
    });
    expect(Buffer.from(whole).subarray(-rest.length).equals(rest)).toBe(true);
    expect(rest.length).toBeGreaterThan(whole.length / 3);
  });
});

test('makes of nothing an empty block and the end', () => {
  const expected = Buffer.from([0, 0, 0, 0xff, 0xff, 3, 0]);
  expect(encodeInPieces(createPgzipEncoder(PODMAN), EMPTY)).toEqual(expected);
  expect(createPgzipBlockEncoder(PODMAN).encodeBlock(EMPTY, EMPTY, true)).toEqual(new Uint8Array(expected));
});

test('keeps nothing of the stream before, finished or not', () => {
  const plain = makeInput('mixture', 7, 200_000);
  const fresh = sha256Hex(encodeInPieces(createPgzipEncoder(SMALL), plain));
  const encoder = createPgzipEncoder(SMALL);
  encodeInPieces(encoder, plain);
  expect(sha256Hex(encodeInPieces(encoder, plain))).toBe(fresh);
  encoder.reset();
  encoder.write(plain.subarray(0, 77_777), () => {});
  expect(sha256Hex(encodeInPieces(encoder, plain))).toBe(fresh);
});

test('wants a reset after the end', () => {
  const encoder = createPgzipEncoder(PODMAN);
  encoder.finish(() => {});
  expect(() => encoder.write(new Uint8Array(1), () => {})).toThrow(RangeError);
  expect(() => encoder.flush(() => {})).toThrow(RangeError);
  expect(() => encoder.finish(() => {})).toThrow(RangeError);
  encoder.reset();
  expect(collectBytes((emit) => encoder.finish(emit)).length).toBe(7);
});

test('refuses block sizes the original refuses', () => {
  for (const blockBytes of [0, -1, PGZIP_DICTIONARY_BYTES, 20_000.5, Number.NaN, 2 ** 31]) {
    expect(() => createPgzipEncoder({ ...PODMAN, blockBytes })).toThrow(RangeError);
    expect(() => createPgzipBlockEncoder({ ...PODMAN, blockBytes })).toThrow(RangeError);
  }
  expect(() => createPgzipEncoder({ ...PODMAN, blockBytes: PGZIP_DICTIONARY_BYTES + 1 })).not.toThrow();
});

import { inflateRawSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import {
  createPigzBlockEncoder,
  createPigzEncoder,
  PIGZ_DEFAULT_BLOCK_BYTES,
  PIGZ_DICTIONARY_BYTES,
  type PigzParameters,
} from '../../../src/compress/exact/pigz/pigz-encoder.js';
import type { ZlibLevel } from '../../../src/compress/exact/zlib/zlib-encoder.js';
import { createRandom, makeInput, pickWriteSizes } from '../../support/deflate-inputs.mjs';
import {
  encodeInPieces,
  encodeVector,
  readDeflateVectors,
  sha256Hex,
} from '../../support/deflate-vectors.js';

const vectors = readDeflateVectors('pigz');
const TAR = makeInput('tar', 4, 3 * PIGZ_DEFAULT_BLOCK_BYTES);
const MIXTURE = makeInput('mixture', 3, 300_000);
const SMALL_BLOCK_BYTES = PIGZ_DICTIONARY_BYTES + 1024;

/** `pigz-LEVEL-BLOCKKIB[-i][-p1]` */
function parametersOf(id: string): PigzParameters {
  const [, level, blockKiB, ...options] = id.split('-');
  return {
    level: Number(level) as ZlibLevel,
    blockBytes: Number(blockKiB) * 1024,
    isIndependent: options.includes('i'),
    isSingle: options.includes('p1'),
  };
}

test('all ways of framing have vectors', () => {
  const ids = [...vectors.keys()];
  expect(ids.filter((id) => id.endsWith('-128')).length).toBe(9);
  for (const framing of ['-32', '-33-i', '-32-p1', '-41-i-p1']) {
    expect(ids.filter((id) => id.endsWith(framing)).length, framing).toBe(3);
  }
});

test.each([...vectors])('%s makes the streams the original made', (id, golden) => {
  const encoder = createPigzEncoder(parametersOf(id));
  expect(golden.length).toBeGreaterThanOrEqual(17);
  for (const vector of golden) {
    const stream = encodeVector(encoder, vector);
    expect({ ...vector, streamBytes: stream.length, streamSha256: sha256Hex(stream) }).toEqual(vector);
  }
});

describe.each([
  { level: 1, blockBytes: SMALL_BLOCK_BYTES },
  { level: 6, blockBytes: PIGZ_DEFAULT_BLOCK_BYTES },
  { level: 9, blockBytes: SMALL_BLOCK_BYTES, isIndependent: true },
  { level: 6, blockBytes: SMALL_BLOCK_BYTES, hasSyncMarkers: true },
] as const)('pigz %o', (parameters: PigzParameters) => {
  const { blockBytes } = parameters;
  const encoder = createPigzEncoder(parameters);

  test('blocks made apart, in any order, are the stream', () => {
    const blocks = createPigzBlockEncoder(parameters);
    for (const lengthBytes of [0, 1, blockBytes, blockBytes + 1, 3 * blockBytes, 3 * blockBytes - 1]) {
      const plain = TAR.subarray(0, lengthBytes);
      const starts: number[] = [];
      for (let at = 0; at === 0 || at < plain.length; at += blockBytes) starts.unshift(at);
      const made = starts.map((at) =>
        blocks.encodeBlock(
          plain.subarray(at, at + blockBytes),
          plain.subarray(0, at),
          at + blockBytes >= plain.length,
        ),
      );
      const joined = Buffer.concat(made.reverse());
      expect(sha256Hex(joined), `${lengthBytes}`).toBe(sha256Hex(encodeInPieces(encoder, plain)));
      expect(sha256Hex(inflateRawSync(joined)), `${lengthBytes}`).toBe(sha256Hex(plain));
    }
  });

  test('makes the same stream whatever the write sizes and the stream before', () => {
    const random = createRandom(blockBytes);
    const plain = MIXTURE;
    const whole = sha256Hex(encodeInPieces(createPigzEncoder(parameters), plain));
    for (let i = 0; i < 2; i++) {
      const sizes = pickWriteSizes(random, plain.length);
      expect(sha256Hex(encodeInPieces(encoder, plain, sizes))).toBe(whole);
      encoder.reset(plain);
      encoder.write(plain.subarray(0, 50_000), () => {});
    }
  });
});

test('every block but the last ends at a byte border, with a sync marker where asked for', () => {
  const plain = TAR;
  const options = { level: 6, blockBytes: SMALL_BLOCK_BYTES, hasSyncMarkers: true } as const;
  const marker = Buffer.from([0, 0, 0xff, 0xff]);
  const first = createPigzBlockEncoder(options).encodeBlock(
    plain.subarray(0, SMALL_BLOCK_BYTES),
    new Uint8Array(0),
    false,
  );
  expect(Buffer.from(first.subarray(-4))).toEqual(marker);
  const independent = createPigzBlockEncoder({ ...options, isIndependent: true });
  const block = independent.encodeBlock(plain.subarray(0, SMALL_BLOCK_BYTES), plain, false);
  expect(Buffer.from(block.subarray(-9))).toEqual(Buffer.concat([marker, Buffer.from([0]), marker]));
});

test('what pigz does not have is refused', () => {
  for (const blockBytes of [
    0,
    PIGZ_DICTIONARY_BYTES - 1024,
    PIGZ_DICTIONARY_BYTES + 1,
    2 ** 30,
    Number.NaN,
  ]) {
    expect(() => createPigzEncoder({ level: 6, blockBytes }), `${blockBytes}`).toThrow(RangeError);
  }
  const options = { level: 6, blockBytes: PIGZ_DEFAULT_BLOCK_BYTES } as const;
  expect(() => createPigzEncoder({ ...options, level: 11 as 9 })).toThrow(RangeError);
  expect(() => createPigzBlockEncoder({ ...options, isSingle: true })).toThrow(RangeError);
  expect(() => createPigzEncoder(options).flush(() => {})).toThrow(RangeError);
});

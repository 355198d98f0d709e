import { inflateRawSync, constants as zlib } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import {
  createKlauspostEncoder,
  type KlauspostLevel,
  klauspostVariants,
} from '../../../src/compress/exact/klauspost/klauspost-encoder.js';
import { KLAUSPOST_VARIANTS } from '../../../src/format/encoder-spec.js';
import { createRandom, INPUT_KINDS, makeInput, pickWriteSizes } from '../../support/deflate-inputs.mjs';
import {
  collectBytes,
  encodeInPieces,
  encodeVector,
  readDeflateVectors,
  sha256Hex,
} from '../../support/deflate-vectors.js';

const LEVELS: readonly KlauspostLevel[] = [1, 2, 3, 4, 5, 6, 7, 8, 9];
const PARAMETERS = LEVELS.flatMap((level) =>
  klauspostVariants(level).map((variant) => ({ level, variant, id: `klauspost-${variant}-${level}` })),
);
const vectors = readDeflateVectors('klauspost');

test('every variant of every level has golden vectors', () => {
  expect(PARAMETERS.map(({ id }) => id).sort()).toEqual([...vectors.keys()].sort());
});

describe.each(PARAMETERS)('$id', ({ level, variant, id }) => {
  test('makes the streams the original made', () => {
    const encoder = createKlauspostEncoder({ level, variant });
    const golden = vectors.get(id) ?? [];
    expect(golden.length).toBeGreaterThanOrEqual(22);
    for (const vector of golden) {
      const stream = encodeVector(encoder, vector);
      expect({ ...vector, streamBytes: stream.length, streamSha256: sha256Hex(stream) }).toEqual(vector);
    }
  });
});

test('golden vectors tell all variants of level 1 apart', () => {
  const outputs = klauspostVariants(1).map((variant) =>
    JSON.stringify(vectors.get(`klauspost-${variant}-1`)?.map(({ streamSha256 }) => streamSha256)),
  );
  expect(new Set(outputs).size).toBe(outputs.length);
});

describe.each(LEVELS)('level %i', (level) => {
  const variant = level === 9 ? '1.15.15' : (klauspostVariants(level)[0] ?? '1.18.2');
  const create = () => createKlauspostEncoder({ level, variant });

  test('makes the same stream whatever the write sizes', () => {
    const encoder = create();
    for (const seed of [1, 2]) {
      const random = createRandom(1000 * level + seed);
      const plain = makeInput('mixture', seed, 150_000 + random.below(100_000));
      const whole = sha256Hex(encodeInPieces(encoder, plain));
      const sizes = pickWriteSizes(random, plain.length);
      expect(sha256Hex(encodeInPieces(encoder, plain, sizes)), `seed ${seed}`).toBe(whole);
    }
    const short = makeInput('text', 4, 3000);
    const ones = Array.from(short, () => 1);
    expect(encodeInPieces(encoder, short, ones)).toEqual(encodeInPieces(encoder, short));
  });

  test('can be inflated to what was written, beyond all windows', () => {
    const encoder = create();
    for (const kind of INPUT_KINDS) {
      // The history of levels 1 to 6 moves down after 327,675 bytes; levels 7 to 9 are slow, and slide after 65,536.
      const plain = makeInput(kind, 5, level < 7 ? 350_000 : 100_000);
      expect(sha256Hex(inflateRawSync(encodeInPieces(encoder, plain))), kind).toBe(sha256Hex(plain));
    }
  });

  test('shows all that was written after a flush', () => {
    const encoder = create();
    const plain = makeInput('tar', 6, 150_000);
    const emitted: Uint8Array[] = [];
    const emit = (bytes: Uint8Array) => emitted.push(bytes.slice());
    let from = 0;
    for (const to of [10, 60, 65_600, 65_600, 150_000]) {
      encoder.write(plain.subarray(from, to), emit);
      encoder.flush(emit);
      const seen = inflateRawSync(Buffer.concat(emitted), { finishFlush: zlib.Z_SYNC_FLUSH });
      expect(sha256Hex(seen)).toBe(sha256Hex(plain.subarray(0, to)));
      from = to;
    }
  });

  test('makes of nothing an empty last block with the fixed codes', () => {
    expect(encodeInPieces(create(), new Uint8Array(0))).toEqual(Buffer.from([3, 0]));
  });

  test('keeps nothing of the stream before, finished or not', () => {
    const plain = makeInput('mixture', 7, 100_000);
    const fresh = sha256Hex(encodeInPieces(create(), plain));
    const encoder = create();
    encodeInPieces(encoder, plain);
    expect(sha256Hex(encodeInPieces(encoder, plain))).toBe(fresh);
    encoder.reset();
    encoder.write(plain.subarray(0, 77_777), () => {});
    expect(sha256Hex(encodeInPieces(encoder, plain))).toBe(fresh);
    encoder.reset(plain);
    encoder.write(plain.subarray(0, 500), () => {});
    expect(sha256Hex(encodeInPieces(encoder, plain))).toBe(fresh);
  });

  test('uses the last 32 KiB of a dictionary', () => {
    const encoder = create();
    const dictionary = makeInput('text', 8, 150_000);
    const plain = dictionary.subarray(140_000, 149_000);
    const encodeWith = (before: Uint8Array) => {
      encoder.reset(before);
      return collectBytes((emit) => {
        encoder.write(plain, emit);
        encoder.finish(emit);
      });
    };
    const stream = encodeWith(dictionary);
    expect(stream.length).toBeLessThan(200);
    expect(encodeWith(dictionary.subarray(-32_768))).toEqual(stream);
    expect(encodeWith(dictionary.subarray(-10_000, -9000)).length).toBeGreaterThan(200);
    expect(inflateRawSync(stream, { dictionary: dictionary.subarray(-32_768) }).equals(plain)).toBe(true);
  });
});

test('wants a reset after the end', () => {
  const encoder = createKlauspostEncoder({ level: 5, variant: '1.15.10' });
  encoder.finish(() => {});
  expect(() => encoder.write(new Uint8Array(1), () => {})).toThrow(RangeError);
  expect(() => encoder.flush(() => {})).toThrow(RangeError);
  expect(() => encoder.finish(() => {})).toThrow(RangeError);
  encoder.reset();
  expect(collectBytes((emit) => encoder.finish(emit)).length).toBe(2);
});

test('refuses a variant that a level does not have', () => {
  for (const level of LEVELS) {
    const own = klauspostVariants(level);
    for (const variant of KLAUSPOST_VARIANTS.filter((one) => !own.includes(one))) {
      expect(() => createKlauspostEncoder({ level, variant })).toThrow(RangeError);
    }
  }
});

test.each([
  { level: 5 as const, streamSha256: 'e1171687a148712141d1a7692f11e6a5166a8eb64655b6d8208a7d5db0247cec' },
  { level: 6 as const, streamSha256: 'b4cf2b6a34be44c82f1f1103fa540271ce865c3296179b2842317f52a550c2f0' },
])('level $level does not take what is 2 MiB back for what is near', ({ level, streamSha256 }) => {
  // Bytes are seen at a place, stand again 2^21 behind it where the search all but passes over them, and once more in the next block.
  const blockBytes = 65_535;
  const plain = new Uint8Array(34 * blockBytes);
  const seen = makeInput('noise', 1, 512);
  plain.set(seen, 50_000);
  plain.set(makeInput('noise', 2, blockBytes), 32 * blockBytes);
  plain.set(seen, 50_000 + 2 ** 21);
  plain.set(seen, 33 * blockBytes);
  const encoder = createKlauspostEncoder({ level, variant: '1.15.10' });
  expect(sha256Hex(encodeInPieces(encoder, plain))).toBe(streamSha256);
});

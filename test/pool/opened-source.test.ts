import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DbupError } from '../../src/core/errors.js';
import type { EncoderSpec } from '../../src/format/encoder-spec.js';
import { OpenedPartsEncoder } from '../../src/format/opened-parts.js';
import { type ByteSource, readSource } from '../../src/pool/byte-source.js';
import { GzipWorkers } from '../../src/pool/gzip-workers.js';
import { OpenedSource } from '../../src/pool/opened-source.js';
import { makeInput } from '../support/deflate-inputs.mjs';
import { deflateBy } from '../support/nested-files.js';

const PLAIN = makeInput('text', 5, 300_000);
const NOTHING = new Uint8Array(0);

/** Bytes in pieces of a size. */
class PiecesSource implements ByteSource {
  current: Uint8Array = NOTHING;
  #rest: Uint8Array;
  readonly #pieceBytes: number;

  constructor(bytes: Uint8Array, pieceBytes = 70_001) {
    this.#rest = bytes;
    this.#pieceBytes = pieceBytes;
  }

  consume(byteCount: number): void {
    this.current = this.current.subarray(byteCount);
  }

  async advance(): Promise<boolean> {
    this.current = this.#rest.subarray(0, this.#pieceBytes);
    this.#rest = this.#rest.subarray(this.current.length);
    return this.current.length > 0;
  }

  async close(): Promise<void> {}
}

function listOf(specs: readonly EncoderSpec[], deflatedBytes: readonly number[]): Uint8Array {
  const encoder = new OpenedPartsEncoder();
  const list = specs.map((spec, i) =>
    encoder.add({
      kind: 'deflated',
      sizeBytes: PLAIN.length,
      encoder: spec,
      deflatedBytes: deflatedBytes[i]!,
    }),
  );
  return Buffer.concat([...list, encoder.finish()]);
}

let workers: GzipWorkers;

beforeEach(() => {
  workers = new GzipWorkers(2);
});

afterEach(() => workers.close());

function open(parts: Uint8Array, streams: number, sizeBytes: number): OpenedSource {
  const contents = new PiecesSource(Buffer.concat(Array.from({ length: streams }, () => PLAIN)));
  return new OpenedSource(
    workers,
    { contents, frames: new PiecesSource(NOTHING), parts: new PiecesSource(parts, 3) },
    sizeBytes,
  );
}

async function readAll(source: ByteSource): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of readSource(source)) pieces.push(piece.slice());
  return Buffer.concat(pieces);
}

const errorOf = (source: ByteSource): Promise<unknown> =>
  readAll(source).then(
    () => 'no error',
    (error: unknown) => error,
  );

it('streams of several encoders follow each other', async () => {
  const specs: EncoderSpec[] = [1, 6, 9].flatMap((level): EncoderSpec[] => [
    { family: 'go', level },
    { family: 'zlib', level, memLevel: 8 },
  ]);
  const expected = specs.map((spec) => deflateBy(spec, PLAIN));
  const list = listOf(
    specs,
    expected.map(({ length }) => length),
  );
  const whole = Buffer.concat(expected);
  expect((await readAll(open(list, specs.length, whole.length))).equals(whole)).toBe(true);
});

describe('what cannot be made is told for what it is', () => {
  it.each<[string, string, Uint8Array]>([
    ['a family of a later version', 'POOL_FORMAT_UNSUPPORTED', Uint8Array.of(11, 99, 1)],
    ['a level of a later version', 'POOL_FORMAT_UNSUPPORTED', listOf([{ family: 'go', level: 11 }], [1000])],
    [
      'an encoder that wants corrections',
      'POOL_DAMAGED',
      listOf([{ family: 'corrected', level: 1 }], [1000]),
    ],
    ['a list that is cut off', 'POOL_DAMAGED', listOf([{ family: 'go', level: 6 }], [1000]).subarray(0, -1)],
  ])('%s: %s', async (_, code, list) => {
    expect(await errorOf(open(list, 1, 1000))).toMatchObject({ name: 'DbupError', code });
  });

  it('a thread that ends says nothing about the pool', async () => {
    const spec: EncoderSpec = { family: 'go', level: 9 };
    const size = deflateBy(spec, PLAIN).length;
    const list = listOf(
      Array.from({ length: 20 }, () => spec),
      Array.from({ length: 20 }, () => size),
    );
    const source = open(list, 20, 20 * size);
    expect(await source.advance()).toBe(true);
    await workers.close();
    const error = await errorOf(source);
    expect(error).toBeInstanceOf(DbupError);
    expect(error).toMatchObject({ code: 'INTERNAL', message: expect.stringMatching(/thread/) });
  });
});

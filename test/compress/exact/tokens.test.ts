import { readFileSync } from 'node:fs';
import { constants, deflateRawSync, gzipSync, inflateRawSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { GzipRebuilder } from '../../../src/compress/exact/gzip-rebuilder.js';
import { type CorrectedGzip, GzipCorrector } from '../../../src/compress/exact/tokens/correct-gzip.js';
import { CorrectedEncoder } from '../../../src/compress/exact/tokens/corrected-encoder.js';
import {
  type CorrectionFrame,
  encodeFrame,
  FrameReader,
} from '../../../src/compress/exact/tokens/correction-frame.js';
import { CannotTakeApart, StreamTaker } from '../../../src/compress/exact/tokens/take-apart.js';
import { TOKEN_MODELS, type TokenModel } from '../../../src/compress/exact/tokens/token-models.js';
import { compressedFile } from '../../support/compressed-file.js';
import { createRandom, makeInput } from '../../support/deflate-inputs.mjs';
import { collectBytes, sha256Hex } from '../../support/deflate-vectors.js';
import { GO_6, gzipBy } from '../../support/gzip-files.js';
import { concatBytes } from '../../support/tar-builder.js';
import { whimsicalGzip } from '../../support/whimsical-gzip.js';

const SEED = Number(process.env.DBUP_TEST_SEED ?? 20_261_122);
const TAR = makeInput('tar', 3, 90_000);
const MIXTURE = makeInput('mixture', 4, 120_000);

interface Apart {
  plain: Uint8Array;
  frames: Uint8Array;
}

function takeApart(stream: Uint8Array, model: TokenModel): Apart {
  const taker = new StreamTaker(compressedFile(stream), model);
  taker.begin(0);
  const plain: Uint8Array[] = [];
  const frames: Uint8Array[] = [];
  for (;;) {
    const piece = taker.step();
    if (!piece) throw new Error('the stream is cut off');
    plain.push(piece.plain.slice());
    if (piece.frame) frames.push(encodeFrame(piece.frame));
    if (piece.endAt === null) continue;
    expect(piece.endAt).toBe(stream.length);
    return { plain: concatBytes(plain), frames: concatBytes(frames) };
  }
}

function putTogether({ plain, frames }: Apart, model: TokenModel, pieceBytes = 70_001): Uint8Array {
  const encoder = new CorrectedEncoder(model);
  for (const frame of new FrameReader().push(frames)) encoder.give(frame);
  return collectBytes((emit) => {
    for (let at = 0; at < plain.length; at += pieceBytes)
      encoder.write(plain.subarray(at, at + pieceBytes), emit);
    encoder.finish(emit);
  });
}

const { Z_FILTERED, Z_FIXED, Z_HUFFMAN_ONLY, Z_RLE, Z_FULL_FLUSH } = constants;
const STREAMS: [string, Uint8Array, Uint8Array][] = [
  ['of nothing', new Uint8Array(0), deflateRawSync('')],
  ['of a byte', Uint8Array.of(7), deflateRawSync(Uint8Array.of(7))],
  ['of stored blocks', MIXTURE, deflateRawSync(MIXTURE, { level: 0 })],
  ['of fixed codes', TAR, deflateRawSync(TAR, { strategy: Z_FIXED })],
  ['without matches', TAR, deflateRawSync(TAR, { strategy: Z_HUFFMAN_ONLY })],
  ['of runs', MIXTURE, deflateRawSync(MIXTURE, { strategy: Z_RLE })],
  ['of long matches', MIXTURE, deflateRawSync(MIXTURE, { strategy: Z_FILTERED })],
  ['of short blocks', MIXTURE, deflateRawSync(MIXTURE, { memLevel: 1 })],
  ['of a small window', TAR, deflateRawSync(TAR, { windowBits: 9 })],
  ['of zeros', new Uint8Array(1_200_000), deflateRawSync(new Uint8Array(1_200_000))],
  ['of chance', TAR, whimsicalGzip(TAR).subarray(10, -8)],
];

describe.each(TOKEN_MODELS)('corrections of $name', (model) => {
  it.each(STREAMS)('put together a stream %s', (_, plain, stream) => {
    const apart = takeApart(stream, model);
    expect(sha256Hex(apart.plain)).toBe(sha256Hex(plain));
    expect(sha256Hex(putTogether(apart, model))).toBe(sha256Hex(stream));
  });
});

describe('corrections', () => {
  const model = TOKEN_MODELS[4]!;

  it('are few where the model is near', () => {
    const stream = deflateRawSync(TAR, { level: 6, memLevel: 3 });
    expect(takeApart(stream, model).frames.length).toBeLessThan(stream.length / 20);
  });

  it('are the same whatever the pieces', () => {
    const stream = deflateRawSync(MIXTURE, { level: 7 });
    const apart = takeApart(stream, model);
    for (const pieceBytes of [1, 299, 1000, 65_536]) {
      const plain = pieceBytes === 1 ? MIXTURE.subarray(0, 3000) : MIXTURE;
      const part = pieceBytes === 1 ? takeApart(deflateRawSync(plain), model) : apart;
      const expected = pieceBytes === 1 ? deflateRawSync(plain) : stream;
      expect(sha256Hex(putTogether(part, model, pieceBytes)), `${pieceBytes}`).toBe(sha256Hex(expected));
    }
  });

  it('go on through blocks of nothing', () => {
    const empty = Uint8Array.of(0, 0, 0, 0xff, 0xff);
    const stream = concatBytes([...Array.from({ length: 20_000 }, () => empty), deflateRawSync(TAR)]);
    expect(sha256Hex(inflateRawSync(stream))).toBe(sha256Hex(TAR));
    expect(sha256Hex(putTogether(takeApart(stream, model), model))).toBe(sha256Hex(stream));
    const ended = concatBytes([
      deflateRawSync(TAR, { finishFlush: Z_FULL_FLUSH }),
      empty,
      Uint8Array.of(3, 0),
    ]);
    expect(sha256Hex(putTogether(takeApart(ended, model), model))).toBe(sha256Hex(ended));
  });

  it('stand for what the vectors say, for good', () => {
    const vectors = JSON.parse(
      readFileSync(new URL('../../../fixtures/deflate/corrected/vectors.json', import.meta.url), 'utf8'),
    ) as {
      model: string;
      kind: string;
      seed: number;
      lengthBytes: number;
      frames: string;
      streamSha256: string;
    }[];
    expect(vectors.map((vector) => vector.model)).toEqual(TOKEN_MODELS.flatMap(({ name }) => [name, name]));
    for (const { model: name, kind, seed, lengthBytes, frames, streamSha256 } of vectors) {
      const of = TOKEN_MODELS.find((one) => one.name === name)!;
      const apart = {
        plain: makeInput(kind as 'tar', seed, lengthBytes),
        frames: Buffer.from(frames, 'base64'),
      };
      expect(sha256Hex(putTogether(apart, of)), name).toBe(streamSha256);
    }
  });

  it('that are damaged make other bytes or none, and never go on for ever', () => {
    const random = createRandom(SEED);
    const stream = deflateRawSync(TAR.subarray(0, 60_000), { memLevel: 2 });
    const { plain, frames } = takeApart(stream, model);
    let refused = 0;
    for (let i = 0; i < 150; i++) {
      const bytes = frames.slice();
      for (let n = 1 + random.below(3); n > 0; n--) bytes[random.below(bytes.length)] = random.below(256);
      let made: Uint8Array | null = null;
      try {
        made = putTogether({ plain, frames: bytes }, model);
      } catch (error) {
        expect(error, `seed ${SEED}, case ${i}`).toBeInstanceOf(Error);
        refused++;
      }
      if (made && !Buffer.from(frames).equals(bytes)) expect(made.length).toBeGreaterThan(0);
    }
    expect(refused).toBeGreaterThan(0);
  });

  it('are not made of what is no deflate stream', () => {
    const random = createRandom(SEED + 1);
    const good = deflateRawSync(TAR.subarray(0, 30_000));
    for (let i = 0; i < 100; i++) {
      const bytes = good.slice();
      bytes[random.below(bytes.length)]! ^= 1 << random.below(8);
      const taker = new StreamTaker(compressedFile(bytes), model);
      taker.begin(0);
      try {
        for (let piece = taker.step(); piece && piece.endAt === null; piece = taker.step());
      } catch (error) {
        expect(error, `seed ${SEED}, case ${i}`).toBeInstanceOf(CannotTakeApart);
      }
    }
  });
});

describe('a gzip file that no encoder makes', () => {
  function correct(bytes: Uint8Array): { found: CorrectedGzip; frames: CorrectionFrame[] } | null {
    const corrector = GzipCorrector.open(compressedFile(bytes));
    const reader = new FrameReader();
    const frames: CorrectionFrame[] = [];
    for (let step = corrector?.step(); step; step = corrector!.step()) {
      frames.push(...reader.push(step.frames));
      if (step.found) return { found: step.found, frames };
    }
    return null;
  }

  it('is made again by its recipe, members, empty ones and what follows them too', () => {
    const bytes = concatBytes([
      gzipSync(TAR, { memLevel: 3 }),
      gzipSync('', { memLevel: 3 }),
      gzipBy(GO_6, MIXTURE),
      gzipSync('', { memLevel: 3 }),
      Uint8Array.of(0, 0, 0),
    ]);
    const { found, frames } = correct(bytes)!;
    expect(found.members.map(({ plainBytes }) => plainBytes)).toEqual([TAR.length, 0, MIXTURE.length, 0]);
    expect(found.digestHex).toBe(sha256Hex(bytes));
    const rebuilder = new GzipRebuilder(found.members, found.trailing);
    const made = collectBytes((emit) => {
      rebuilder.correct(frames);
      rebuilder.write(concatBytes([TAR, MIXTURE]), emit);
      rebuilder.finish(emit);
    });
    expect(sha256Hex(made)).toBe(found.digestHex);
  });

  it('is told by its beginning, also where that is one stretch', () => {
    const plain = makeInput('skewed', 3, 320_000);
    const bytes = gzipSync(plain, { memLevel: 3 });
    expect(bytes.length).toBeGreaterThan(128 * 1024);
    expect(correct(bytes)?.found).toMatchObject({ plainBytes: plain.length, digestHex: sha256Hex(bytes) });
  });

  it('is left where corrections would take more than a tenth of it, or its checksum is wrong', () => {
    expect(correct(whimsicalGzip(TAR))).toBeNull();
    const wrong = new Uint8Array(gzipSync(TAR, { memLevel: 3 }));
    wrong[wrong.length - 6]! ^= 1;
    expect(correct(wrong)).toBeNull();
    expect(correct(gzipSync(TAR, { memLevel: 3 }).subarray(0, 9000))).toBeNull();
  });
});

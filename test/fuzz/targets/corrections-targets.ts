import { constants, deflateRawSync, inflateRawSync } from 'node:zlib';
import { gzipTrailer } from '../../../src/compress/exact/gzip-header.js';
import { GzipCorrector } from '../../../src/compress/exact/tokens/correct-gzip.js';
import { CorrectedEncoder } from '../../../src/compress/exact/tokens/corrected-encoder.js';
import {
  type CorrectionFrame,
  encodeFrame,
  FrameReader,
} from '../../../src/compress/exact/tokens/correction-frame.js';
import { StreamTaker } from '../../../src/compress/exact/tokens/take-apart.js';
import { TOKEN_MODELS } from '../../../src/compress/exact/tokens/token-models.js';
import { crc32 } from '../../../src/hash/crc32.js';
import { sha256Hex } from '../../../src/hash/sha256.js';
import { compressedFile } from '../../support/compressed-file.js';
import { GO_HEADER } from '../../support/gzip-files.js';
import { ascii, noise } from '../../support/tar-builder.js';
import { whimsicalGzip } from '../../support/whimsical-gzip.js';
import { acceptsOr, type FuzzTarget, UNMAKEABLE } from '../fuzz-target.js';
import { maybeMutated, mutated } from '../mutate.js';
import { joinParts, splitParts } from '../parts.js';
import type { Random } from '../random.js';

const NO_BYTES = new Uint8Array(0);
const TEXT = new Uint8Array(
  Buffer.concat([
    ascii('what a model foresees, token by token, and what the file has instead. '.repeat(30)),
    noise(4, 6000),
    ascii('what the file has instead, where a model foresees token by token. '.repeat(30)),
  ]),
);
const { Z_FIXED, Z_HUFFMAN_ONLY, Z_RLE } = constants;
/** Deflate streams of all kinds of blocks. */
const STREAMS: readonly Uint8Array[] = [
  deflateRawSync(TEXT, { level: 6, memLevel: 3 }),
  deflateRawSync(TEXT, { level: 0 }),
  deflateRawSync(TEXT, { strategy: Z_FIXED }),
  deflateRawSync(TEXT, { strategy: Z_HUFFMAN_ONLY }),
  deflateRawSync(TEXT, { strategy: Z_RLE, memLevel: 1 }),
  whimsicalGzip(TEXT).subarray(10, -8),
  new Uint8Array(
    Buffer.concat([
      ...Array.from({ length: 40 }, () => Uint8Array.of(0, 0, 0, 0xff, 0xff)),
      deflateRawSync(TEXT.subarray(0, 500), { level: 9 }),
    ]),
  ),
];

/** The corrections with which a model puts a stream together. */
function correctionsOf(stream: Uint8Array, model: number): CorrectionFrame[] {
  const taker = new StreamTaker(compressedFile(stream), TOKEN_MODELS[model]!);
  taker.begin(0);
  const frames: CorrectionFrame[] = [];
  for (;;) {
    const piece = taker.step();
    if (!piece) throw new Error('a stream is cut off');
    const { frame, endAt } = piece;
    if (frame) frames.push({ ...frame, tokens: frame.tokens.slice(), blocks: frame.blocks.slice() });
    if (endAt !== null) return frames;
  }
}

const known = new Map<string, CorrectionFrame[]>();

function knownCorrections(stream: number, model: number): CorrectionFrame[] {
  const key = `${stream}/${model}`;
  const frames = known.get(key) ?? correctionsOf(STREAMS[stream]!, model);
  known.set(key, frames);
  return frames;
}

/** Corrections of which the coded bytes are changed, and the lengths are right or nearly so. */
function changedFrames(random: Random, frames: readonly CorrectionFrame[]): Uint8Array {
  const changed = frames.map((frame) => ({
    plainBytes: random.percent(95) ? frame.plainBytes : random.next(),
    blockCount: random.percent(95) ? frame.blockCount : random.next(),
    tokens: random.percent(40) ? mutated(random, frame.tokens) : frame.tokens,
    blocks: random.percent(40) ? mutated(random, frame.blocks) : frame.blocks,
  }));
  return new Uint8Array(Buffer.concat(changed.map(encodeFrame)));
}

/** What is made of 64 KiB may wait for the end of a block, and then it is no more than this. */
const MOST_MADE_BYTES = 64 * 1024 * 1024 + 64 * 1024;

/** The number of a model, frames, and the plain bytes they are for. */
export const correctionsTarget: FuzzTarget = {
  name: 'corrections',
  runs: 'frames of corrections, and the deflate stream that a model makes with them, which must end',
  inputs: 12_000,
  shortInputs: 100,
  make(random) {
    const model = random.below(TOKEN_MODELS.length);
    const stream = random.below(STREAMS.length);
    const frames = knownCorrections(stream, random.percent(95) ? model : random.below(TOKEN_MODELS.length));
    const bytes = random.percent(80)
      ? changedFrames(random, frames)
      : maybeMutated(random, Buffer.concat(frames.map(encodeFrame)));
    const plain = inflateRawSync(STREAMS[stream]!);
    return joinParts([Uint8Array.of(model), bytes, random.percent(95) ? plain : mutated(random, plain)]);
  },
  run(bytes) {
    const [head, coded = NO_BYTES, plain = NO_BYTES] = splitParts(bytes);
    const model = TOKEN_MODELS[(head?.[0] ?? 0) % TOKEN_MODELS.length]!;
    let madeBytes = 0;
    const take = (piece: Uint8Array): void => {
      madeBytes += piece.length;
    };
    const accepted = acceptsOr(UNMAKEABLE, () => {
      const reader = new FrameReader();
      const frames = [...reader.push(coded.subarray(0, 100)), ...reader.push(coded.subarray(100))];
      if (!reader.isAtEnd) throw new RangeError('corrections are cut off');
      const encoder = new CorrectedEncoder(model);
      for (const frame of frames) encoder.give(frame);
      encoder.reset();
      encoder.write(plain, take);
      encoder.finish(take);
    });
    if (madeBytes > MOST_MADE_BYTES * (1 + plain.length / 65_536))
      throw new TypeError('corrections make too much');
    return accepted;
  },
};

/** A member of a program with odd settings, or of nobody: a stream with a bit turned that is one still. */
function anyMember(random: Random): Uint8Array {
  const plain = random.percent(50) ? TEXT.subarray(0, random.size(TEXT.length)) : mutated(random, TEXT);
  const made = deflateRawSync(plain, {
    level: random.below(10),
    memLevel: random.between(1, 9),
    windowBits: random.between(9, 15),
    strategy: random.percent(60) ? 0 : random.below(5),
  });
  return (random.percent(50) && turnedMember(random, made)) || memberOf(made, plain);
}

/** The stream with one bit turned, if it can be inflated then. */
function turnedMember(random: Random, stream: Uint8Array): Uint8Array | null {
  const changed = stream.slice();
  const at = random.below(changed.length);
  changed[at] = changed[at]! ^ (1 << random.below(8));
  try {
    return memberOf(changed, inflateRawSync(changed, { maxOutputLength: 16 * TEXT.length }));
  } catch {
    return null;
  }
}

function memberOf(stream: Uint8Array, plain: Uint8Array): Uint8Array {
  return new Uint8Array(Buffer.concat([GO_HEADER, stream, gzipTrailer(crc32(plain), plain.length)]));
}

export const gzipCorrectionTarget: FuzzTarget = {
  name: 'gzip-correction',
  runs: 'gzip files taken apart by the model that comes nearest, put together again and compared',
  inputs: 1_500,
  shortInputs: 12,
  make(random) {
    const members = Array.from({ length: random.percent(70) ? 1 : 1 + random.size(5) }, () =>
      anyMember(random),
    );
    const file = new Uint8Array(
      Buffer.concat([...members, random.bytes(random.percent(80) ? 0 : random.size(40))]),
    );
    return random.percent(30) ? mutated(random, file) : file;
  },
  run(bytes) {
    const corrector = GzipCorrector.open(compressedFile(bytes));
    if (!corrector) return false;
    for (;;) {
      const step = corrector.step();
      if (!step) return false;
      if (!step.found) continue;
      if (step.found.digestHex !== sha256Hex(bytes)) throw new TypeError('a file was taken for another');
      return true;
    }
  },
};

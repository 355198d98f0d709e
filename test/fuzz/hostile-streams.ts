import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { gzipTrailer } from '../../src/compress/exact/gzip-header.js';
import { encodeFrame } from '../../src/compress/exact/tokens/correction-frame.js';
import { StreamTaker } from '../../src/compress/exact/tokens/take-apart.js';
import { TOKEN_MODELS } from '../../src/compress/exact/tokens/token-models.js';
import type { EncoderSpec } from '../../src/format/encoder-spec.js';
import { type OpenedPart, OpenedPartsEncoder } from '../../src/format/opened-parts.js';
import { encodeRecipe, type StreamRef } from '../../src/format/recipe.js';
import { crc32 } from '../../src/hash/crc32.js';
import { recipe, sha256Hex, streamReference } from '../format/hand-made-pool.js';
import { compressedFile } from '../support/compressed-file.js';
import { deflateBy, ZLIB_6 } from '../support/nested-files.js';
import { ascii } from '../support/tar-builder.js';
import { edge, mutated } from './mutate.js';
import type { Random } from './random.js';
import { anyEncoderSpec } from './targets/any-encoder-spec.js';

const HEADER = Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff);
const NO_BYTES = new Uint8Array(0);
const TEXT = ascii('bytes that were compressed once, held open, and are to be compressed again. '.repeat(20));

/** What a pool has to hold for a recipe to be more than its own bytes. */
type Keep = (chunk: Uint8Array) => Uint8Array;
export interface MadeRecipe {
  bytes: Uint8Array;
  sizeBytes: number;
  /** SHA-256 of what it makes, where that is known. */
  digestHex?: string;
}

const streamOf = (chunk: Uint8Array): StreamRef => ({
  depth: 0,
  sizeBytes: chunk.length,
  id: chunk.length === 0 ? '' : sha256Hex(chunk),
});

/** A segment of a tar recipe whose streams are there and fit, or nearly so. */
export function openedSegment(random: Random, keep: Keep): { bytes: Uint8Array; sizeBytes: number } {
  const specs = [ZLIB_6, random.percent(60) ? anyEncoderSpec(random) : ZLIB_6];
  const contents: Uint8Array[] = [];
  const frames: Uint8Array[] = [];
  const encoder = new OpenedPartsEncoder();
  const list: Uint8Array[] = [];
  let sizeBytes = 0;
  for (let left = 1 + random.size(12); left > 0; left--) {
    const bytes = TEXT.subarray(0, 1 + random.size(TEXT.length - 1));
    const kind = random.pick(['contents', 'frame', 'deflated'] as const);
    (kind === 'frame' ? frames : contents).push(bytes);
    const part =
      kind === 'deflated' ? deflatedPart(random.pick(specs), bytes) : { kind, sizeBytes: bytes.length };
    sizeBytes += part.kind === 'deflated' ? part.deflatedBytes : part.sizeBytes;
    list.push(encoder.add(part));
  }
  const parts = new Uint8Array(Buffer.concat([...list, encoder.finish()]));
  const streams = [
    new Uint8Array(Buffer.concat(contents)),
    new Uint8Array(Buffer.concat(frames)),
    random.percent(85) ? parts : mutated(random, parts),
  ];
  const claimed = random.percent(92) ? sizeBytes : 1 + Number(edge(random) % 2n ** 40n);
  const head = Buffer.alloc(16);
  head.writeUInt8(2, 0);
  head.writeBigUInt64LE(BigInt(claimed), 8);
  const references = streams.map((chunk) => streamReference(keep(chunk)));
  return { bytes: new Uint8Array(Buffer.concat([head, ...references])), sizeBytes: claimed };
}

function deflatedPart(encoder: EncoderSpec, plain: Uint8Array): OpenedPart {
  let deflatedBytes = 40;
  try {
    deflatedBytes = deflateBy(encoder, plain).length;
  } catch {
    // There is no such encoder: whoever reads the list has to find that out.
  }
  return { kind: 'deflated', sizeBytes: plain.length, encoder, deflatedBytes };
}

/** Recipes of a gzip file whose plain bytes are `inner`, or that has checkpoints or corrections between. */
export function compressedRecipe(random: Random, inner: MadeRecipe, keep: Keep): MadeRecipe[] {
  if (random.percent(25)) return correctedRecipe(random, keep);
  const plainBytes = inner.sizeBytes % 2 ** 40;
  const between = random.percent(35) && plainBytes > 1 ? [checkpointRecipe(random, inner, plainBytes)] : [];
  const encoder = anyEncoderSpec(random);
  return [...between, gzipRecipe(between[0] ?? inner, plainBytes, encoder, plainBytes + 50)];
}

function checkpointRecipe(random: Random, inner: MadeRecipe, plainBytes: number): MadeRecipe {
  const plainAt = random.percent(60)
    ? Math.ceil(plainBytes / 2)
    : random.between(1, Math.min(plainBytes, 2 ** 31));
  const bytes = encodeRecipe({
    kind: 'checkpoints',
    sizeBytes: plainBytes,
    inner: { recipeId: sha256Hex(inner.bytes), sizeBytes: plainBytes },
    checkpoints: [
      {
        plainBytes: plainAt,
        compressedBytes: 1 + random.size(4000),
        crc: random.next(),
        state: stateOf(random),
      },
    ],
  });
  return { bytes, sizeBytes: plainBytes };
}

function stateOf(random: Random): Uint8Array {
  const state = new Uint8Array(16);
  if (random.percent(30)) return state;
  state.set(random.bytes(random.percent(50) ? 16 : 4));
  state[0] = 1;
  return state;
}

function gzipRecipe(
  inner: MadeRecipe,
  plainBytes: number,
  encoder: EncoderSpec,
  sizeBytes: number,
): MadeRecipe {
  const bytes = encodeRecipe({
    kind: 'gzip',
    sizeBytes,
    inner: { recipeId: sha256Hex(inner.bytes), sizeBytes: plainBytes },
    members: [{ header: HEADER, encoder, plainBytes }],
    trailing: NO_BYTES,
  });
  return { bytes, sizeBytes };
}

/** A gzip file of corrections, which may be changed: its plain bytes, the corrections, and the recipes that lead to both. */
function correctedRecipe(random: Random, keep: Keep): MadeRecipe[] {
  const stream = deflateRawSync(TEXT, { memLevel: random.between(1, 9), strategy: random.below(5) });
  const number = random.below(TOKEN_MODELS.length);
  const taker = new StreamTaker(compressedFile(stream), TOKEN_MODELS[number]!);
  taker.begin(0);
  const frames: Uint8Array[] = [];
  for (let piece = taker.step(); piece; piece = piece.endAt === null ? taker.step() : null)
    if (piece.frame) frames.push(encodeFrame(piece.frame));
  const sound = new Uint8Array(Buffer.concat(frames));
  const corrections = keep(random.percent(70) ? sound : mutated(random, sound));
  const plain = keep(new Uint8Array(inflateRawSync(stream)));
  const plainRecipe = recipe(1, plain.length, streamReference(plain));
  const between = encodeRecipe({
    kind: 'corrections',
    sizeBytes: plain.length,
    inner: { recipeId: sha256Hex(plainRecipe), sizeBytes: plain.length },
    corrections: streamOf(corrections),
  });
  const encoder: EncoderSpec = {
    family: 'corrected',
    level: 1 + (random.percent(95) ? number : random.below(20)),
  };
  const middle = { bytes: between, sizeBytes: plain.length };
  const file = Buffer.concat([HEADER, stream, gzipTrailer(crc32(plain), plain.length)]);
  return [
    { bytes: new Uint8Array(plainRecipe), sizeBytes: plain.length },
    middle,
    { ...gzipRecipe(middle, plain.length, encoder, file.length), digestHex: sha256Hex(file) },
  ];
}

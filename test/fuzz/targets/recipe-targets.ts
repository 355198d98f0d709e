import { createEncoder } from '../../../src/compress/exact/encoder-registry.js';
import { GzipRebuilder } from '../../../src/compress/exact/gzip-rebuilder.js';
import { repeatedBase } from '../../../src/format/base-list.js';
import {
  decodeEncoderSpec,
  type EncoderSpec,
  encodeEncoderSpec,
  encoderName,
} from '../../../src/format/encoder-spec.js';
import { decodeRecipe, encodeRecipe, type Recipe } from '../../../src/format/recipe.js';
import { decodeListNode } from '../../../src/format/stream-list.js';
import {
  blobSegment,
  listNode,
  recipe,
  segments,
  streamReference,
  streamSegment,
} from '../../format/hand-made-pool.js';
import { noise } from '../../support/tar-builder.js';
import { accepts, acceptsOr, type FuzzTarget, UNMAKEABLE } from '../fuzz-target.js';
import { edge, maybeMutated } from '../mutate.js';
import { anyEncoderSpec } from './any-encoder-spec.js';

const CHUNK = noise(71, 700);
const HEADER = Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff);
const id = 'ab'.repeat(32);

function gzip(
  members: readonly (readonly [EncoderSpec, number])[],
  trailing: Uint8Array = new Uint8Array(0),
): Uint8Array {
  const plainBytes = members.reduce((sum, [, bytes]) => sum + bytes, 0);
  return encodeRecipe({
    kind: 'gzip',
    sizeBytes: plainBytes + 100,
    inner: { recipeId: id, sizeBytes: plainBytes },
    members: members.map(([encoder, bytes]) => ({ header: HEADER, encoder, plainBytes: bytes })),
    trailing,
  });
}

const RECIPES: readonly Uint8Array[] = [
  recipe(1, CHUNK.length, streamReference(CHUNK)),
  recipe(1, 90_000, streamReference(CHUNK, 2, 90_000)),
  recipe(
    2,
    1700,
    streamReference(CHUNK, 0, 300),
    segments(blobSegment(CHUNK, CHUNK), streamSegment(streamReference(CHUNK))),
  ),
  gzip([[{ family: 'go', level: 6 }, 1000]]),
  gzip([
    [{ family: 'zlib', level: 9, memLevel: 8 }, 10],
    [{ family: 'pigz', level: 6, flags: 2, blockBytes: 131_072 }, 20],
    [{ family: 'pgzip', level: 5, variant: '1.15.10', blockBytes: 1_048_576 }, 300],
    [{ family: 'klauspost', level: 1, variant: '1.18.0' }, 0],
    [{ family: 'gnu', level: 1 }, 70],
  ]),
  gzip(
    Array.from({ length: 40 }, (_, i) => [{ family: 'go', level: i % 10 }, i] as const),
    noise(2, 50),
  ),
];

const CHECKPOINTS = encodeRecipe({
  kind: 'checkpoints',
  sizeBytes: 50_000_000,
  inner: { recipeId: id, sizeBytes: 50_000_000 },
  checkpoints: [1, 2, 3].map((number) => ({
    plainBytes: number * 8_388_608,
    compressedBytes: number * 3_000_000,
    crc: number,
    state: noise(number, 16),
  })),
});

const CORRECTIONS = encodeRecipe({
  kind: 'corrections',
  sizeBytes: 90_000,
  inner: { recipeId: id, sizeBytes: 90_000 },
  corrections: { depth: 0, sizeBytes: 800, id },
});

/** A tar whose contents are a stream and two opened segments. */
const NESTED = encodeRecipe({
  kind: 'tar',
  sizeBytes: 11_536,
  skeleton: { depth: 0, sizeBytes: 1536, id },
  segments: [
    { type: 'stream', stream: { depth: 1, sizeBytes: 5000, id } },
    ...[2000, 3000].map((sizeBytes) => ({
      type: 'opened' as const,
      opened: {
        sizeBytes,
        contents: { depth: 0, sizeBytes: 9000, id },
        frames: { depth: 0, sizeBytes: sizeBytes - 2000, id: sizeBytes > 2000 ? id : '' },
        parts: { depth: 0, sizeBytes: 40, id },
      },
    })),
  ],
});

const ALL_RECIPES: readonly Uint8Array[] = [...RECIPES, CHECKPOINTS, CORRECTIONS, NESTED];

export const recipeTarget: FuzzTarget = {
  name: 'recipe',
  runs: 'recipes of every kind; one that is read is written again as it was',
  inputs: 120_000,
  shortInputs: 2000,
  make: (random) => maybeMutated(random, random.pick(ALL_RECIPES)),
  run(bytes) {
    let read: Recipe | undefined;
    const accepted = accepts(() => {
      read = decodeRecipe(bytes, 'fuzz');
    });
    // A gzip recipe may name set-ups in another order, or one that no member has.
    if (read && read.kind !== 'gzip' && Buffer.compare(encodeRecipe(read), bytes) !== 0)
      throw new TypeError('a recipe was read that nobody would have written');
    if (read?.kind === 'gzip') encodeRecipe(read);
    return accepted;
  },
};

/** Compresses little: what counts is that an encoder is made of what a stranger asks for. */
const MOST_PLAIN_BYTES = 64 * 1024;
const plain = noise(8, MOST_PLAIN_BYTES);

export const gzipRecipeTarget: FuzzTarget = {
  name: 'gzip-recipe',
  runs: 'gzip recipes, and the gzip file made again as one says',
  inputs: 6_000,
  shortInputs: 60,
  make(random) {
    if (random.percent(25)) return maybeMutated(random, random.pick(RECIPES.slice(3)));
    const members = Array.from(
      { length: 1 + random.size(4) },
      () => [anyEncoderSpec(random), random.size(20_000)] as const,
    );
    return gzip(members, random.bytes(random.size(30)));
  },
  run(bytes) {
    let read: Recipe | undefined;
    accepts(() => {
      read = decodeRecipe(bytes, 'fuzz');
    });
    if (read?.kind !== 'gzip' || read.inner.sizeBytes > MOST_PLAIN_BYTES) return false;
    const { members, trailing, inner } = read;
    const rebuilder = new GzipRebuilder(members, trailing);
    let sizeBytes = 0;
    const count = (piece: Uint8Array): void => {
      sizeBytes += piece.length;
    };
    return acceptsOr(UNMAKEABLE, () => {
      rebuilder.write(plain.subarray(0, inner.sizeBytes), count);
      rebuilder.finish(count);
      if (sizeBytes < members.length * 8 + trailing.length) throw new TypeError('the gzip file is too short');
    });
  },
};

export const encoderSpecTarget: FuzzTarget = {
  name: 'encoder-spec',
  runs: 'which encoder made a deflate stream, as recipes say it',
  inputs: 40_000,
  shortInputs: 500,
  make: (random) =>
    random.percent(60)
      ? maybeMutated(random, encodeEncoderSpec(anyEncoderSpec(random)))
      : random.bytes(random.size(9)),
  run(bytes) {
    let decoded: { spec: EncoderSpec; byteCount: number };
    try {
      decoded = decodeEncoderSpec(bytes);
    } catch (error) {
      // The decoder of recipes, which is fuzzed too, makes a DbupError of both.
      if (error instanceof RangeError) return false;
      throw error;
    }
    encoderName(decoded.spec);
    if (Buffer.compare(encodeEncoderSpec(decoded.spec), bytes.subarray(0, decoded.byteCount)) !== 0)
      throw new TypeError('an encoder was read that nobody would have written');
    return true;
  },
};

/** The same for a few of them, as each takes megabytes: whether there is such an encoder. */
export const encoderTarget: FuzzTarget = {
  name: 'encoder',
  runs: 'an encoder made as a recipe says',
  inputs: 2_000,
  shortInputs: 40,
  make: (random) => encodeEncoderSpec(anyEncoderSpec(random)),
  run: (bytes) =>
    acceptsOr(UNMAKEABLE, () => {
      const encoder = createEncoder(decodeEncoderSpec(bytes).spec);
      encoder.write(plain.subarray(0, 3000), () => {});
      encoder.finish(() => {});
    }),
};

const NODES = [
  listNode([{ chunk: CHUNK, length: CHUNK.length }]),
  listNode(Array.from({ length: 60 }, (_, i) => ({ chunk: noise(i, 9), length: 60_000 + i }))),
];

/** The first eight bytes are the length that is expected. */
export const listNodeTarget: FuzzTarget = {
  name: 'list-node',
  runs: 'list nodes',
  inputs: 60_000,
  shortInputs: 500,
  make(random) {
    const node = Buffer.from(maybeMutated(random, random.pick(NODES)));
    const head = Buffer.alloc(8);
    let sum = 0n;
    for (let at = 32; at + 8 <= node.length; at += 40) sum += node.readBigUInt64LE(at);
    head.writeBigUInt64LE(BigInt.asUintN(64, random.percent(90) ? sum : edge(random)));
    return new Uint8Array(Buffer.concat([head, node]));
  },
  run(bytes) {
    if (bytes.length < 8) return false;
    const expected = Number(Buffer.from(bytes).readBigUInt64LE());
    return accepts(() => {
      const { ids, sizes } = decodeListNode(bytes.subarray(8), expected, 'fuzz');
      if (ids.length !== sizes.length || sizes.reduce((sum, size) => sum + size, 0) !== expected)
        throw new TypeError('a list node covers another length');
    });
  },
};

/** The first byte says how many of the ids are bases. */
export const baseListTarget: FuzzTarget = {
  name: 'base-list',
  runs: 'the search for a base that is listed twice',
  inputs: 40_000,
  shortInputs: 300,
  make(random) {
    const some = Array.from({ length: 1 + random.size(60) }, () => random.bytes(random.percent(60) ? 32 : 1));
    const ids = Array.from({ length: random.size(120) }, () => {
      const word = new Uint8Array(32);
      word.set(random.pick(some));
      return word;
    });
    return new Uint8Array(Buffer.concat([Uint8Array.of(random.below(ids.length + 1)), ...ids]));
  },
  run(bytes) {
    const ids = bytes.slice(1, 1 + 32 * Math.floor((bytes.length - 1) / 32));
    const bases = Math.min(bytes[0] ?? 0, ids.length / 32);
    const found = repeatedBase(ids.slice(0, bases * 32), ids.slice(bases * 32));
    const texts = Array.from({ length: ids.length / 32 }, (_, i) =>
      Buffer.from(ids.subarray(i * 32, i * 32 + 32)).toString('hex'),
    );
    const listed = texts.slice(0, bases);
    const isRepeated =
      new Set(listed).size < listed.length || texts.slice(bases).some((text) => listed.includes(text));
    if (found >= 0 !== isRepeated)
      throw new TypeError('a base that is listed twice was not found, or one that is not');
    return found < 0;
  },
};

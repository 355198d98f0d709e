import { klauspostVariants } from '../../src/compress/exact/klauspost/klauspost-encoder.js';
import { CHROMIUM_HASHES, type EncoderSpec, KLAUSPOST_VARIANTS } from '../../src/format/encoder-spec.js';
import { OpenedPartsEncoder } from '../../src/format/opened-parts.js';
import { encodeRecipe } from '../../src/format/recipe.js';
import { makeInput } from '../support/deflate-inputs.mjs';
import { deflateBy } from '../support/nested-files.js';
import { ascii, concatBytes, tarEnd, tarHeader, tarPadding } from '../support/tar-builder.js';
import { fromFiles, type Maker, ok } from './golden-expectation.js';
import { listNode, type PoolFiles, packFile, sha256Hex } from './hand-made-pool.js';
import { poolOf, TINY_BLOCKS, tinySnapshot } from './tiny-image.js';

const LEVELS = [5, 6, 9, 1, 2, 3, 4, 7, 8] as const;
/** Of each family, and of each of its variants, one. */
const SPECS: readonly EncoderSpec[] = [
  ...[0, 1, 6, 10].map((level) => ({ family: 'go', level }) as const),
  ...KLAUSPOST_VARIANTS.flatMap((variant) => {
    const level = LEVELS.find((one) => klauspostVariants(one).includes(variant));
    return level ? [{ family: 'klauspost', level, variant } as const] : [];
  }),
  { family: 'pgzip', level: 5, variant: '1.15.10', blockBytes: 20_000 },
  ...[8, 9].map((memLevel) => ({ family: 'zlib', level: 6, memLevel }) as const),
  { family: 'gnu', level: 9 },
  ...[0, 1, 2, 4].map((flags) => ({ family: 'pigz', level: 9, flags, blockBytes: 32_768 }) as const),
  ...CHROMIUM_HASHES.map((hash) => ({ family: 'chromium', level: 6, hash, memLevel: 9 }) as const),
];

/** Long enough for blocks of pigz and pgzip; held once, however many streams are made of it. */
const PLAIN = makeInput('text', 7, 40_000);
const AS_IT_WAS = ascii('as it was\n');

/** An archive with one file, in which streams of all encoders follow each other, in an opened segment. */
function allEncoders(): { files: PoolFiles; archive: Uint8Array } {
  const frames = SPECS.map((_, i) => ascii(`stream ${i}\n`));
  const streams = SPECS.map((spec) => deflateBy(spec, PLAIN));
  const encoder = new OpenedPartsEncoder();
  const list = SPECS.flatMap((spec, i) => [
    encoder.add({ kind: 'frame', sizeBytes: frames[i]!.length }),
    encoder.add({
      kind: 'deflated',
      sizeBytes: PLAIN.length,
      encoder: spec,
      deflatedBytes: streams[i]!.length,
    }),
  ]);
  list.push(encoder.add({ kind: 'contents', sizeBytes: AS_IT_WAS.length }), encoder.finish());
  const bytes = concatBytes([...streams.flatMap((stream, i) => [frames[i]!, stream]), AS_IT_WAS]);
  const skeleton = concatBytes([tarHeader('bundle', bytes.length), tarPadding(bytes.length), tarEnd()]);
  const archive = concatBytes([tarHeader('bundle', bytes.length), bytes, tarPadding(bytes.length), tarEnd()]);
  const pieces = [...SPECS.map(() => PLAIN), AS_IT_WAS];
  const node = listNode(pieces.map((chunk) => ({ chunk, length: chunk.length })));
  const [around, parts] = [concatBytes(frames), concatBytes(list)];
  const recipe = encodeRecipe({
    kind: 'tar',
    sizeBytes: archive.length,
    skeleton: streamOf(skeleton),
    segments: [
      {
        type: 'opened',
        opened: {
          sizeBytes: bytes.length,
          contents: streamOf(node, 1, concatBytes(pieces).length),
          frames: streamOf(around),
          parts: streamOf(parts),
        },
      },
    ],
  });
  const blocks = [
    ...TINY_BLOCKS,
    { codec: 0, kind: 1, chunks: [PLAIN, AS_IT_WAS, around, parts] },
    { codec: 0, kind: 3, chunks: [skeleton, node, recipe] },
  ];
  const snapshot = tinySnapshot({
    features: ['nested-deflate'],
    archive: {
      dialect: 'docker-archive',
      sizeBytes: archive.length,
      recipeId: sha256Hex(recipe),
      imageCount: 1,
    },
  });
  return { files: poolOf([packFile(blocks)], [snapshot]), archive };
}

const streamOf = (chunk: Uint8Array, depth = 0, sizeBytes = chunk.length) => ({
  depth,
  sizeBytes,
  id: sha256Hex(chunk),
});

const { files, archive } = allEncoders();

/** Pools with deflate streams held open of every family and variant of encoders. */
export const OPENED_POOLS: Readonly<Record<string, Maker>> = {
  'sound-opened-encoders': fromFiles(files, ok({ 'hello:1': archive })),
};

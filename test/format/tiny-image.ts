import { ascii, concatBytes, tarEnd, tarFile, tarHeader, tarPadding } from '../support/tar-builder.js';
import {
  blobSegment,
  descriptorFile,
  type HandMadeBlock,
  type PoolFiles,
  packFile,
  recipe,
  segments,
  sha256Hex,
  streamReference,
  streamSegment,
} from './hand-made-pool.js';

const digest = (bytes: Uint8Array): string => `sha256:${sha256Hex(bytes)}`;

/** `hello:1`: a docker-archive of one layer with one file, and all that a pool holds of it. */
const TEXT = ascii('hello, world\n');
export const LAYER = concatBytes([tarFile('hello', TEXT), tarEnd()]);
const CONFIG = ascii(
  JSON.stringify({
    architecture: 'amd64',
    os: 'linux',
    config: {},
    rootfs: { type: 'layers', diff_ids: [digest(LAYER)] },
  }),
);
const MANIFEST = ascii(
  JSON.stringify([{ Config: 'config.json', RepoTags: ['hello:1'], Layers: ['layer.tar'] }]),
);
export const ARCHIVE = concatBytes([
  tarFile('layer.tar', LAYER),
  tarFile('config.json', CONFIG),
  tarFile('manifest.json', MANIFEST),
  tarEnd(),
]);

const LAYER_SKELETON = concatBytes([tarHeader('hello', TEXT.length), tarPadding(TEXT.length), tarEnd()]);
const ARCHIVE_SKELETON = concatBytes([
  tarHeader('layer.tar', LAYER.length),
  tarPadding(LAYER.length),
  tarHeader('config.json', CONFIG.length),
  tarPadding(CONFIG.length),
  tarHeader('manifest.json', MANIFEST.length),
  tarPadding(MANIFEST.length),
  tarEnd(),
]);
const DOCUMENTS = concatBytes([CONFIG, MANIFEST]);
const LAYER_RECIPE = recipe(
  2,
  LAYER.length,
  streamReference(LAYER_SKELETON),
  segments(streamSegment(streamReference(TEXT))),
);
const CONFIG_RECIPE = recipe(1, CONFIG.length, streamReference(CONFIG));
const ARCHIVE_RECIPE = recipe(
  2,
  ARCHIVE.length,
  streamReference(ARCHIVE_SKELETON),
  segments(blobSegment(LAYER, LAYER_RECIPE), streamSegment(streamReference(DOCUMENTS))),
);

export const TINY_BLOCKS: readonly HandMadeBlock[] = [
  { codec: 0, kind: 1, chunks: [TEXT, DOCUMENTS, CONFIG] },
  { codec: 1, kind: 2, chunks: [LAYER_SKELETON, ARCHIVE_SKELETON] },
  { codec: 0, kind: 3, chunks: [LAYER_RECIPE, CONFIG_RECIPE, ARCHIVE_RECIPE] },
];

export function tinySnapshot(fields: object = {}): Uint8Array {
  const document = {
    kind: 'dbup-snapshot',
    format: 1,
    features: [],
    reference: 'hello:1',
    createdAt: '2026-01-01T00:00:00.001Z',
    host: 'example',
    source: 'archive:hello.tar',
    imageId: digest(CONFIG),
    images: [
      {
        platform: 'linux/amd64',
        configDigest: digest(CONFIG),
        layers: [{ digest: digest(LAYER), diffId: digest(LAYER) }],
      },
    ],
    absent: [],
    blobs: [
      {
        digest: digest(CONFIG),
        sizeBytes: CONFIG.length,
        mediaType: 'application/vnd.docker.container.image.v1+json',
        recipeId: sha256Hex(CONFIG_RECIPE),
      },
      {
        digest: digest(LAYER),
        sizeBytes: LAYER.length,
        mediaType: 'application/vnd.docker.image.rootfs.diff.tar',
        recipeId: sha256Hex(LAYER_RECIPE),
      },
    ],
    archive: {
      dialect: 'docker-archive',
      sizeBytes: ARCHIVE.length,
      recipeId: sha256Hex(ARCHIVE_RECIPE),
      imageCount: 1,
    },
    stats: { imageBytes: ARCHIVE.length, newBytes: 0, newPlainBytes: 0 },
    ...fields,
  };
  return Buffer.from(`${JSON.stringify(document, null, 1)}\n`);
}

/** The pool of docs/format.md, "A worked example". */
export function tinyPool(): PoolFiles {
  const pack = packFile(TINY_BLOCKS);
  const stats = {
    imageBytes: ARCHIVE.length,
    newBytes: pack.length,
    newPlainBytes: TINY_BLOCKS.flatMap(({ chunks }) => chunks).reduce((sum, { length }) => sum + length, 0),
  };
  return poolOf([pack], [tinySnapshot({ stats })]);
}

export function poolOf(packs: readonly Uint8Array[], snapshots: readonly Uint8Array[]): PoolFiles {
  return new Map<string, Uint8Array>([
    ['dbup-pool.json', descriptorFile()],
    ...packs.map((bytes): [string, Uint8Array] => [`packs/${sha256Hex(bytes)}`, bytes]),
    ...snapshots.map((bytes): [string, Uint8Array] => [`snapshots/${sha256Hex(bytes)}`, bytes]),
  ]);
}

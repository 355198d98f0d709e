import { DbupError } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import { checkFormat, JsonFields as Fields, type JsonFields, parsePoolJson } from './json-fields.js';
import type { Recipe } from './recipe.js';

/** docs/format.md, "Snapshot". */
export const SNAPSHOT_FORMAT = 1;
/** The snapshot leads to recipes of gzip files. */
export const GZIP_RECIPE_FEATURE = 'gzip-recipe';
/** The snapshot leads to recipes of checkpoints in gzip files. */
export const GZIP_CHECKPOINTS_FEATURE = 'gzip-checkpoints';
/** The snapshot has companions, which whoever writes a layout or another snapshot of it must take along. */
export const COMPANIONS_FEATURE = 'companions';
/** The snapshot leads to recipes with opened segments. */
export const NESTED_DEFLATE_FEATURE = 'nested-deflate';
/** The snapshot leads to recipes of corrections of gzip files. */
export const GZIP_CORRECTIONS_FEATURE = 'gzip-corrections';
const KNOWN_FEATURES: readonly string[] = [
  GZIP_RECIPE_FEATURE,
  GZIP_CHECKPOINTS_FEATURE,
  GZIP_CORRECTIONS_FEATURE,
  NESTED_DEFLATE_FEATURE,
  COMPANIONS_FEATURE,
];
const RECIPE_FEATURES: Partial<Record<Recipe['kind'], string>> = {
  gzip: GZIP_RECIPE_FEATURE,
  checkpoints: GZIP_CHECKPOINTS_FEATURE,
  corrections: GZIP_CORRECTIONS_FEATURE,
};
const HEX64 = /^[0-9a-f]{64}$/;
const DIGEST = /^sha256:[0-9a-f]{64}$/;
/** Any repository, and a tag as docker has it: printable ASCII, so that it can be shown as it is. */
const REFERENCE = /^[!-~]{1,512}:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;

/** The feature of a snapshot that leads to recipes of a kind, if it takes one. */
export function featureOfRecipe(kind: Recipe['kind']): string | undefined {
  return RECIPE_FEATURES[kind];
}

/** A blob the image needs, and the chunk that holds the recipe that rebuilds it. */
export interface SnapshotBlob {
  digest: string;
  sizeBytes: number;
  mediaType: string;
  recipeId: string;
  /** Of a compressed blob that is stored open: the encoder that makes it again. For people. */
  encoder?: string;
  /** Of one that a model makes again with corrections, which `encoder` names: how many bytes of corrections. For people. */
  correctionBytes?: number;
  /** Of a compressed blob that is stored as it was: why. For people. */
  verbatim?: string;
}

export interface SnapshotLayer {
  /** The blob that holds the layer, as it was saved. */
  digest: string;
  /** The digest of the layer's plain tar, from the config. */
  diffId: string;
}

/** One runnable image: a config and its layers, for one platform. */
export interface SnapshotImage {
  platform: string;
  configDigest: string;
  /** The manifest's digest where the source had one that survives; absent for a docker-archive. */
  manifestDigest?: string;
  layers: SnapshotLayer[];
}

/** The tar the image came from, to be given back as it was. */
export interface SnapshotArchive {
  dialect: 'docker-archive' | 'oci-archive';
  sizeBytes: number;
  recipeId: string;
  /** Images the archive holds; with more than one, `load -o` of one reference makes a new archive. */
  imageCount: number;
}

/** What the save that made the snapshot measured. */
export interface SnapshotStats {
  /** Bytes of the image as the source handed it over. */
  imageBytes: number;
  /** Bytes the save added to the pool, the snapshot file left out. */
  newBytes: number;
  /** Plain bytes that were not in the pool before. */
  newPlainBytes: number;
}

/** The top document of what an OCI layout lists. */
export interface SnapshotRoot {
  digest: string;
  mediaType: string;
  sizeBytes: number;
  /** Its entry in the layout's index as JSON, where that says more than digest and names. */
  entryJson?: string;
}

/** One saved state of one image reference. */
export interface Snapshot {
  /** What a reader must know to load it; absent where that is nothing. */
  features?: string[];
  reference: string;
  /** ISO 8601, milliseconds, UTC; never earlier than the version it follows. */
  createdAt: string;
  host: string;
  source: string;
  /** The digest users know the image by: the config digest, or the index digest of a multi-platform image. */
  imageId: string;
  /** The top document of an OCI image (manifest or index); absent for a docker-archive. */
  root?: SnapshotRoot;
  /** What the same layout lists that is about the image: signatures, SBOMs. Absent where there is none. */
  companions?: Required<SnapshotRoot>[];
  images: SnapshotImage[];
  /** Documents and layers named by the image that the source did not hold (other platforms). */
  absent: string[];
  blobs: SnapshotBlob[];
  archive?: SnapshotArchive;
  stats: SnapshotStats;
  /** Set when `rollback` appended this: the snapshot it repeats. */
  rollbackOf?: string;
}

/**
 * Encodes a snapshot; its file is named by the SHA-256 of these bytes.
 * @throws DbupError INPUT_TOO_LARGE when no reader would take it
 */
export function encodeSnapshot(snapshot: Snapshot): Uint8Array {
  const document = { kind: 'dbup-snapshot', format: SNAPSHOT_FORMAT, features: [], ...snapshot };
  const bytes = Buffer.from(`${JSON.stringify(document, null, 1)}\n`);
  try {
    if (bytes.length > LIMITS.snapshotBytes) throw new RangeError(`it takes ${bytes.length} bytes`);
    decodeSnapshot(bytes, 'the new snapshot');
  } catch (cause) {
    throw new DbupError(
      'INPUT_TOO_LARGE',
      `${snapshot.reference} cannot be recorded in a snapshot: ${(cause as Error).message}`,
      {
        hint: `A snapshot has at most ${LIMITS.snapshotBytes} bytes, ${LIMITS.snapshotBlobs} blobs and ${LIMITS.archiveImages} images.`,
        cause,
      },
    );
  }
  return bytes;
}

/** @throws DbupError POOL_DAMAGED or POOL_FORMAT_UNSUPPORTED */
export function decodeSnapshot(bytes: Uint8Array, where: string): Snapshot {
  const fields = parsePoolJson(bytes, where);
  fields.string('kind', /^dbup-snapshot$/);
  checkFormat(fields, SNAPSHOT_FORMAT, KNOWN_FEATURES, where);
  const root = fields.optionalObject('root');
  const companions = fields.optionalArray('companions', LIMITS.archiveImages, (value, at) =>
    decodeCompanion(new Fields(value, at)),
  );
  const archive = fields.optionalObject('archive');
  const rollbackOf = fields.optionalString('rollbackOf', HEX64);
  const stats = fields.object('stats');
  const features = fields.strings('features', LIMITS.poolFeatures);
  return {
    ...(features.length > 0 && { features }),
    reference: fields.string('reference', REFERENCE),
    createdAt: fields.time('createdAt'),
    host: fields.string('host'),
    source: fields.string('source'),
    imageId: fields.string('imageId', DIGEST),
    ...(root && { root: decodeRoot(root) }),
    ...(companions && { companions }),
    images: fields.array('images', LIMITS.archiveImages, (value, at) => decodeImage(new Fields(value, at))),
    absent: fields.strings('absent', LIMITS.snapshotBlobs),
    blobs: fields.array('blobs', LIMITS.snapshotBlobs, (value, at) => decodeBlob(new Fields(value, at))),
    ...(archive && { archive: decodeArchive(archive) }),
    stats: {
      imageBytes: stats.count('imageBytes'),
      newBytes: stats.count('newBytes'),
      newPlainBytes: stats.count('newPlainBytes'),
    },
    ...(rollbackOf !== undefined && { rollbackOf }),
  };
}

/** Raised whenever `decodeSnapshot` accepts less than before or makes something else of it. */
export const SNAPSHOT_READER = 3;

/**
 * The snapshot of bytes that `decodeSnapshot` of this {@link SNAPSHOT_READER} accepted before: the same answer without
 * the checks, which are most of the cost of listing a thousand versions.
 */
export function readCheckedSnapshot(bytes: Buffer): Snapshot {
  const {
    features,
    reference,
    createdAt,
    host,
    source,
    imageId,
    root,
    companions,
    images,
    absent,
    blobs,
    archive,
    stats,
    rollbackOf,
  } = JSON.parse(bytes.toString('utf8')) as Snapshot;
  return {
    ...(features && features.length > 0 && { features }),
    reference,
    createdAt,
    host,
    source,
    imageId,
    ...(root && { root }),
    ...(companions && { companions }),
    images,
    absent,
    blobs,
    ...(archive && { archive }),
    stats,
    ...(rollbackOf !== undefined && { rollbackOf }),
  };
}

function decodeRoot(fields: JsonFields): SnapshotRoot {
  const entryJson = fields.optionalString('entryJson');
  return {
    digest: fields.string('digest', DIGEST),
    mediaType: fields.string('mediaType'),
    sizeBytes: fields.count('sizeBytes'),
    ...(entryJson !== undefined && { entryJson }),
  };
}

function decodeCompanion(fields: JsonFields): Required<SnapshotRoot> {
  return { ...decodeRoot(fields), entryJson: fields.string('entryJson') };
}

function decodeImage(fields: JsonFields): SnapshotImage {
  const manifestDigest = fields.optionalString('manifestDigest', DIGEST);
  return {
    platform: fields.string('platform'),
    configDigest: fields.string('configDigest', DIGEST),
    ...(manifestDigest !== undefined && { manifestDigest }),
    layers: fields.array('layers', LIMITS.imageLayers, (value, at) => {
      const layer = new Fields(value, at);
      return { digest: layer.string('digest', DIGEST), diffId: layer.string('diffId', DIGEST) };
    }),
  };
}

function decodeBlob(fields: JsonFields): SnapshotBlob {
  const encoder = fields.optionalString('encoder');
  const verbatim = fields.optionalString('verbatim');
  const correctionBytes = fields.optionalCount('correctionBytes');
  return {
    digest: fields.string('digest', DIGEST),
    sizeBytes: fields.count('sizeBytes'),
    mediaType: fields.string('mediaType'),
    recipeId: fields.string('recipeId', HEX64),
    ...(encoder !== undefined && { encoder }),
    ...(correctionBytes !== undefined && { correctionBytes }),
    ...(verbatim !== undefined && { verbatim }),
  };
}

function decodeArchive(fields: JsonFields): SnapshotArchive {
  return {
    dialect: fields.string('dialect', /^(docker|oci)-archive$/) as SnapshotArchive['dialect'],
    sizeBytes: fields.count('sizeBytes'),
    recipeId: fields.string('recipeId', HEX64),
    imageCount: fields.count('imageCount', LIMITS.archiveImages),
  };
}

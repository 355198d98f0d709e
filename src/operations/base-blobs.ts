import type { SnapshotRecord } from '../catalog/catalog.js';
import type { BlobRef } from '../format/recipe.js';
import type { Snapshot } from '../format/snapshot.js';
import type { VersionPlace } from './version-place.js';
import { newestFirst, repositoryOf } from './versions.js';

/** Versions looked at of the reference being saved, of others of its repository together, and of all others together. */
const OWN_VERSIONS = 2;
const SIBLINGS = 3;
const STRANGERS = 4;

/**
 * Blobs of the pool that an image about to be saved may be like, the likest first: those it was found to share, the layers of the
 * version to lean on, the layers of the latest versions of its references, of others of the same repository, and of the latest
 * images of all.
 */
export function* baseBlobs(
  records: readonly SnapshotRecord[],
  references: readonly string[],
  shared: Iterable<BlobRef>,
  { back }: VersionPlace,
): Generator<BlobRef> {
  yield* shared;
  const newest = [...records].sort(newestFirst);
  const repositories = new Set(references.map(repositoryOf));
  const isOwn = ({ reference }: Snapshot): boolean => references.includes(reference);
  const isSibling = ({ reference }: Snapshot): boolean => repositories.has(repositoryOf(reference));
  const leaned = back > 1 ? imagesOf(newest, isSibling)[back - 1] : undefined;
  if (leaned) yield* blobsOfImage(leaned);
  yield* blobsOf(newest, isOwn, OWN_VERSIONS);
  yield* blobsOf(newest, (snapshot) => !isOwn(snapshot) && isSibling(snapshot), SIBLINGS);
  yield* blobsOf(newest, (snapshot) => !isSibling(snapshot), STRANGERS);
}

/** How many images the repositories of these references have: the versions that the next one comes after. */
export function countVersions(records: readonly SnapshotRecord[], references: readonly string[]): number {
  const repositories = new Set(references.map(repositoryOf));
  return imagesOf(records, ({ reference }) => repositories.has(repositoryOf(reference))).length;
}

function* blobsOf(
  records: readonly SnapshotRecord[],
  choose: (snapshot: Snapshot) => boolean,
  most: number,
): Generator<BlobRef> {
  for (const snapshot of imagesOf(records, choose).slice(0, most)) yield* blobsOfImage(snapshot);
}

/** Of each image one snapshot, the first: many references may name one. */
function imagesOf(records: readonly SnapshotRecord[], choose: (snapshot: Snapshot) => boolean): Snapshot[] {
  const images = new Map<string, Snapshot>();
  for (const { snapshot } of records)
    if (choose(snapshot) && !images.has(snapshot.imageId)) images.set(snapshot.imageId, snapshot);
  return [...images.values()];
}

/** The upper layers first: a file of theirs stands in place of one below. */
function* blobsOfImage({ images, blobs, archive }: Snapshot): Generator<BlobRef> {
  const byDigest = new Map(blobs.map((blob) => [blob.digest, blob]));
  for (const { layers, configDigest } of images) {
    for (const digest of [...layers.map((layer) => layer.digest).reverse(), configDigest]) {
      const blob = byDigest.get(digest);
      if (blob) yield { digestHex: digest.slice('sha256:'.length), ...blob };
    }
  }
  if (archive) yield { digestHex: '', sizeBytes: archive.sizeBytes, recipeId: archive.recipeId };
}

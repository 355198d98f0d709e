import type { SnapshotRecord } from '../catalog/catalog.js';
import type { BlobRef } from '../format/recipe.js';
import type { Snapshot } from '../format/snapshot.js';
import { newestFirst, repositoryOf } from './versions.js';

/** Versions looked at of the reference being saved, of others of its repository together, and of all others together. */
const OWN_VERSIONS = 2;
const SIBLINGS = 3;
const STRANGERS = 4;

/**
 * Blobs of the pool that an image about to be saved may be like, the likest first: those it was found to share,
 * the layers of the latest versions of its references, of others of the same repository, and of the latest
 * images of all.
 */
export function* baseBlobs(
  records: readonly SnapshotRecord[],
  references: readonly string[],
  shared: Iterable<BlobRef>,
): Generator<BlobRef> {
  yield* shared;
  const newest = [...records].sort(newestFirst);
  const repositories = new Set(references.map(repositoryOf));
  const isOwn = ({ reference }: Snapshot): boolean => references.includes(reference);
  const isSibling = ({ reference }: Snapshot): boolean => repositories.has(repositoryOf(reference));
  yield* blobsOf(newest, isOwn, OWN_VERSIONS);
  yield* blobsOf(newest, (snapshot) => !isOwn(snapshot) && isSibling(snapshot), SIBLINGS);
  yield* blobsOf(newest, (snapshot) => !isSibling(snapshot), STRANGERS);
}

/** Of each image once: many references may name one. */
function* blobsOf(
  records: readonly SnapshotRecord[],
  choose: (snapshot: Snapshot) => boolean,
  most: number,
): Generator<BlobRef> {
  const images = new Set<string>();
  for (const { snapshot } of records) {
    if (images.size === most) return;
    if (!choose(snapshot) || images.has(snapshot.imageId)) continue;
    images.add(snapshot.imageId);
    yield* blobsOfImage(snapshot);
  }
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

import { DbupError } from '../core/errors.js';
import type { BlobRef } from '../format/recipe.js';
import type { SnapshotBlob, SnapshotImage, SnapshotRoot } from '../format/snapshot.js';
import type { Descriptor } from '../oci/descriptor.js';
import { type Digest, digestFromHex, digestHex } from '../oci/digest.js';
import type { StoredBlob } from '../pool/blob-writer.js';
import type { IngestedMember } from './ingested-member.js';
import { digestMismatch } from './member-sink.js';

/** An image found in a source, every digest in it checked. */
export interface FoundImage {
  /** Whole references it goes by. */
  references: string[];
  /** What the source calls it where that is no whole reference: a bare tag of an OCI layout. */
  tag: string | null;
  /** What skopeo calls an image of an OCI layout: its ref name, which may be the tag alone. */
  layoutName?: string;
  imageId: string;
  root?: SnapshotRoot;
  companions?: Required<SnapshotRoot>[];
  images: SnapshotImage[];
  absent: string[];
  blobs: SnapshotBlob[];
}

export interface InterpretParts {
  members: ReadonlyMap<string, IngestedMember>;
  /** What errors call the source. */
  description: string;
  /** Stores a document that was too small to be a blob of its own. */
  storeBlob(bytes: Uint8Array): Promise<BlobRef>;
  /** The diffId another snapshot proved for a compressed layer that was not read again. */
  diffIdOf(digest: string): string | undefined;
}

/** A layer blob must be, or inflate to, the plain tar the config names. */
export function checkDiffId(
  name: string,
  blob: BlobRef,
  member: IngestedMember,
  diffId: Digest,
  parts: InterpretParts,
): void {
  const expected = digestHex(diffId);
  if (blob.digestHex === expected || member.plain?.digestHex === expected) return;
  if (member.plain === undefined) {
    const proven = parts.diffIdOf(digestFromHex(blob.digestHex));
    if (proven === diffId) return;
  }
  if (member.plain === null) throw invalid(`the layer ${name} is compressed and does not inflate`, parts);
  throw digestMismatch(
    `the layer ${name}`,
    expected,
    member.plain?.digestHex ?? blob.digestHex,
    parts.description,
  );
}

export function snapshotBlob(blob: StoredBlob, mediaType: string): SnapshotBlob {
  const { digestHex, sizeBytes, recipeId, encoder, correctionBytes, verbatim } = blob;
  return {
    digest: `sha256:${digestHex}`,
    sizeBytes,
    mediaType,
    recipeId,
    ...(encoder !== undefined && { encoder }),
    ...(correctionBytes !== undefined && { correctionBytes }),
    ...(verbatim !== undefined && { verbatim }),
  };
}

export function uniqueBlobs(blobs: readonly SnapshotBlob[]): SnapshotBlob[] {
  return [...new Map(blobs.map((blob) => [blob.digest, blob])).values()];
}

export function missing(descriptor: Descriptor, parts: InterpretParts): DbupError {
  return invalid(`${descriptor.digest} is named by the image but is not in it`, parts);
}

export function invalid(message: string, parts: InterpretParts): DbupError {
  return new DbupError('INPUT_INVALID', `${parts.description}: ${message}`, {
    hint: 'The image is incomplete or damaged: save or download it again.',
  });
}

import { groupCompanions, type LayoutGroup } from '../archive/layout-companions.js';
import {
  blobPath,
  type LayoutImage,
  listLayoutImages,
  OCI_INDEX_NAME,
  type TreeImage,
  walkImageTree,
} from '../archive/oci-layout.js';
import { DbupError } from '../core/errors.js';
import type { SnapshotBlob, SnapshotImage, SnapshotLayer, SnapshotRoot } from '../format/snapshot.js';
import { OCI_REF_NAME } from '../image/oci-directory.js';
import { type Descriptor, descriptorToJson } from '../oci/descriptor.js';
import type { Digest } from '../oci/digest.js';
import { isForeignLayer } from '../oci/media-types.js';
import { formatPlatform } from '../oci/platform.js';
import {
  checkDiffId,
  type FoundImage,
  type InterpretParts,
  invalid,
  missing,
  snapshotBlob,
  uniqueBlobs,
} from './found-image.js';
import type { IngestedMember } from './ingested-member.js';

/** What of a layout is to be understood. */
export interface LayoutChoice {
  groups: readonly LayoutGroup[];
  /** Manifests that count as absent: platforms that are not wanted. */
  unwanted: ReadonlySet<Digest>;
}

/** The images an OCI layout lists, or those chosen of it. @throws DbupError INPUT_INVALID, DIGEST_MISMATCH */
export async function interpretOciLayout(
  parts: InterpretParts,
  choice: LayoutChoice = { groups: allGroups(parts), unwanted: new Set() },
): Promise<FoundImage[]> {
  if (choice.groups.length === 0) {
    throw new DbupError('INPUT_NOT_AN_IMAGE', `${parts.description} lists no image`, {
      hint: 'Its index.json has no manifests; copy an image into it first.',
    });
  }
  const found: FoundImage[] = [];
  for (const group of choice.groups) found.push(await ociImage(group, choice.unwanted, parts));
  return found;
}

function allGroups(parts: InterpretParts): LayoutGroup[] {
  const index = parts.members.get(OCI_INDEX_NAME)?.document;
  if (!index) throw invalid(`${OCI_INDEX_NAME} is no JSON document`, parts);
  const listed = listLayoutImages(index, `${OCI_INDEX_NAME} of ${parts.description}`);
  return groupCompanions(listed, [], ({ digest }) => parts.members.get(blobPath(digest))?.document ?? null);
}

async function ociImage(
  { image: entry, companions }: LayoutGroup,
  unwanted: ReadonlySet<Digest>,
  parts: InterpretParts,
): Promise<FoundImage> {
  const { descriptor } = entry;
  const member = (digest: Digest): IngestedMember | undefined => parts.members.get(blobPath(digest));
  const tree = walkImageTree(descriptor, ({ digest }) =>
    unwanted.has(digest) ? null : (member(digest)?.document ?? null),
  );
  const absent = new Set<string>(tree.absent.map(({ digest }) => digest));
  if (absent.has(descriptor.digest)) throw missing(descriptor, parts);
  const layoutName = descriptor.annotations?.[OCI_REF_NAME];
  const images: SnapshotImage[] = [];
  for (const image of tree.images) {
    // A platform that was not pulled: it may share layers with one that was, but never a config.
    if (member(image.config.digest) === undefined) absent.add(image.config.digest);
    else images.push(await treeImage(image, member, parts));
  }
  const runnable = tree.images.filter(({ attestation }) => !attestation);
  const held = runnable.filter(({ config }) => !absent.has(config.digest));
  if (held.length === 0 && runnable.length > 0) throw missing(runnable[0]!.config, parts);
  const blobs = await treeBlobs([...tree.documents, ...tree.layers, ...tree.opaque], absent, parts);
  for (const { descriptor: about } of companions) {
    const contents = walkImageTree(about, ({ digest }) => member(digest)?.document ?? null);
    if (contents.absent.some(({ digest }) => digest === about.digest)) throw missing(about, parts);
    for (const { digest } of contents.absent) absent.add(digest);
    const ofIt = [...contents.documents, ...contents.layers, ...contents.opaque];
    const lost = contents.layers.find(({ digest }) => member(digest) === undefined);
    if (lost) throw missing(lost, parts);
    blobs.push(...(await treeBlobs(ofIt, absent, parts)));
  }
  return {
    references: entry.reference === null ? [] : [entry.reference],
    tag: entry.reference === null ? entry.name : null,
    ...(layoutName !== undefined && { layoutName }),
    imageId: held.length === 1 ? held[0]!.config.digest : descriptor.digest,
    root: rootOf(entry),
    ...(companions.length > 0 && { companions: companions.map(companionOf) }),
    images,
    absent: [...absent],
    blobs: uniqueBlobs(blobs),
  };
}

/** Stored, each of them, where the source has it; what it has not is added to `absent`. */
async function treeBlobs(
  descriptors: readonly Descriptor[],
  absent: Set<string>,
  parts: InterpretParts,
): Promise<SnapshotBlob[]> {
  const blobs: SnapshotBlob[] = [];
  for (const { digest, mediaType, sizeBytes } of descriptors) {
    const file = parts.members.get(blobPath(digest));
    if (file?.kind !== 'file') {
      absent.add(digest);
      continue;
    }
    const blob = file.blob ?? (await parts.storeBlob(file.document ?? new Uint8Array(0)));
    if (blob.sizeBytes !== sizeBytes) {
      throw invalid(`${digest} has ${blob.sizeBytes} bytes; the image says ${sizeBytes}`, parts);
    }
    blobs.push(snapshotBlob(blob, mediaType));
  }
  return blobs;
}

function rootOf({ descriptor, entryJson }: LayoutImage): SnapshotRoot {
  const { digest, mediaType, sizeBytes } = descriptor;
  return { digest, mediaType, sizeBytes, ...(entryJson !== undefined && { entryJson }) };
}

function companionOf(entry: LayoutImage): Required<SnapshotRoot> {
  return { entryJson: JSON.stringify(descriptorToJson(entry.descriptor)), ...rootOf(entry) };
}

async function treeImage(
  image: TreeImage,
  member: (digest: Digest) => IngestedMember | undefined,
  parts: InterpretParts,
): Promise<SnapshotImage> {
  const diffIds = image.imageConfig?.diffIds;
  const layers: SnapshotLayer[] = [];
  for (const [i, layer] of image.layers.entries()) {
    const held = member(layer.digest);
    // An empty file is kept as a document.
    const blob = held?.blob ?? (held?.document && (await parts.storeBlob(held.document)));
    if (!held || !blob) {
      if (isForeignLayer(layer.mediaType)) continue;
      throw missing(layer, parts);
    }
    const diffId = diffIds?.length === image.layers.length ? diffIds[i]! : null;
    if (diffId !== null) checkDiffId(layer.digest, blob, held, diffId, parts);
    layers.push({ digest: layer.digest, diffId: diffId ?? layer.digest });
  }
  return {
    platform: image.platform ? formatPlatform(image.platform) : 'unknown/unknown',
    configDigest: image.config.digest,
    manifestDigest: image.manifest.digest,
    layers,
  };
}

import {
  DOCKER_MANIFEST_NAME,
  type DockerImageEntry,
  explainMissingManifest,
  parseDockerManifest,
  resolveMember,
} from '../archive/docker-manifest.js';
import {
  blobPath,
  type LayoutImage,
  listLayoutImages,
  OCI_INDEX_NAME,
  parseBlobPath,
  type TreeImage,
  walkImageTree,
} from '../archive/oci-layout.js';
import { DbupError } from '../core/errors.js';
import type { BlobRef } from '../format/recipe.js';
import type { SnapshotBlob, SnapshotImage, SnapshotLayer } from '../format/snapshot.js';
import { sha256Hex } from '../hash/sha256.js';
import { OCI_REF_NAME } from '../image/oci-directory.js';
import { type ImageConfig, parseImageConfig } from '../oci/config.js';
import type { Descriptor } from '../oci/descriptor.js';
import { type Digest, digestFromHex, digestHex } from '../oci/digest.js';
import { isForeignLayer, MEDIA_TYPES } from '../oci/media-types.js';
import { formatPlatform } from '../oci/platform.js';
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
  root?: { digest: string; mediaType: string; sizeBytes: number };
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

export type ArchiveDialect = 'docker-archive' | 'oci-archive';

/** Which kind of image archive the members make. @throws DbupError INPUT_NOT_AN_IMAGE */
export function archiveDialect(members: ReadonlyMap<string, IngestedMember>): ArchiveDialect {
  if (members.has(DOCKER_MANIFEST_NAME)) return 'docker-archive';
  if (members.has(OCI_INDEX_NAME)) return 'oci-archive';
  throw explainMissingManifest(members);
}

/** @throws DbupError DIGEST_MISMATCH when a member below `blobs/` is not what its name says */
export function checkBlobNames(parts: InterpretParts): void {
  for (const [key, member] of parts.members) {
    const digest = parseBlobPath(key);
    if (!digest || member.kind !== 'file') continue;
    const actual = member.blob?.digestHex ?? sha256Hex(member.document ?? new Uint8Array(0));
    if (actual !== digestHex(digest)) throw digestMismatch(key, digestHex(digest), actual, parts.description);
  }
}

/** The images a docker-archive lists. @throws DbupError INPUT_INVALID, DIGEST_MISMATCH */
export async function interpretDockerArchive(parts: InterpretParts): Promise<FoundImage[]> {
  const manifest = parts.members.get(DOCKER_MANIFEST_NAME)?.document;
  if (!manifest) throw explainMissingManifest(parts.members);
  const found: FoundImage[] = [];
  for (const entry of parseDockerManifest(manifest, `${DOCKER_MANIFEST_NAME} of ${parts.description}`)) {
    found.push(await dockerImage(entry, parts));
  }
  return found;
}

async function dockerImage(entry: DockerImageEntry, parts: InterpretParts): Promise<FoundImage> {
  const { name: configKey, member } = resolveMember(entry.configName, parts.members);
  const bytes = member.document;
  if (!bytes) throw invalid(`the config ${configKey} is no JSON document`, parts);
  const configHex = sha256Hex(bytes);
  const named = /([0-9a-f]{64})(\.json)?$/.exec(entry.configName)?.[1];
  if (named !== undefined && named !== configHex)
    throw digestMismatch(entry.configName, named, configHex, parts.description);
  const config = parseImageConfig(bytes, `${configKey} of ${parts.description}`);
  if (config.diffIds.length !== entry.layerNames.length) {
    throw invalid(
      `${configKey} lists ${config.diffIds.length} layers, manifest.json ${entry.layerNames.length}`,
      parts,
    );
  }
  const configBlob = member.blob ?? (await parts.storeBlob(bytes));
  const blobs = [snapshotBlob(configBlob, MEDIA_TYPES.dockerConfig)];
  const layers: SnapshotLayer[] = [];
  for (let i = 0; i < config.diffIds.length; i++) {
    const layer = resolveMember(entry.layerNames[i]!, parts.members);
    const blob = layer.member.blob ?? (await parts.storeBlob(layer.member.document ?? new Uint8Array(0)));
    checkDiffId(layer.name, blob, layer.member, config.diffIds[i]!, parts);
    blobs.push(snapshotBlob(blob, layerMediaType(blob, layer.member, config.diffIds[i]!)));
    layers.push({ digest: `sha256:${blob.digestHex}`, diffId: config.diffIds[i]! });
  }
  const imageId = `sha256:${configHex}`;
  return {
    references: entry.repoTags,
    tag: null,
    imageId,
    images: [{ platform: platformOf(config), configDigest: imageId, layers }],
    absent: [],
    blobs: uniqueBlobs(blobs),
  };
}

/** The images an OCI layout lists. @throws DbupError INPUT_INVALID, DIGEST_MISMATCH */
export async function interpretOciLayout(
  parts: InterpretParts,
  entries?: readonly LayoutImage[],
): Promise<FoundImage[]> {
  const index = parts.members.get(OCI_INDEX_NAME)?.document;
  if (!entries && !index) throw invalid(`${OCI_INDEX_NAME} is no JSON document`, parts);
  const listed = entries ?? listLayoutImages(index!, `${OCI_INDEX_NAME} of ${parts.description}`);
  if (listed.length === 0) {
    throw new DbupError('INPUT_NOT_AN_IMAGE', `${parts.description} lists no image`, {
      hint: 'Its index.json has no manifests; copy an image into it first.',
    });
  }
  const found: FoundImage[] = [];
  for (const entry of listed) found.push(await ociImage(entry, parts));
  return found;
}

async function ociImage(entry: LayoutImage, parts: InterpretParts): Promise<FoundImage> {
  const { descriptor } = entry;
  const member = (digest: Digest): IngestedMember | undefined => parts.members.get(blobPath(digest));
  const tree = walkImageTree(descriptor, ({ digest }) => member(digest)?.document ?? null);
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
  const blobs: SnapshotBlob[] = [];
  for (const { digest, mediaType, sizeBytes } of [...tree.documents, ...tree.layers, ...tree.opaque]) {
    const file = member(digest);
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
  return {
    references: entry.reference === null ? [] : [entry.reference],
    tag: entry.reference === null ? entry.name : null,
    ...(layoutName !== undefined && { layoutName }),
    imageId: held.length === 1 ? held[0]!.config.digest : descriptor.digest,
    root: { digest: descriptor.digest, mediaType: descriptor.mediaType, sizeBytes: descriptor.sizeBytes },
    images,
    absent: [...absent],
    blobs: uniqueBlobs(blobs),
  };
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

/** A layer blob must be, or inflate to, the plain tar the config names. */
function checkDiffId(
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

/** A docker-archive does not say how a layer is compressed; its bytes do. */
function layerMediaType(blob: BlobRef, member: IngestedMember, diffId: Digest): string {
  if (blob.digestHex === digestHex(diffId)) return MEDIA_TYPES.dockerLayerTar;
  return (member.plain?.compression ?? member.compression) === 'zstd'
    ? MEDIA_TYPES.dockerLayerTarZstd
    : MEDIA_TYPES.dockerLayerTarGzip;
}

function snapshotBlob(blob: StoredBlob, mediaType: string): SnapshotBlob {
  const { digestHex, sizeBytes, recipeId, encoder, verbatim } = blob;
  return {
    digest: `sha256:${digestHex}`,
    sizeBytes,
    mediaType,
    recipeId,
    ...(encoder !== undefined && { encoder }),
    ...(verbatim !== undefined && { verbatim }),
  };
}

function uniqueBlobs(blobs: readonly SnapshotBlob[]): SnapshotBlob[] {
  return [...new Map(blobs.map((blob) => [blob.digest, blob])).values()];
}

function platformOf(config: ImageConfig): string {
  return formatPlatform(config);
}

function missing(descriptor: Descriptor, parts: InterpretParts): DbupError {
  return invalid(`${descriptor.digest} is named by the image but is not in it`, parts);
}

function invalid(message: string, parts: InterpretParts): DbupError {
  return new DbupError('INPUT_INVALID', `${parts.description}: ${message}`, {
    hint: 'The image is incomplete or damaged: save or download it again.',
  });
}

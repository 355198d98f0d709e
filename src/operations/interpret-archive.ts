import {
  DOCKER_MANIFEST_NAME,
  type DockerImageEntry,
  explainMissingManifest,
  parseDockerManifest,
  resolveMember,
} from '../archive/docker-manifest.js';
import {
  blobPath,
  listLayoutImages,
  OCI_INDEX_NAME,
  OCI_LAYOUT_NAME,
  parseBlobPath,
  walkImageTree,
} from '../archive/oci-layout.js';
import { DbupError } from '../core/errors.js';
import type { BlobRef } from '../format/recipe.js';
import type { SnapshotLayer } from '../format/snapshot.js';
import { sha256Hex } from '../hash/sha256.js';
import { type ImageConfig, parseImageConfig } from '../oci/config.js';
import { type Digest, digestFromHex, digestHex } from '../oci/digest.js';
import { MEDIA_TYPES } from '../oci/media-types.js';
import { formatPlatform } from '../oci/platform.js';
import {
  checkDiffId,
  type FoundImage,
  type InterpretParts,
  invalid,
  snapshotBlob,
  uniqueBlobs,
} from './found-image.js';
import type { IngestedMember } from './ingested-member.js';
import { interpretOciLayout } from './interpret-layout.js';
import { digestMismatch } from './member-sink.js';

export type ArchiveDialect = 'docker-archive' | 'oci-archive';

/** Which kinds of image archive the members make; docker writes what is both. @throws DbupError INPUT_NOT_AN_IMAGE */
export function archiveDialects(members: ReadonlyMap<string, IngestedMember>): ArchiveDialect[] {
  const dialects: ArchiveDialect[] = [];
  if (members.has(DOCKER_MANIFEST_NAME)) dialects.push('docker-archive');
  if (members.has(OCI_INDEX_NAME)) dialects.push('oci-archive');
  if (dialects.length === 0) throw explainMissingManifest(members);
  return dialects;
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

/**
 * The images of an archive. One that is an OCI layout with docker's manifest.json beside it (docker from 25 on, BuildKit)
 * is understood as a layout, whose manifests and indexes have digests to keep, if that covers all that manifest.json lists.
 * @throws DbupError INPUT_INVALID, DIGEST_MISMATCH
 */
export async function interpretArchive(parts: InterpretParts): Promise<FoundImage[]> {
  const { members, description } = parts;
  const manifest = members.get(DOCKER_MANIFEST_NAME)?.document;
  if (!manifest) return interpretOciLayout(parts);
  const entries = parseDockerManifest(manifest, `${DOCKER_MANIFEST_NAME} of ${description}`);
  if (!isCoveredByLayout(entries, parts)) {
    const found: FoundImage[] = [];
    for (const entry of entries) found.push(await dockerImage(entry, parts));
    return found;
  }
  const found = await interpretOciLayout(parts);
  const named = new Set(found.flatMap(({ references }) => references));
  for (const entry of entries) {
    const configDigest = configDigestOf(entry, parts);
    const image = found.find(({ images }) => images.some((one) => one.configDigest === configDigest));
    image?.references.push(...entry.repoTags.filter((reference) => !named.has(reference)));
  }
  return found;
}

function isCoveredByLayout(entries: readonly DockerImageEntry[], parts: InterpretParts): boolean {
  const index = parts.members.get(OCI_INDEX_NAME)?.document;
  if (!index || !parts.members.has(OCI_LAYOUT_NAME)) return false;
  const document = (digest: Digest): Uint8Array | null =>
    parts.members.get(blobPath(digest))?.document ?? null;
  try {
    const trees = listLayoutImages(index).map(({ descriptor }) =>
      walkImageTree(descriptor, ({ digest }) => document(digest)),
    );
    const configs = new Set(trees.flatMap(({ documents }) => documents.map(({ digest }) => digest)));
    return (
      trees.every(({ documents }) => documents.length > 0) &&
      entries.every((entry) => configs.has(configDigestOf(entry, parts)))
    );
  } catch (error) {
    if (error instanceof DbupError && error.code.startsWith('INPUT_')) return false;
    throw error;
  }
}

function configDigestOf({ configName }: DockerImageEntry, parts: InterpretParts): Digest {
  const { document } = resolveMember(configName, parts.members).member;
  return digestFromHex(sha256Hex(document ?? new Uint8Array(0)));
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

/** A docker-archive does not say how a layer is compressed; its bytes do. */
function layerMediaType(blob: BlobRef, member: IngestedMember, diffId: Digest): string {
  if (blob.digestHex === digestHex(diffId)) return MEDIA_TYPES.dockerLayerTar;
  return (member.plain?.compression ?? member.compression) === 'zstd'
    ? MEDIA_TYPES.dockerLayerTarZstd
    : MEDIA_TYPES.dockerLayerTarGzip;
}

function platformOf(config: ImageConfig): string {
  return formatPlatform(config);
}

import { buildDockerManifest, DOCKER_MANIFEST_NAME, dockerArchiveNames } from '../archive/docker-manifest.js';
import {
  blobPath,
  buildIndex,
  buildManifestFor,
  nameAnnotations,
  OCI_INDEX_NAME,
  OCI_LAYOUT_NAME,
  ociLayoutFileBytes,
} from '../archive/oci-layout.js';
import type { TarOutputMember } from '../archive/tar-write.js';
import type { SnapshotImage } from '../format/snapshot.js';
import { sha256Hex } from '../hash/sha256.js';
import type { Descriptor } from '../oci/descriptor.js';
import { type Digest, digestFromHex, parseDigest } from '../oci/digest.js';
import { MEDIA_TYPES } from '../oci/media-types.js';
import { parseReference } from '../oci/reference.js';
import type { ImageReader } from './image-reader.js';

/**
 * The members of a docker-archive of one image, plain layers, as every engine reads it. The manifest comes
 * last: an engine that got only a part has nothing to load.
 * @param leaveOut layers from the base up that the receiver has
 */
export async function* dockerArchiveMembers(
  reader: ImageReader,
  image: SnapshotImage,
  repoTags: readonly string[],
  leaveOut = 0,
): AsyncGenerator<TarOutputMember> {
  const names = dockerArchiveNames(
    image.configDigest.slice('sha256:'.length),
    image.layers.map(({ diffId }) => diffId.slice('sha256:'.length)),
  );
  const config = await reader.document(image.configDigest);
  yield file(names.configName, config);
  const written = new Set<string>();
  for (let i = leaveOut; i < image.layers.length; i++) {
    const name = names.layerNames[i]!;
    if (written.has(name)) continue;
    written.add(name);
    const layer = await reader.plainLayer(image.layers[i]!);
    yield { name, sizeBytes: layer.sizeBytes, content: layer.read() };
  }
  yield file(DOCKER_MANIFEST_NAME, buildDockerManifest([{ ...names, repoTags: [...repoTags] }]));
}

/** A file of an OCI layout: a blob of the snapshot, or bytes made here. */
export type LayoutFile = { name: string; sizeBytes: number } & ({ digest: Digest } | { bytes: Uint8Array });

/** What an OCI layout of a snapshot consists of. */
export interface LayoutPlan {
  /** Blobs first, each once. */
  blobs: LayoutFile[];
  /** The entry for the layout's index. */
  entry: Descriptor;
}

/**
 * Plans an OCI layout. An image that came from a layout keeps every byte and digest; one from a
 * docker-archive, which has no manifest of its own, is given one that names its plain layers.
 */
export async function planLayout(reader: ImageReader, reference: string): Promise<LayoutPlan> {
  const { snapshot } = reader;
  const annotations = nameAnnotations(parseReference(reference));
  if (snapshot.root) {
    const { digest, mediaType, sizeBytes } = snapshot.root;
    const blobs = snapshot.blobs.map((blob) => layoutBlob(reader, blob.digest));
    return { blobs, entry: { mediaType, digest: parseDigest(digest), sizeBytes, annotations } };
  }
  const image = reader.image(undefined);
  const config = descriptor(reader, MEDIA_TYPES.ociConfig, image.configDigest);
  const layers = image.layers.map((layer) =>
    descriptor(
      reader,
      layer.digest === layer.diffId ? MEDIA_TYPES.ociLayerTar : MEDIA_TYPES.ociLayerTarGzip,
      layer.digest,
    ),
  );
  const manifest = buildManifestFor(config, layers);
  const digest = digestFromHex(sha256Hex(manifest));
  const digests = new Set([config.digest, ...layers.map((layer) => layer.digest)]);
  return {
    blobs: [
      ...[...digests].map((blob) => layoutBlob(reader, blob)),
      { name: blobPath(digest), sizeBytes: manifest.length, bytes: manifest },
    ],
    entry: { mediaType: MEDIA_TYPES.ociManifest, digest, sizeBytes: manifest.length, annotations },
  };
}

/** The members of an OCI archive. */
export async function* ociArchiveMembers(
  reader: ImageReader,
  reference: string,
): AsyncGenerator<TarOutputMember> {
  const { blobs, entry } = await planLayout(reader, reference);
  yield file(OCI_LAYOUT_NAME, ociLayoutFileBytes());
  yield { name: 'blobs', sizeBytes: 0, type: 'directory' };
  yield { name: 'blobs/sha256', sizeBytes: 0, type: 'directory' };
  for (const blob of blobs)
    yield { name: blob.name, sizeBytes: blob.sizeBytes, content: layoutFileBytes(reader, blob) };
  yield file(OCI_INDEX_NAME, buildIndex([entry]));
}

/** The contents of a planned file. */
export function layoutFileBytes(reader: ImageReader, blob: LayoutFile): AsyncGenerator<Uint8Array> {
  return 'digest' in blob ? reader.blob(blob.digest) : once(blob.bytes);
}

function layoutBlob(reader: ImageReader, digest: string): LayoutFile {
  const parsed = parseDigest(digest);
  return { name: blobPath(parsed), sizeBytes: reader.blobBytes(digest), digest: parsed };
}

function descriptor(reader: ImageReader, mediaType: string, digest: string): Descriptor {
  return { mediaType, digest: parseDigest(digest), sizeBytes: reader.blobBytes(digest) };
}

function file(name: string, bytes: Uint8Array): TarOutputMember {
  return { name, sizeBytes: bytes.length, content: once(bytes) };
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

import { buildDockerManifest, DOCKER_MANIFEST_NAME, dockerArchiveNames } from '../archive/docker-manifest.js';
import { buildIndexOf } from '../archive/layout-entry.js';
import { blobPath, OCI_INDEX_NAME, OCI_LAYOUT_NAME, ociLayoutFileBytes } from '../archive/oci-layout.js';
import type { TarOutputMember } from '../archive/tar-write.js';
import type { SnapshotImage } from '../format/snapshot.js';
import { parseDigest } from '../oci/digest.js';
import { NO_PLATFORM, platformMatches, platformOf } from '../oci/platform.js';
import { isUntagged } from '../oci/reference.js';
import { hostPlatform, type ImageReader } from './image-reader.js';
import type { LayoutFile, LayoutPlan } from './plan-layout.js';

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

/**
 * The members of an OCI archive, with docker's manifest.json beside the index, which docker's classic store goes by
 * (as `docker save` has it from 25 on). What says what is in it comes last.
 */
export async function* ociArchiveMembers(
  reader: ImageReader,
  { blobs, entries, images }: LayoutPlan,
  repoTags: readonly string[],
): AsyncGenerator<TarOutputMember> {
  yield file(OCI_LAYOUT_NAME, ociLayoutFileBytes());
  yield { name: 'blobs', sizeBytes: 0, type: 'directory' };
  yield { name: 'blobs/sha256', sizeBytes: 0, type: 'directory' };
  for (const blob of blobs)
    yield { name: blob.name, sizeBytes: blob.sizeBytes, content: layoutFileBytes(reader, blob) };
  const docker = imageForDocker(images);
  if (docker) {
    const configName = blobPath(parseDigest(docker.configDigest));
    const layerNames = docker.layers.map(({ digest }) => blobPath(parseDigest(digest)));
    const entry = { configName, layerNames, repoTags: [...repoTags] };
    yield file(DOCKER_MANIFEST_NAME, buildDockerManifest([entry]));
  }
  yield file(OCI_INDEX_NAME, buildIndexOf(entries));
}

/** The contents of a planned file. */
export function layoutFileBytes(reader: ImageReader, blob: LayoutFile): AsyncGenerator<Uint8Array> {
  return 'digest' in blob ? reader.blob(blob.digest) : once(blob.bytes);
}

/** manifest.json has no platforms: it lists the only image, or the one for this machine. */
function imageForDocker(images: readonly SnapshotImage[]): SnapshotImage | undefined {
  const runnable = images.filter(({ platform }) => platform !== NO_PLATFORM);
  if (runnable.length <= 1) return runnable[0];
  return runnable.find(({ platform }) => platformMatches(hostPlatform(), platformOf(platform)));
}

/** An image that has no name of its own is loaded without one. */
export function repoTags(reference: string): string[] {
  return isUntagged(reference) ? [] : [reference];
}

function file(name: string, bytes: Uint8Array): TarOutputMember {
  return { name, sizeBytes: bytes.length, content: once(bytes) };
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

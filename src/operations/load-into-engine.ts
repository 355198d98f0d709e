import { nameAnnotations } from '../archive/oci-layout.js';
import { writeTar } from '../archive/tar-write.js';
import type { OperationContext } from '../core/context.js';
import { DbupError } from '../core/errors.js';
import type { SnapshotImage } from '../format/snapshot.js';
import { type EngineClient, knownPrefixLength } from '../image/engine/engine-client.js';
import { isUntagged, parseReference } from '../oci/reference.js';
import { archiveDifferences, type Difference, layoutDifferences } from './differences.js';
import type { ImageReader } from './image-reader.js';
import { planLayout, withoutCompanions } from './plan-layout.js';
import { reporting } from './report-bytes.js';
import { dockerArchiveMembers, ociArchiveMembers, repoTags } from './write-image.js';

/** What an engine was given. */
export interface Sent {
  imageId: string;
  writtenBytes: number;
  layersLeftOut: number;
  layerCount: number;
  platforms: string[];
  differences: Difference[];
}

/**
 * Loads an image into an engine and asks it for what it has then. docker's containerd store is given an image that has
 * manifests as an OCI archive, by whose digests it knows images; others get a docker-archive of one platform.
 * @throws DbupError SNAPSHOT_NOT_FOUND, ENGINE_*
 */
export async function loadIntoEngine(
  reader: ImageReader,
  platform: string | undefined,
  client: EngineClient,
  reference: string,
  context: OperationContext,
): Promise<Sent> {
  const keepsDigests =
    reader.snapshot.root !== undefined && (await client.usesContainerdStore(context.signal));
  if (keepsDigests) return sendLayout(reader, platform, client, reference, context);
  const image = reader.image(platform);
  const sent = await sendArchive(reader, image, client, reference, context);
  const { configDigest, layers } = image;
  return {
    ...sent,
    imageId: configDigest,
    layerCount: layers.length,
    platforms: [image.platform],
    differences: archiveDifferences(reader, image),
  };
}

async function sendLayout(
  reader: ImageReader,
  platform: string | undefined,
  client: EngineClient,
  reference: string,
  context: OperationContext,
): Promise<Sent> {
  const { signal } = context;
  const names = isUntagged(reference) ? {} : nameAnnotations(parseReference(reference));
  const whole = await planLayout(reader, names, platform === undefined ? [] : [platform]);
  const plan = withoutCompanions(whole, reader);
  const counter = { bytes: 0 };
  const total = plan.blobs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const tar = writeTar(ociArchiveMembers(reader, plan, repoTags(reference)));
  await client.loadImage(reporting(tar, `loading ${reference}`, reference, total, context, counter), signal);
  const { digest } = plan.entries[0]!.descriptor;
  const loaded = await client.inspectImage(isUntagged(reference) ? digest : reference, signal);
  if (loaded?.id !== digest) throw differs(digest, loaded?.id);
  return {
    imageId: digest,
    writtenBytes: counter.bytes,
    layersLeftOut: 0,
    layerCount: plan.images.reduce((sum, { layers }) => sum + layers.length, 0),
    platforms: plan.images.map((image) => image.platform),
    differences: layoutDifferences(reader, plan),
  };
}

/** Sends what the engine lacks, or everything where it will not have it so, and asks it for the image's id. */
async function sendArchive(
  reader: ImageReader,
  image: SnapshotImage,
  client: EngineClient,
  reference: string,
  context: OperationContext,
): Promise<{ writtenBytes: number; layersLeftOut: number }> {
  const { signal } = context;
  const diffIds = image.layers.map(({ diffId }) => diffId);
  const leaveOut = knownPrefixLength(await client.knownChains(signal), diffIds);
  const send = async (layersLeftOut: number): Promise<{ writtenBytes: number; layersLeftOut: number }> => {
    const members = dockerArchiveMembers(reader, image, repoTags(reference), layersLeftOut);
    const total = image.layers
      .slice(layersLeftOut)
      .reduce((sum, { digest }) => sum + reader.blobBytes(digest), 0);
    const counter = { bytes: 0 };
    const tar = reporting(writeTar(members), `loading ${reference}`, reference, total, context, counter);
    await client.loadImage(tar, signal);
    return { writtenBytes: counter.bytes, layersLeftOut };
  };
  let sent: { writtenBytes: number; layersLeftOut: number };
  try {
    sent = await send(leaveOut);
  } catch (error) {
    // The engine may have dropped a layer since it was asked, or want every file after all.
    if (leaveOut === 0 || !(error instanceof DbupError) || error.code !== 'ENGINE_ERROR') throw error;
    context.report({ type: 'note', message: 'the engine wants every layer; sending the whole image' });
    sent = await send(0);
  }
  await confirmLoaded(client, image, reference, diffIds, signal);
  return sent;
}

/** The image must be there under its id. An engine with the containerd store gives ids of its own: there the layers must be the same. */
async function confirmLoaded(
  client: EngineClient,
  image: SnapshotImage,
  reference: string,
  diffIds: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const byId = await client.inspectImage(image.configDigest, signal);
  const loaded = byId ?? (await client.inspectImage(reference, signal));
  const sameLayers =
    loaded?.rootFsLayers.length === diffIds.length && diffIds.every((id, i) => loaded.rootFsLayers[i] === id);
  if (loaded && sameLayers && (byId === null || loaded.id === image.configDigest)) return;
  throw differs(image.configDigest, loaded?.id);
}

function differs(expected: string, actual: string | undefined): DbupError {
  return new DbupError(
    'ENGINE_IMAGE_DIFFERS',
    `the engine answered with ${actual ?? 'no image'}, not ${expected}`,
    {
      hint: 'The engine did not take the image as it was saved. Look at its log; `dbup load -o FILE` writes the archive.',
      details: { expected, actual: actual ?? null },
    },
  );
}

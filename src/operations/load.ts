import { stat } from 'node:fs/promises';
import { writeTar } from '../archive/tar-write.js';
import type { SnapshotRecord } from '../catalog/catalog.js';
import { type OperationContext, throwIfInterrupted } from '../core/context.js';
import { DbupError, toDbupError } from '../core/errors.js';
import { GZIP_RECIPE_FEATURE, type SnapshotImage } from '../format/snapshot.js';
import { type EngineClient, knownPrefixLength } from '../image/engine/engine-client.js';
import { writeOciDirectory } from '../image/oci-directory-writer.js';
import { writeOutputFile, writeStream } from '../image/output-file.js';
import { parseReference } from '../oci/reference.js';
import { BlockCache } from '../pool/block-cache.js';
import { type ChunkCatalog, hasSpareCopies, openChunkCatalog } from '../pool/chunk-catalog.js';
import type { Pool } from '../pool/pool.js';
import type { FileSystem } from '../store/file-system.js';
import { ImageReader } from './image-reader.js';
import { refuseOutputInPool } from './refuse-output-in-pool.js';
import { refuseDoubtfulVersion } from './version-doubts.js';
import { resolveVersion } from './versions.js';
import { dockerArchiveMembers, layoutFileBytes, ociArchiveMembers, planLayout } from './write-image.js';

/** How many damaged packs a load tries to do without. */
const MAX_DAMAGED_PACKS = 3;
/** Decoded blocks kept for an image with gzip layers, which are read in order. */
const GZIP_CACHE_BYTES = 28 * 1024 * 1024;

/** `saved`: the tar that was saved, where there is one, and else a docker-archive. */
export type OutputFormat = 'saved' | 'docker-archive' | 'oci-archive';

/** Where an image goes. */
export type LoadSink =
  | { kind: 'engine'; client: EngineClient }
  | { kind: 'file'; path: string; format: OutputFormat }
  | { kind: 'stream'; stream: NodeJS.WritableStream; format: OutputFormat }
  | { kind: 'oci-directory'; path: string; tag?: string };

export interface LoadOptions {
  /** The name it is given instead of its own. */
  as?: string;
  /** Give back the whole archive the image was saved in, other images and all. */
  wholeArchive?: boolean;
  platform?: string;
}

export interface LoadResult {
  reference: string;
  snapshotId: string;
  imageId: string;
  /** Bytes written or sent; 0 for an OCI directory that held everything. */
  writtenBytes: number;
  /** Layers the engine had and was not sent. */
  layersLeftOut: number;
  layerCount: number;
  /** True when the output is the saved archive, byte for byte. */
  asSaved: boolean;
}

/**
 * Gives an image back. When it returns, every byte was checked against its digest, and an engine has
 * confirmed the image's id. When it throws, a file has not appeared and an engine has loaded nothing. Where a
 * pack is damaged, copies that other packs hold are used, unless bytes have left already (a stream, a pipe).
 * @throws DbupError USAGE for an output inside the pool, SNAPSHOT_NOT_FOUND, POOL_INCOMPLETE, POOL_DAMAGED, ENGINE_*
 */
export async function load(
  pool: Pool,
  address: string,
  sink: LoadSink,
  options: LoadOptions,
  context: OperationContext,
): Promise<LoadResult> {
  try {
    if (sink.kind === 'file' || sink.kind === 'oci-directory') await refuseOutputInPool(pool, sink.path);
    return await loadVersion(pool, address, sink, options, context);
  } catch (error) {
    throw toDbupError(error, `loading ${address}`);
  }
}

async function loadVersion(
  pool: Pool,
  address: string,
  sink: LoadSink,
  options: LoadOptions,
  context: OperationContext,
): Promise<LoadResult> {
  const { records, unusable } = await pool.catalog.snapshots();
  await refuseDoubtfulVersion(pool, records, unusable, address);
  const record = resolveVersion(records, address);
  const damagedPacks = new Set<string>();
  for (;;) {
    const chunks = await openChunkCatalog(pool.catalog, damagedPacks);
    try {
      return await loadRecord(pool, record, chunks, sink, options, context);
    } catch (error) {
      const pack = damagedPack(error);
      const isNew = pack !== null && !damagedPacks.has(pack) && damagedPacks.size < MAX_DAMAGED_PACKS;
      if (!isNew || !hasSpareCopies(chunks) || !(await canStartOver(sink))) throw error;
      damagedPacks.add(pack);
      const message = `the pool is damaged: ${(error as DbupError).message}; trying copies in other packs`;
      context.report({ type: 'warning', message });
    }
  }
}

/** The pack an error of damage is about. */
function damagedPack(error: unknown): string | null {
  if (!(error instanceof DbupError) || error.code !== 'POOL_DAMAGED') return null;
  const { pack } = error.details;
  return typeof pack === 'string' ? pack : null;
}

/** False where bytes that were written cannot be taken back. */
async function canStartOver(sink: LoadSink): Promise<boolean> {
  if (sink.kind !== 'file') return sink.kind !== 'stream';
  return stat(sink.path).then(
    (info) => info.isFile(),
    () => true,
  );
}

async function loadRecord(
  pool: Pool,
  record: SnapshotRecord,
  chunks: ChunkCatalog,
  sink: LoadSink,
  options: LoadOptions,
  context: OperationContext,
): Promise<LoadResult> {
  const { snapshot } = record;
  const { layout, workers, rebuilt } = pool;
  // Where layers may be made gzip again, that takes the rest of the memory.
  const budget = snapshot.features?.includes(GZIP_RECIPE_FEATURE) ? { budgetBytes: GZIP_CACHE_BYTES } : {};
  const reader = new ImageReader(new BlockCache(layout, chunks, workers, { rebuilt, ...budget }), snapshot);
  const reference = options.as === undefined ? snapshot.reference : parseReference(options.as).text;
  const result = {
    reference,
    snapshotId: record.id,
    imageId: snapshot.imageId,
    layersLeftOut: 0,
    layerCount: 0,
  };
  if (sink.kind === 'engine') {
    const image = reader.image(options.platform);
    const sent = await loadIntoEngine(reader, image, sink.client, reference, context);
    return {
      ...result,
      ...sent,
      imageId: image.configDigest,
      layerCount: image.layers.length,
      asSaved: false,
    };
  }
  const layerCount = snapshot.images.reduce((sum, { layers }) => sum + layers.length, 0);
  if (sink.kind === 'oci-directory') {
    const name =
      sink.tag === undefined
        ? reference
        : parseReference(
            sink.tag.includes(':')
              ? sink.tag
              : `${reference.slice(0, reference.lastIndexOf(':'))}:${sink.tag}`,
          ).text;
    const writtenBytes = await loadIntoDirectory(reader, sink.path, name, pool.outputs, context);
    return { ...result, writtenBytes, layerCount, asSaved: false };
  }
  const { bytes, totalBytes, asSaved } = openOutput(reader, sink.format, reference, options);
  const task = `writing ${sink.kind === 'file' ? sink.path : 'to the output'}`;
  const shown = reporting(bytes, task, reference, totalBytes, context);
  const writtenBytes =
    sink.kind === 'stream'
      ? await writeStream(shown, sink.stream)
      : await writeOutputFile(sink.path, shown, { fs: pool.outputs });
  return { ...result, writtenBytes, layerCount, asSaved };
}

function openOutput(
  reader: ImageReader,
  format: OutputFormat,
  reference: string,
  options: LoadOptions,
): { bytes: AsyncIterable<Uint8Array>; totalBytes: number; asSaved: boolean } {
  const { archive, stats } = reader.snapshot;
  if (options.wholeArchive && !archive) {
    throw new DbupError('USAGE', `${reader.snapshot.reference} was not saved from an archive`, {
      hint: 'Leave --archive out: the image is then written as a docker-archive.',
    });
  }
  const own =
    archive !== undefined &&
    archive.imageCount === 1 &&
    options.as === undefined &&
    options.platform === undefined;
  if (format === 'saved' && archive && (own || options.wholeArchive)) {
    return { bytes: reader.archive(), totalBytes: archive.sizeBytes, asSaved: true };
  }
  const members =
    format === 'oci-archive'
      ? ociArchiveMembers(reader, reference)
      : dockerArchiveMembers(reader, reader.image(options.platform), repoTags(reference));
  return { bytes: writeTar(members), totalBytes: stats.imageBytes, asSaved: false };
}

/** Sends what the engine lacks, or everything where it will not have it so, and asks it for the image's id. */
async function loadIntoEngine(
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
  throw new DbupError(
    'ENGINE_IMAGE_DIFFERS',
    `the engine answered with ${loaded?.id ?? 'no image'}, not ${image.configDigest}`,
    {
      hint: 'The engine did not take the image as it was saved. Look at its log; `dbup load -o FILE` writes the archive.',
      details: { expected: image.configDigest, actual: loaded?.id ?? null },
    },
  );
}

async function loadIntoDirectory(
  reader: ImageReader,
  path: string,
  name: string,
  fs: FileSystem,
  context: OperationContext,
): Promise<number> {
  const { blobs, entry } = await planLayout(reader, name);
  const total = blobs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const counter = { bytes: 0 };
  const written = blobs.map((blob) => ({
    ...blob,
    read: () => reporting(layoutFileBytes(reader, blob), `writing ${path}`, name, total, context, counter),
  }));
  await writeOciDirectory(path, written, entry, fs);
  return counter.bytes;
}

/** An image that has no name of its own is loaded without one. */
function repoTags(reference: string): string[] {
  return reference.startsWith('untagged:') ? [] : [reference];
}

/** Passes bytes through, telling how many and stopping when interrupted. */
async function* reporting(
  bytes: AsyncIterable<Uint8Array>,
  task: string,
  subject: string,
  totalBytes: number,
  context: OperationContext,
  counter: { bytes: number } = { bytes: 0 },
): AsyncGenerator<Uint8Array> {
  context.report({ type: 'start', task, subject, totalBytes });
  for await (const piece of bytes) {
    throwIfInterrupted(context.signal);
    yield piece;
    counter.bytes += piece.length;
    context.report({ type: 'bytes', task, doneBytes: counter.bytes, totalBytes });
  }
  context.report({ type: 'end', task });
}

import { stat } from 'node:fs/promises';
import { nameAnnotations } from '../archive/oci-layout.js';
import { writeTar } from '../archive/tar-write.js';
import type { SnapshotRecord } from '../catalog/catalog.js';
import type { OperationContext } from '../core/context.js';
import { DbupError, toDbupError } from '../core/errors.js';
import { GZIP_RECIPE_FEATURE, type SnapshotImage } from '../format/snapshot.js';
import type { EngineClient } from '../image/engine/engine-client.js';
import { OCI_REF_NAME } from '../image/oci-directory.js';
import { writeOciDirectory } from '../image/oci-directory-writer.js';
import { writeOutputFile, writeStream } from '../image/output-file.js';
import { isUntagged, parseReference } from '../oci/reference.js';
import { BlockCache } from '../pool/block-cache.js';
import { type ChunkCatalog, hasSpareCopies, openChunkCatalog } from '../pool/chunk-catalog.js';
import type { Pool } from '../pool/pool.js';
import { archiveDifferences, type Difference, layoutDifferences } from './differences.js';
import { ImageReader } from './image-reader.js';
import { loadIntoEngine } from './load-into-engine.js';
import { planLayout } from './plan-layout.js';
import { refuseOutputInPool } from './refuse-output-in-pool.js';
import { counting, reporting } from './report-bytes.js';
import { readableSnapshots } from './snapshot-copies.js';
import { refuseDoubtfulVersion } from './version-doubts.js';
import { resolveVersion } from './versions.js';
import { dockerArchiveMembers, layoutFileBytes, ociArchiveMembers, repoTags } from './write-image.js';

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
  /** Of an image for several platforms these, `linux/arm64`; all of them, or this machine's where a sink takes one. */
  platforms?: readonly string[];
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
  /** What went out, of an image for several platforms. */
  platforms: string[];
  /** What the sink cannot hold of what was saved, or holds otherwise. */
  differences: Difference[];
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
  const { records, unusable } = await readableSnapshots(pool);
  await refuseDoubtfulVersion(pool, records, unusable, address);
  const record = resolveVersion(records, address);
  pool.workers.expect(record.snapshot.stats.imageBytes);
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

/** What a load comes to, but for what it is of. */
type Sunk = Omit<LoadResult, 'reference' | 'snapshotId'>;

interface LoadParts {
  pool: Pool;
  reader: ImageReader;
  /** What the image is called where it goes. */
  reference: string;
  options: LoadOptions;
  context: OperationContext;
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
  const parts: LoadParts = { pool, reader, reference, options, context };
  const sunk = await sinkImage(sink, parts);
  return { reference, snapshotId: record.id, ...sunk };
}

async function sinkImage(sink: LoadSink, parts: LoadParts): Promise<Sunk> {
  const { reader, reference, options, context } = parts;
  if (sink.kind === 'engine') {
    const sent = await loadIntoEngine(reader, onePlatform(options), sink.client, reference, context);
    tell(sent.differences, context);
    return { ...sent, asSaved: false };
  }
  return sink.kind === 'oci-directory' ? loadIntoDirectory(sink, parts) : loadIntoFile(sink, parts);
}

async function loadIntoDirectory(
  { path, tag }: Extract<LoadSink, { kind: 'oci-directory' }>,
  { pool, reader, reference, options, context }: LoadParts,
): Promise<Sunk> {
  const plan = await planLayout(reader, directoryNames(reference, tag), options.platforms);
  const differences = layoutDifferences(reader, plan);
  tell(differences, context);
  const total = plan.blobs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const counter = { bytes: 0 };
  const task = `writing ${path}`;
  const blobs = plan.blobs.map((blob) => ({
    ...blob,
    read: () => counting(layoutFileBytes(reader, blob), task, total, context, counter),
  }));
  context.report({ type: 'start', task, subject: reference, totalBytes: total });
  await writeOciDirectory(path, blobs, plan.entries, pool.outputs);
  context.report({ type: 'end', task });
  return {
    ...sunkOf(plan.images),
    imageId: imageIdOf(reader, options),
    writtenBytes: counter.bytes,
    differences,
  };
}

/** A tag alone belongs to the image's repository, or where it has none, to nobody. */
function directoryNames(reference: string, tag: string | undefined): Record<string, string> {
  if (tag === undefined) return isUntagged(reference) ? {} : nameAnnotations(parseReference(reference));
  if (tag.includes(':')) return nameAnnotations(parseReference(tag));
  if (isUntagged(reference)) return { [OCI_REF_NAME]: tag };
  return nameAnnotations(parseReference(`${reference.slice(0, reference.lastIndexOf(':'))}:${tag}`));
}

async function loadIntoFile(
  sink: Extract<LoadSink, { kind: 'file' | 'stream' }>,
  parts: LoadParts,
): Promise<Sunk> {
  const { pool, reader, reference, context } = parts;
  const { bytes, totalBytes, ...sunk } = await openOutput(sink.format, parts);
  tell(sunk.differences, context);
  const task = `writing ${sink.kind === 'file' ? sink.path : 'to the output'}`;
  const shown = reporting(bytes, task, reference, totalBytes, context);
  const writtenBytes =
    sink.kind === 'stream'
      ? await writeStream(shown, sink.stream)
      : await writeOutputFile(sink.path, shown, { fs: pool.outputs });
  return { ...sunk, imageId: imageIdOf(reader, parts.options), writtenBytes };
}

type Output = Omit<Sunk, 'imageId' | 'writtenBytes'> & {
  bytes: AsyncIterable<Uint8Array>;
  totalBytes: number;
};

async function openOutput(format: OutputFormat, parts: LoadParts): Promise<Output> {
  const { reader, reference, options } = parts;
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
    options.platforms === undefined;
  if (format === 'saved' && archive && (own || options.wholeArchive)) {
    return {
      ...sunkOf(reader.runnable),
      bytes: reader.archive(),
      totalBytes: archive.sizeBytes,
      asSaved: true,
      differences: [],
    };
  }
  if (format === 'oci-archive') {
    const names = directoryNames(reference, undefined);
    const plan = await planLayout(reader, names, options.platforms);
    const members = ociArchiveMembers(reader, plan, repoTags(reference));
    const differences = layoutDifferences(reader, plan);
    return { ...sunkOf(plan.images), bytes: writeTar(members), totalBytes: stats.imageBytes, differences };
  }
  const image = reader.image(onePlatform(options));
  const members = dockerArchiveMembers(reader, image, repoTags(reference));
  const differences = archiveDifferences(reader, image);
  return { ...sunkOf([image]), bytes: writeTar(members), totalBytes: stats.imageBytes, differences };
}

/** @throws DbupError USAGE for a sink that takes one platform when several are asked for */
function onePlatform({ platforms = [] }: LoadOptions): string | undefined {
  if (platforms.length <= 1) return platforms[0];
  throw new DbupError('USAGE', 'a docker-archive or an engine takes one platform of an image at a time', {
    hint: 'Name one with --platform, or write oci:DIR or oci-archive:FILE, which take several.',
  });
}

/** Of one platform asked for, that image's; else what the whole is known by. */
function imageIdOf(reader: ImageReader, { platforms = [] }: LoadOptions): string {
  return platforms.length === 1 ? reader.image(platforms[0]).configDigest : reader.snapshot.imageId;
}

function sunkOf(images: readonly SnapshotImage[]) {
  return {
    layersLeftOut: 0,
    layerCount: images.reduce((sum, { layers }) => sum + layers.length, 0),
    asSaved: false,
    platforms: images.map(({ platform }) => platform),
  };
}

function tell(differences: readonly Difference[], { report }: OperationContext): void {
  for (const { message } of differences) report({ type: 'note', message });
}

import { layoutEntry } from '../archive/layout-entry.js';
import { walkImageTree } from '../archive/oci-layout.js';
import type { OperationContext } from '../core/context.js';
import { DbupError } from '../core/errors.js';
import type { Snapshot, SnapshotImage, SnapshotRoot } from '../format/snapshot.js';
import { OCI_REF_NAME } from '../image/oci-directory.js';
import { type ContainerSettings, parseImageConfig } from '../oci/config.js';
import { formatPlatform, NO_PLATFORM } from '../oci/platform.js';
import { BlockCache } from '../pool/block-cache.js';
import { openChunkCatalog } from '../pool/chunk-catalog.js';
import type { Pool } from '../pool/pool.js';
import { Reachability } from '../pool/reachability.js';
import { ImageReader } from './image-reader.js';
import { type LayerForm, layerForm } from './layer-form.js';
import { OpenedStreamCounter, type OpenedStreams } from './opened-streams.js';
import { descriptorOf, readDocuments } from './plan-layout.js';
import { refuseDoubtfulVersion } from './version-doubts.js';
import { summariseAmong, type VersionSummary } from './version-summary.js';
import { resolveVersion } from './versions.js';

export interface LayerDetail extends LayerForm {
  /** The blob as it was saved. */
  digest: string;
  /** The digest of the plain tar. */
  diffId: string;
  /** Of the blob as it was saved. */
  sizeBytes: number;
  mediaType: string;
  /** Of compressed files in it; null where that cannot be read. */
  opened: OpenedStreams | null;
}

/** What an image's config says of the containers made from it. */
export interface ConfigSummary extends ContainerSettings {
  architecture: string;
  os: string;
  created?: string;
}

export interface PlatformImage {
  platform: string;
  configDigest: string;
  manifestDigest?: string;
  /** From the base up. */
  layers: LayerDetail[];
  /** null when it cannot be read, or is no image config (an attestation). */
  config: ConfigSummary | null;
}

export interface CompanionDetail {
  digest: string;
  mediaType: string;
  sizeBytes: number;
  /** As the layout's index has it. */
  name?: string;
  artifactType?: string;
}

export interface VersionDetail extends VersionSummary {
  images: PlatformImage[];
  /** The top document of an image that has one of its own. */
  root?: { digest: string; mediaType: string; sizeBytes: number };
  /** The tar it was saved from. */
  archive?: { dialect: string; sizeBytes: number; imageCount: number };
  /** What the source did not hold of it, or was not to be saved. */
  absent: string[];
  /** The platforms among that, as far as an index names them. */
  absentPlatforms: string[];
  /** Signatures, SBOMs and the like that the same layout lists about it. */
  companions: CompanionDetail[];
  /** True when the pool has every chunk it needs and every list of chunks could be read; contents are not read. */
  complete: boolean;
  /** Chunks known to be needed that no usable pack holds. */
  missingChunks: number;
}

/**
 * Tells everything about one version.
 * @throws DbupError SNAPSHOT_NOT_FOUND, SNAPSHOT_AMBIGUOUS, REFERENCE_INVALID; what {@link refuseDoubtfulVersion} throws
 */
export async function showVersion(
  pool: Pool,
  address: string,
  context: OperationContext,
): Promise<VersionDetail> {
  const { records, unusable } = await pool.catalog.snapshots();
  await refuseDoubtfulVersion(pool, records, unusable, address);
  const record = resolveVersion(records, address);
  const { snapshot } = record;
  const chunks = await openChunkCatalog(pool.catalog);
  const cache = new BlockCache(pool.layout, chunks, pool.workers);
  const reach = new Reachability(cache, chunks, context.signal);
  const readable = await unlessDamaged(async () => {
    await reach.addSnapshot(snapshot);
    return true;
  });
  const reader = new ImageReader(cache, snapshot);
  const images: PlatformImage[] = [];
  const opened = await openedByLayer(cache, snapshot);
  for (const image of snapshot.images) images.push(await describeImage(reader, image, opened));
  const { root, archive, absent } = snapshot;
  return {
    ...summariseAmong(records, record),
    images,
    ...(root && { root }),
    ...(archive && {
      archive: {
        dialect: archive.dialect,
        sizeBytes: archive.sizeBytes,
        imageCount: archive.imageCount,
      },
    }),
    absent,
    absentPlatforms: (await unlessDamaged(() => absentPlatforms(reader))) ?? [],
    companions: (snapshot.companions ?? []).map(describeCompanion),
    complete: readable === true && reach.missing.count === 0,
    missingChunks: reach.missing.count,
  };
}

async function absentPlatforms(reader: ImageReader): Promise<string[]> {
  const { root, absent } = reader.snapshot;
  if (!root || absent.length === 0) return [];
  const documents = await readDocuments(reader);
  const tree = walkImageTree(descriptorOf(root), ({ digest }) => documents.get(digest) ?? null);
  const manifests = tree.absent.flatMap(({ platform }) => (platform ? [formatPlatform(platform)] : []));
  const gone = new Set<string>(absent);
  const held = reader.snapshot.images.map(({ configDigest }) => configDigest);
  const configs = tree.images
    .filter(({ config }) => gone.has(config.digest) && !held.includes(config.digest))
    .flatMap(({ platform }) => (platform ? [formatPlatform(platform)] : []));
  return [...new Set([...manifests, ...configs])].filter((platform) => platform !== NO_PLATFORM);
}

function describeCompanion({
  digest,
  mediaType,
  sizeBytes,
  entryJson,
}: Required<SnapshotRoot>): CompanionDetail {
  const { annotations = {}, artifactType } = layoutEntry(entryJson).descriptor;
  const name = annotations[OCI_REF_NAME];
  return {
    digest,
    mediaType,
    sizeBytes,
    ...(name !== undefined && { name }),
    ...(artifactType !== undefined && { artifactType }),
  };
}

async function openedByLayer(
  cache: BlockCache,
  snapshot: Snapshot,
): Promise<ReadonlyMap<string, OpenedStreams | null>> {
  const counted = new Map<string, OpenedStreams | null>();
  for (const { digest } of snapshot.images.flatMap(({ layers }) => layers)) {
    if (counted.has(digest)) continue;
    // One for each, as two layers may have recipes in common.
    counted.set(digest, await new OpenedStreamCounter(cache).ofLayers(snapshot, [digest]));
  }
  return counted;
}

async function describeImage(
  reader: ImageReader,
  image: SnapshotImage,
  opened: ReadonlyMap<string, OpenedStreams | null>,
): Promise<PlatformImage> {
  const { platform, configDigest, manifestDigest, layers } = image;
  const blobs = new Map(reader.snapshot.blobs.map((blob) => [blob.digest, blob]));
  return {
    platform,
    configDigest,
    ...(manifestDigest !== undefined && { manifestDigest }),
    layers: layers.map(({ digest, diffId }) => {
      const blob = blobs.get(digest);
      const form = layerForm({ digest, diffId }, blob);
      return {
        digest,
        diffId,
        sizeBytes: blob?.sizeBytes ?? 0,
        mediaType: blob?.mediaType ?? '',
        ...form,
        opened: opened.get(digest) ?? null,
      };
    }),
    config: await readConfig(reader, configDigest),
  };
}

async function readConfig(reader: ImageReader, digest: string): Promise<ConfigSummary | null> {
  return unlessDamaged(async () => {
    const { architecture, os, created, container } = parseImageConfig(await reader.document(digest), digest);
    return { architecture, os, ...(created !== undefined && { created }), ...container };
  });
}

/** null where the pool lacks or misreads something: what can be shown is shown. */
async function unlessDamaged<T>(read: () => Promise<T>): Promise<T | null> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof DbupError && /^(POOL_DAMAGED|POOL_INCOMPLETE|INPUT_)/.test(error.code)) return null;
    throw error;
  }
}

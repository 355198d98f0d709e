import type { SnapshotRecord } from '../catalog/catalog.js';
import { type OperationContext, throwIfInterrupted } from '../core/context.js';
import { DbupError } from '../core/errors.js';
import { BlockCache } from '../pool/block-cache.js';
import { type ChunkCatalog, openChunkCatalog } from '../pool/chunk-catalog.js';
import type { Pool } from '../pool/pool.js';
import { PoolUse } from '../pool/pool-use.js';
import { Reachability } from '../pool/reachability.js';
import { countLayerForms, type LayerForms } from './layer-form.js';
import { NOTHING_OPENED, OpenedStreamCounter, type OpenedStreams } from './opened-streams.js';
import {
  type DepthBytes,
  type KindBytes,
  measureDepths,
  measureKinds,
  measurePoolBytes,
  type PoolBytes,
} from './pool-bytes.js';
import { refuseDoubtfulVersion } from './version-doubts.js';
import { summariseAmong } from './version-summary.js';
import { resolveVersion } from './versions.js';

export interface PoolStats {
  snapshots: number;
  references: number;
  packs: number;
  packBytes: number;
  chunks: number;
  /** Plain bytes of all chunks, each counted once. */
  plainBytes: number;
  /** Sum of all versions as their sources handed them over. */
  imageBytesTotal: number;
  /** `imageBytesTotal` by `plainBytes`; 0 for an empty pool. */
  dedupRatio: number;
  /** `plainBytes` by `packBytes`; 0 for an empty pool. */
  compressionRatio: number;
  byKind: { data: KindBytes; skeleton: KindBytes; recipe: KindBytes; footerBytes: number };
  /** How the layers of all versions are held, each distinct one counted once. */
  layers: LayerForms;
  /** Compressed files in these layers that are held open; null where damage hides it. */
  opened: OpenedStreams | null;
  /** Delta blocks by how many blocks one has to decode before them, from 1 on. */
  deltas: DepthBytes[];
  /** Where every byte of the pool's files goes. */
  bytes: PoolBytes;
  /** Stored bytes that no snapshot needs, estimated; null when that cannot be known (damage, missing lists). */
  garbageBytes: number | null;
  /** null when it is only in memory. */
  catalogPath: string | null;
}

export interface VersionStats {
  layers: LayerForms;
  opened: OpenedStreams | null;
  address: string;
  snapshotId: string;
  imageBytes: number;
  /** Plain bytes of its chunks, each counted once. */
  plainBytes: number;
  /** Stored bytes it needs, estimated. */
  storedBytes: number;
  /** Stored bytes no other version needs: what `rm` of it and `gc` would free. */
  uniqueBytes: number;
  sharedBytes: number;
  missingChunks: number;
}

export interface StatsResult {
  pool: PoolStats;
  version?: VersionStats;
}

/**
 * Measures a pool and, with an address, one version of it.
 * @throws DbupError SNAPSHOT_NOT_FOUND, SNAPSHOT_AMBIGUOUS, POOL_DAMAGED when a version's needs cannot be read
 */
export async function stats(
  pool: Pool,
  address: string | undefined,
  context: OperationContext,
): Promise<StatsResult> {
  const { records, unusable } = await pool.catalog.snapshots();
  if (address !== undefined) await refuseDoubtfulVersion(pool, records, unusable, address);
  const chosen = address === undefined ? undefined : resolveVersion(records, address);
  const chunks = await openChunkCatalog(pool.catalog);
  const cache = new BlockCache(pool.layout, chunks, pool.workers);
  const others = new Reachability(cache, chunks, context.signal);
  const readable = await addAll(
    others,
    records.filter((record) => record !== chosen),
    context,
  );
  const bytes = await measurePoolBytes(pool, chunks);
  const opened = await countOpened(cache, records, context);
  const measure = (live: { has(entry: number): boolean } | null): PoolStats =>
    measurePool(pool, records, chunks, { bytes, live, opened });
  if (!chosen) return { pool: measure(readable ? others : null) };
  const own = new Reachability(cache, chunks, context.signal);
  await own.addSnapshot(chosen.snapshot);
  const needed = new PoolUse(chunks, (entry) => own.has(entry));
  const unique = new PoolUse(chunks, (entry) => own.has(entry) && !others.has(entry));
  const storedBytes = needed.storedBytes;
  const uniqueBytes = unique.storedBytes;
  const all = { has: (entry: number): boolean => own.has(entry) || others.has(entry) };
  return {
    pool: measure(readable && own.missingNodes === 0 ? all : null),
    version: {
      address: summariseAmong(records, chosen).address,
      snapshotId: chosen.id,
      imageBytes: chosen.snapshot.stats.imageBytes,
      layers: countLayerForms([chosen.snapshot]),
      opened: await countOpened(cache, [chosen], context),
      plainBytes: needed.plainBytes,
      storedBytes,
      uniqueBytes,
      sharedBytes: storedBytes - uniqueBytes,
      missingChunks: own.missing.count,
    },
  };
}

/** Of all distinct layers; null where those of one cannot be counted. */
async function countOpened(
  cache: BlockCache,
  records: readonly SnapshotRecord[],
  context: OperationContext,
): Promise<OpenedStreams | null> {
  const counter = new OpenedStreamCounter(cache);
  const sum = { ...NOTHING_OPENED };
  for (const { snapshot } of records) {
    throwIfInterrupted(context.signal);
    const digests = snapshot.images.flatMap(({ layers }) => layers.map(({ digest }) => digest));
    const opened = await counter.ofLayers(snapshot, digests);
    if (!opened) return null;
    sum.streams += opened.streams;
    sum.compressedBytes += opened.compressedBytes;
    sum.plainBytes += opened.plainBytes;
  }
  return sum;
}

/** @returns false when what some need cannot be known */
async function addAll(
  reach: Reachability,
  records: readonly SnapshotRecord[],
  context: OperationContext,
): Promise<boolean> {
  let readable = true;
  for (const { snapshot } of records) {
    throwIfInterrupted(context.signal);
    try {
      await reach.addSnapshot(snapshot);
    } catch (error) {
      if (!(error instanceof DbupError) || error.code !== 'POOL_DAMAGED') throw error;
      readable = false;
    }
  }
  return readable && reach.missingNodes === 0;
}

function measurePool(
  pool: Pool,
  records: readonly SnapshotRecord[],
  chunks: ChunkCatalog,
  {
    bytes,
    live,
    opened,
  }: { bytes: PoolBytes; live: { has(entry: number): boolean } | null; opened: OpenedStreams | null },
): PoolStats {
  const { table, packs } = chunks;
  let plainBytes = 0;
  for (let entry = 0; entry < table.count; entry++) plainBytes += table.sizeBytes(entry);
  const packBytes = packs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const imageBytesTotal = records.reduce((sum, { snapshot }) => sum + snapshot.stats.imageBytes, 0);
  return {
    snapshots: records.length,
    references: new Set(records.map(({ snapshot }) => snapshot.reference)).size,
    packs: packs.length,
    packBytes,
    chunks: table.count,
    plainBytes,
    imageBytesTotal,
    dedupRatio: plainBytes === 0 ? 0 : imageBytesTotal / plainBytes,
    compressionRatio: packBytes === 0 ? 0 : plainBytes / packBytes,
    layers: countLayerForms(records.map(({ snapshot }) => snapshot)),
    opened,
    byKind: measureKinds(chunks, packBytes),
    deltas: measureDepths(chunks),
    bytes,
    garbageBytes: live && packBytes - new PoolUse(chunks, (entry) => live.has(entry)).storedBytes,
    catalogPath: pool.catalog.path,
  };
}

import { join } from 'node:path';
import type { SnapshotRecord } from '../catalog/catalog.js';
import { type OperationContext, throwIfInterrupted } from '../core/context.js';
import { DbupError } from '../core/errors.js';
import { BlockCache } from '../pool/block-cache.js';
import { type ChunkCatalog, openChunkCatalog } from '../pool/chunk-catalog.js';
import type { Pool } from '../pool/pool.js';
import { PoolUse } from '../pool/pool-use.js';
import { Reachability } from '../pool/reachability.js';
import { lacksSnapshotsDirectory } from '../pool/snapshots-directory.js';
import { readSnapshotFiles } from './read-snapshot-files.js';
import { isSetAside, restoreSetAside } from './remove-packs.js';
import { addressesOf } from './version-summary.js';

/** Below this much garbage a pool is left alone but for packs that hold nothing else. */
export const DEFAULT_MAX_UNUSED_PERCENT = 10;
/** A pack with less garbage than this costs more to send again than it frees. */
export const DEFAULT_MIN_GARBAGE_PERCENT = 30;

export interface GcOptions {
  /** Rewrite packs only while more than this part of the pool's pack bytes is garbage; 10 by default. */
  maxUnusedPercent?: number;
  /** Rewrite only packs of which at least this part is garbage; 30 by default. */
  minGarbagePercent?: number;
  /** Code every pack anew, at this zstd level, and rewrite those that get smaller. */
  repack?: { level: number };
}

export interface PackUse {
  name: string;
  sizeBytes: number;
  /** Stored bytes that snapshots need. */
  liveBytes: number;
  garbageBytes: number;
}

/** What a gc will do. Made by `planGc`, used once by `executeGc`. */
export interface GcPlan {
  liveBytes: number;
  garbageBytes: number;
  packs: {
    /** Hold nothing that is needed. */
    remove: PackUse[];
    /** What is needed of them moves to new packs; with `repackLevel` only where that makes them smaller. */
    rewrite: PackUse[];
    keepCount: number;
    /** Cannot be read, and therefore stay. */
    damaged: { name: string; message: string }[];
  };
  /** The zstd level at which everything is coded anew; null when packs are only rid of garbage. */
  repackLevel: number | null;
  /** Left by processes that were killed. */
  temporaryFiles: { count: number; bytes: number };
  /** Estimate of what the pool will be smaller by, temporary files included. */
  freedBytes: number;
  /** Estimate of the bytes of new packs: what the next sync sends again; with `repackLevel` the most it can be. */
  rewrittenBytes: number;
}

/** What a plan rests on. */
export interface GcGrounds {
  pool: Pool;
  chunks: ChunkCatalog;
  reach: Reachability;
  use: PoolUse;
  snapshotIds: ReadonlySet<string>;
}

const groundsOf = new WeakMap<GcPlan, GcGrounds>();

/** The grounds of a plan that was not executed yet; it is used up by this. */
export function takeGrounds(plan: GcPlan): GcGrounds | null {
  const grounds = groundsOf.get(plan) ?? null;
  groundsOf.delete(plan);
  return grounds;
}

/**
 * Finds what no snapshot needs and which packs are worth rewriting: those with at least `minGarbagePercent` of
 * garbage, those first that free most for each byte written, until no more than `maxUnusedPercent` of what is
 * left is garbage. Packs that hold garbage only always go. Of a chunk stored twice one copy is garbage. What delta
 * blocks lean on that hold something needed is needed as well.
 * Only a plan made with the pool open exclusively can be executed.
 * @throws DbupError USAGE, POOL_DAMAGED or POOL_INCOMPLETE when some snapshot's needs cannot be known
 */
export async function planGc(pool: Pool, options: GcOptions, context: OperationContext): Promise<GcPlan> {
  const maxUnused = percent(options.maxUnusedPercent, DEFAULT_MAX_UNUSED_PERCENT, 'maxUnusedPercent');
  const minGarbage = percent(options.minGarbagePercent, DEFAULT_MIN_GARBAGE_PERCENT, 'minGarbagePercent');
  if (pool.access === 'exclusive') await restoreSetAside(pool);
  const { records, unusable } = await readSnapshotFiles(pool, context);
  if (unusable.length > 0) throw unknownNeeds(unusable[0]!.error, unusable[0]!.name);
  const chunks = await openChunkCatalog(pool.catalog);
  await assertSnapshotsDirectory(pool);
  const reach = await reachAll(pool, records, chunks, context);
  const use = new PoolUse(chunks, (entry) => reach.has(entry));
  const uses = chunks.packs.map(({ name, sizeBytes }, packIndex): PackUse => {
    const liveBytes = use.packBytes(packIndex);
    return { name, sizeBytes, liveBytes, garbageBytes: sizeBytes - liveBytes };
  });
  const remove = uses.filter(({ liveBytes }) => liveBytes === 0);
  const needed = uses.filter(({ liveBytes }) => liveBytes > 0);
  const rewrite = options.repack ? needed : chooseRewrites(needed, minGarbage, maxUnused);
  const temporaryFiles = await measureTemporaryFiles(pool);
  const garbageOf = (packs: readonly PackUse[]): number => sum(packs, ({ garbageBytes }) => garbageBytes);
  const plan: GcPlan = {
    liveBytes: sum(uses, ({ liveBytes }) => liveBytes),
    garbageBytes: garbageOf(uses),
    packs: {
      remove,
      rewrite,
      keepCount: uses.length - remove.length - rewrite.length,
      damaged: chunks.unusablePacks.map(({ name, error }) => ({ name, message: error.message })),
    },
    repackLevel: options.repack?.level ?? null,
    temporaryFiles,
    freedBytes: garbageOf(remove) + garbageOf(rewrite) + temporaryFiles.bytes,
    rewrittenBytes: sum(rewrite, ({ liveBytes }) => liveBytes),
  };
  const snapshotIds = new Set(records.map(({ id }) => id));
  if (pool.access === 'exclusive') groundsOf.set(plan, { pool, chunks, reach, use, snapshotIds });
  return plan;
}

/** A pool is made with the directory: without it, that no snapshot needs the packs is not known. */
async function assertSnapshotsDirectory(pool: Pool): Promise<void> {
  if (!(await lacksSnapshotsDirectory(pool))) return;
  throw new DbupError(
    'POOL_INCOMPLETE',
    'the pool has packs but no snapshots/, so nothing can be called garbage',
    {
      hint: 'Sync the pool again from where it is whole, or put snapshots/ back. If it really has no versions, make the directory and run `dbup gc` again.',
      details: { missing: pool.layout.snapshotsDirectory },
    },
  );
}

function chooseRewrites(
  uses: readonly PackUse[],
  minGarbagePercent: number,
  maxUnusedPercent: number,
): PackUse[] {
  const share = ({ garbageBytes, sizeBytes }: PackUse): number => garbageBytes / sizeBytes;
  let garbageBytes = sum(uses, (pack) => pack.garbageBytes);
  let totalBytes = sum(uses, (pack) => pack.sizeBytes);
  const candidates = uses
    .filter((pack) => pack.garbageBytes > 0 && share(pack) * 100 >= minGarbagePercent)
    // Freed for each byte rewritten grows with the share of garbage.
    .sort((a, b) => share(b) - share(a) || (a.name < b.name ? -1 : 1));
  const chosen: PackUse[] = [];
  for (const pack of candidates) {
    if (garbageBytes * 100 <= totalBytes * maxUnusedPercent) break;
    chosen.push(pack);
    garbageBytes -= pack.garbageBytes;
    totalBytes -= pack.garbageBytes;
  }
  return chosen.sort((a, b) => (a.name < b.name ? -1 : 1));
}

async function reachAll(
  pool: Pool,
  records: readonly SnapshotRecord[],
  chunks: ChunkCatalog,
  context: OperationContext,
): Promise<Reachability> {
  const cache = new BlockCache(pool.layout, chunks, pool.workers);
  const reach = new Reachability(cache, chunks, context.signal, { everyCopy: true });
  const task = 'finding what is needed';
  context.report({ type: 'start', task, subject: `${records.length} snapshots` });
  const incomplete: string[] = [];
  const addresses = addressesOf(records);
  for (const record of records) {
    throwIfInterrupted(context.signal);
    const before = reach.missingNodes;
    try {
      await reach.addSnapshot(record.snapshot);
    } catch (error) {
      if (error instanceof DbupError && error.code === 'POOL_DAMAGED') throw unknownNeeds(error);
      throw error;
    }
    if (reach.missingNodes > before) incomplete.push(addresses.get(record.id)!);
  }
  context.report({ type: 'end', task });
  if (incomplete.length === 0) return reach;
  const damaged = chunks.unusablePacks[0];
  if (damaged) throw unknownNeeds(damaged.error);
  throw new DbupError(
    'POOL_INCOMPLETE',
    `the pool lacks lists of what ${incomplete.slice(0, 5).join(', ')} ${incomplete.length > 1 ? 'need' : 'needs'}, so nothing can be called garbage`,
    {
      hint: 'Sync the pool again from where it is whole, or forget those versions with `dbup rm`.',
      details: { images: incomplete },
    },
  );
}

/** Files right below tmp/ that nobody wants any more; directories there are none of dbup's. */
export async function listTemporaryFiles(pool: Pool): Promise<{ path: string; sizeBytes: number }[]> {
  const { fs, layout } = pool;
  // Behind a symbolic link lie files of somebody else.
  if (!(await fs.info(layout.temporaryDirectory))?.isDirectory) return [];
  const files: { path: string; sizeBytes: number }[] = [];
  for (const name of await fs.list(layout.temporaryDirectory)) {
    if (isSetAside(name)) continue;
    const path = join(layout.temporaryDirectory, name);
    const info = await fs.info(path);
    if (info && !info.isDirectory) files.push({ path, sizeBytes: info.sizeBytes });
  }
  return files;
}

async function measureTemporaryFiles(pool: Pool): Promise<{ count: number; bytes: number }> {
  const files = await listTemporaryFiles(pool);
  return { count: files.length, bytes: sum(files, ({ sizeBytes }) => sizeBytes) };
}

/** @param snapshotId of the snapshot file that is damaged, if it is one */
function unknownNeeds(error: DbupError, snapshotId?: string): DbupError {
  if (error.code !== 'POOL_DAMAGED' && error.code !== 'POOL_INCOMPLETE') return error;
  return new DbupError('POOL_DAMAGED', `nothing can be called garbage while ${error.message}`, {
    hint:
      snapshotId === undefined
        ? 'Run `dbup verify` to see what is hit, then `dbup repair --from OTHER_POOL`, or forget the versions hit with `dbup rm`.'
        : `Run \`dbup repair --from OTHER_POOL\`; or give that version up with \`dbup rm ${snapshotId}\`.`,
    details: error.details,
    cause: error,
  });
}

function percent(value: number | undefined, otherwise: number, name: string): number {
  if (value === undefined) return otherwise;
  if (value >= 0 && value <= 100) return value;
  throw new DbupError('USAGE', `${name} wants a number from 0 to 100, not ${value}`);
}

function sum<T>(items: readonly T[], bytesOf: (item: T) => number): number {
  return items.reduce((total, item) => total + bytesOf(item), 0);
}

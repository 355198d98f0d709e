import { listNames, type SnapshotRecord } from '../catalog/catalog.js';
import type { OperationContext } from '../core/context.js';
import { DbupError, isSystemError } from '../core/errors.js';
import { BlockCache } from '../pool/block-cache.js';
import { openChunkCatalog } from '../pool/chunk-catalog.js';
import type { Pool } from '../pool/pool.js';
import { Reachability } from '../pool/reachability.js';

/** A snapshot that an operation names as the pool's. */
export interface AppendedSnapshot {
  record: SnapshotRecord;
  /** False when it was there before; it then stays, whatever is found. */
  isNew: boolean;
}

/** Names of the packs that are there: taken before anything is built on them, for {@link confirmAppended}. */
export async function packNames({ fs, layout }: Pool): Promise<string[]> {
  return listNames(fs, layout.packsDirectory);
}

/**
 * The other half of a deleter's last look (`removePacks`): whoever writes a snapshot looks for the packs after it is there, and
 * whoever takes packs away looks for snapshots after they are gone, so that one of the two sees the other, also where no lock is
 * between them: another host whose locks do not reach this one, `rsync --delete` into the pool.
 * @param packs that were there before, or were written since
 * @throws DbupError INPUT_CHANGED when packs are gone that the snapshots need; those that are new are removed then
 */
export async function confirmAppended(
  pool: Pool,
  packs: readonly string[],
  appended: readonly AppendedSnapshot[],
  context: OperationContext,
): Promise<void> {
  const { fs, layout } = pool;
  const present = new Set(await packNames(pool));
  if (packs.every((name) => present.has(name))) return;
  const there = new Set(await listNames(fs, layout.snapshotsDirectory));
  const chunks = await openChunkCatalog(pool.catalog);
  const reach = new Reachability(new BlockCache(layout, chunks, pool.workers), chunks, context.signal);
  for (const { record } of appended) if (there.has(record.id)) await reach.addSnapshot(record.snapshot);
  if (reach.missing.count === 0) return;
  for (const { record, isNew } of appended) {
    if (!isNew) continue;
    try {
      await fs.unlink(layout.snapshotPath(record.id));
    } catch (error) {
      if (!isSystemError(error, 'ENOENT')) throw error;
    }
  }
  await fs.syncDirectory(layout.snapshotsDirectory);
  throw new DbupError(
    'INPUT_CHANGED',
    `packs that ${appended.map(({ record }) => record.snapshot.reference).join(', ')} needs were removed from the pool in the meantime`,
    {
      hint: 'A gc on another host, or `rsync --delete` into this pool: nothing was added. Run the same command again when that has ended.',
      details: { missingChunks: reach.missing.count },
    },
  );
}

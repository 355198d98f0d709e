import { listNames, readSnapshotFile, type SnapshotRecord, type UnusableFile } from '../catalog/catalog.js';
import { type OperationContext, throwIfInterrupted } from '../core/context.js';
import { DbupError } from '../core/errors.js';
import { decodeSnapshot } from '../format/snapshot.js';
import type { Pool } from '../pool/pool.js';
import { shortName } from '../store/pack-file.js';

/**
 * Reads every snapshot from its file, never from the catalog: what is about to be judged or deleted by must be what
 * is there. @throws DbupError INTERRUPTED
 */
export async function readSnapshotFiles(
  pool: Pool,
  context: OperationContext,
): Promise<{ records: SnapshotRecord[]; unusable: UnusableFile[] }> {
  const records: SnapshotRecord[] = [];
  const unusable: UnusableFile[] = [];
  for (const name of (await listNames(pool.fs, pool.layout.snapshotsDirectory)).sort()) {
    throwIfInterrupted(context.signal);
    try {
      const body = await readSnapshotFile(pool.fs, pool.layout, name);
      if (body === null) continue;
      const snapshot = decodeSnapshot(body, `snapshot ${shortName(name)}`);
      records.push({ id: name, sizeBytes: body.length, snapshot });
    } catch (error) {
      if (!(error instanceof DbupError)) throw error;
      unusable.push({ name, error });
    }
  }
  return { records, unusable };
}

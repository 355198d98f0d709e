import type { SnapshotRecord, UnusableFile } from '../catalog/catalog.js';
import { decodeSnapshot } from '../format/snapshot.js';
import { openCopy, readParityFiles } from '../pool/parity-file.js';
import type { Pool } from '../pool/pool.js';
import { shortName } from '../store/pack-file.js';

/** What snapshot files that cannot be read were, as far as parity files hold copies of them: these have the right SHA-256. */
export async function snapshotCopies(
  pool: Pool,
  unusable: readonly UnusableFile[],
): Promise<SnapshotRecord[]> {
  const left = new Set(unusable.filter(({ error }) => error.code === 'POOL_DAMAGED').map(({ name }) => name));
  if (left.size === 0) return [];
  const records: SnapshotRecord[] = [];
  const { files } = await readParityFiles(pool);
  for (const copy of files.flatMap(({ set }) => set.copies)) {
    const bytes = copy.kind === 'snapshot' && left.has(copy.name) ? openCopy(copy) : null;
    if (!bytes) continue;
    left.delete(copy.name);
    const snapshot = decodeSnapshot(bytes, `the copy of snapshot ${shortName(copy.name)}`);
    records.push({ id: copy.name, sizeBytes: bytes.length, snapshot });
  }
  return records;
}

/** All snapshots of a pool, by copies in parity files where the files themselves are damaged. */
export async function readableSnapshots(
  pool: Pool,
): Promise<{ records: SnapshotRecord[]; unusable: UnusableFile[] }> {
  const { records, unusable } = await pool.catalog.snapshots();
  const copies = await snapshotCopies(pool, unusable);
  const copied = new Set(copies.map(({ id }) => id));
  return {
    records: [...records, ...copies],
    unusable: unusable.filter(({ name }) => !copied.has(name)),
  };
}

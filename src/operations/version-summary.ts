import type { SnapshotRecord } from '../catalog/catalog.js';
import { newestFirst } from './versions.js';

/** One saved version, as lists show it. */
export interface VersionSummary {
  reference: string;
  /** What names this version now: `app:1.0` for the current one, `app:1.0~2` for the one two saves before. */
  address: string;
  snapshotId: string;
  /** ISO 8601, UTC. */
  createdAt: string;
  imageId: string;
  /** Bytes of the image as the source handed it over. */
  imageBytes: number;
  /** Bytes its save added to the pool. */
  newBytes: number;
  platforms: string[];
  /** What was read, as `save` was told: `docker-daemon:app:1.0`, `docker-archive:app.tar`. */
  source: string;
  host: string;
  /** The id of the snapshot it repeats, when `rollback` made it. */
  rollbackOf?: string;
}

/** Summarises a version that has `back` newer ones of its reference. */
export function summariseVersion({ id, snapshot }: SnapshotRecord, back: number): VersionSummary {
  const { reference, createdAt, imageId, images, source, host, stats, rollbackOf } = snapshot;
  return {
    reference,
    address: back === 0 ? reference : `${reference}~${back}`,
    snapshotId: id,
    createdAt,
    imageId,
    imageBytes: stats.imageBytes,
    newBytes: stats.newBytes,
    platforms: images.map(({ platform }) => platform),
    source,
    host,
    ...(rollbackOf !== undefined && { rollbackOf }),
  };
}

/** The summary of `record` among all snapshots of the pool. */
export function summariseAmong(records: readonly SnapshotRecord[], record: SnapshotRecord): VersionSummary {
  const { reference } = record.snapshot;
  const newer = records.filter(
    (other) =>
      other.id !== record.id && other.snapshot.reference === reference && newestFirst(other, record) < 0,
  );
  return summariseVersion(record, newer.length);
}

/** The address of every snapshot by its id. */
export function addressesOf(records: readonly SnapshotRecord[]): Map<string, string> {
  const counts = new Map<string, number>();
  const addresses = new Map<string, string>();
  for (const record of [...records].sort(newestFirst)) {
    const back = counts.get(record.snapshot.reference) ?? 0;
    counts.set(record.snapshot.reference, back + 1);
    addresses.set(record.id, summariseVersion(record, back).address);
  }
  return addresses;
}

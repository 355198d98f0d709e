import { hostname } from 'node:os';
import type { SnapshotRecord } from '../catalog/catalog.js';
import type { OperationContext } from '../core/context.js';
import { encodeSnapshot, type Snapshot } from '../format/snapshot.js';
import type { Pool } from '../pool/pool.js';
import { writeDurably } from '../store/durable-file.js';
import { isBeyondClocks } from './versions.js';

/**
 * Adds a snapshot to the pool: durable when the promise resolves. Its content must be durable already.
 * It is given this host and a time that is never earlier than that of `current`, the version it follows,
 * whatever the clock says: the order of versions is the order of saves. Only a time beyond clocks is not followed.
 */
export async function appendSnapshot(
  pool: Pool,
  contents: Omit<Snapshot, 'createdAt' | 'host'>,
  current: SnapshotRecord | undefined,
  context: OperationContext,
): Promise<SnapshotRecord> {
  const { features, reference, ...rest } = contents;
  const follows = current !== undefined && !isBeyondClocks(current.snapshot.createdAt, context.now());
  const after = follows ? Date.parse(current.snapshot.createdAt) + 1 : 0;
  const createdAt = new Date(Math.max(context.now(), after)).toISOString();
  const snapshot: Snapshot = {
    ...(features && { features }),
    reference,
    ...rest,
    createdAt,
    host: hostname(),
  };
  const bytes = encodeSnapshot(snapshot);
  const { fs, layout } = pool;
  const id = await writeDurably(fs, layout.temporaryDirectory, layout.snapshotsDirectory, bytes);
  return { id, sizeBytes: bytes.length, snapshot };
}

type Identity = Pick<Snapshot, 'imageId' | 'root' | 'companions' | 'absent' | 'archive'>;

/** True when two snapshots give back the same image, as much of it and about it, and the same archive. */
export function isSameImage(a: Identity, b: Identity): boolean {
  return (
    a.imageId === b.imageId &&
    a.root?.digest === b.root?.digest &&
    a.archive?.recipeId === b.archive?.recipeId &&
    sameWords(a.absent, b.absent) &&
    sameWords(companionsOf(a), companionsOf(b))
  );
}

function companionsOf({ companions = [] }: Identity): string[] {
  return companions.map(({ digest, entryJson }) => `${digest} ${entryJson}`);
}

function sameWords(a: readonly string[], b: readonly string[]): boolean {
  return JSON.stringify([...a].sort()) === JSON.stringify([...b].sort());
}

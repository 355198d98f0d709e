import type { SnapshotRecord } from '../catalog/catalog.js';
import type { OperationContext } from '../core/context.js';
import { DbupError } from '../core/errors.js';
import { BlockCache } from '../pool/block-cache.js';
import { openChunkCatalog } from '../pool/chunk-catalog.js';
import { makeNamesDurable } from '../pool/make-names-durable.js';
import type { Pool } from '../pool/pool.js';
import { Reachability } from '../pool/reachability.js';
import { appendSnapshot } from './append-snapshot.js';
import { confirmAppended, packNames } from './confirm-appended.js';
import { refuseDoubtfulVersion } from './version-doubts.js';
import { summariseAmong, type VersionSummary } from './version-summary.js';
import { resolveVersion, versionsByReference } from './versions.js';

export interface RollbackResult {
  /** The version that is current from now on. */
  version: VersionSummary;
  /** The id of the snapshot it repeats. */
  rolledBackTo: string;
}

const HEX_PREFIX = /^[0-9a-f]{4,64}$/;

/**
 * Makes an earlier version current again by appending a snapshot that repeats it. `to` is `~N`, a snapshot id
 * or its first digits with or without `@`, an image id (`sha256:…`), or the whole address of a version of the same
 * reference; the version before the current one when it is undefined. The pool must be open for appending.
 * @throws DbupError SNAPSHOT_NOT_FOUND, SNAPSHOT_AMBIGUOUS, USAGE when it is current already or of another
 * reference, POOL_INCOMPLETE or POOL_DAMAGED when it could not be loaded
 */
export async function rollback(
  pool: Pool,
  reference: string,
  to: string | undefined,
  context: OperationContext,
): Promise<RollbackResult> {
  const packs = await packNames(pool);
  const { records, unusable } = await pool.catalog.snapshots();
  await refuseDoubtfulVersion(pool, records, unusable, reference);
  const named = resolveVersion(records, reference).snapshot.reference;
  const versions = versionsByReference(records).get(named)!;
  const target = resolveTarget(records, versions, named, to ?? '~1');
  if (target.snapshot.reference !== named) {
    throw new DbupError('USAGE', `${to} is a version of ${target.snapshot.reference}, not of ${named}`, {
      hint: `\`dbup tag ${to} ${named}\` makes it the current version of ${named}.`,
    });
  }
  const current = versions[0]!;
  if (target.id === current.id) {
    throw new DbupError('USAGE', `${to} is the current version of ${named} already`, {
      hint: `\`dbup log ${named}\` lists the earlier ones.`,
    });
  }
  await assertComplete(pool, target, context);
  await makeNamesDurable(pool);
  const stats = { ...target.snapshot.stats, newBytes: 0, newPlainBytes: 0 };
  const contents = { ...target.snapshot, stats, rollbackOf: target.id };
  const record = await appendSnapshot(pool, contents, current, context);
  await confirmAppended(pool, packs, [{ record, isNew: true }], context);
  return { version: summariseAmong([...records, record], record), rolledBackTo: target.id };
}

function resolveTarget(
  records: readonly SnapshotRecord[],
  versions: readonly SnapshotRecord[],
  reference: string,
  to: string,
): SnapshotRecord {
  if (/^~\d+$/.test(to) || to.startsWith('@')) return resolveVersion(records, `${reference}${to}`);
  if (to.startsWith('sha256:')) return resolveVersion(records, `${reference}@${to}`);
  const hex = to.toLowerCase();
  if (HEX_PREFIX.test(hex)) {
    if (versions.some(({ id }) => id.startsWith(hex))) return resolveVersion(records, `${reference}@${hex}`);
    if (hex.length === 64) return resolveVersion(records, `${reference}@sha256:${hex}`);
  }
  return resolveVersion(records, to);
}

async function assertComplete(
  pool: Pool,
  { snapshot }: SnapshotRecord,
  context: OperationContext,
): Promise<void> {
  const chunks = await openChunkCatalog(pool.catalog);
  const cache = new BlockCache(pool.layout, chunks, pool.workers);
  const reach = new Reachability(cache, chunks, context.signal);
  await reach.addSnapshot(snapshot);
  const missing = reach.missing.count;
  if (missing === 0) return;
  throw new DbupError(
    'POOL_INCOMPLETE',
    `that version of ${snapshot.reference} cannot be loaded: the pool lacks ${missing} of its chunks`,
    {
      hint: 'Sync the pool again from where it is whole, then roll back.',
      details: { missingChunks: missing },
    },
  );
}

import type { OperationContext } from '../core/context.js';
import { parseReference } from '../oci/reference.js';
import { makeNamesDurable } from '../pool/make-names-durable.js';
import type { Pool } from '../pool/pool.js';
import { appendSnapshot, isSameImage } from './append-snapshot.js';
import { confirmAppended, packNames } from './confirm-appended.js';
import { refuseDoubtfulVersion } from './version-doubts.js';
import { summariseAmong, type VersionSummary } from './version-summary.js';
import { resolveVersion, versionsByReference } from './versions.js';

export interface TaggedVersion extends VersionSummary {
  /** True when the reference stood for that image already and nothing was added. */
  alreadyTagged: boolean;
}

/**
 * Gives a version another reference: appends a snapshot of the same image under it. The pool must be open for
 * appending. @throws DbupError SNAPSHOT_NOT_FOUND, SNAPSHOT_AMBIGUOUS, REFERENCE_INVALID
 */
export async function tagVersion(
  pool: Pool,
  address: string,
  newReference: string,
  context: OperationContext,
): Promise<TaggedVersion> {
  const reference = parseReference(newReference).text;
  const packs = await packNames(pool);
  const { records, unusable } = await pool.catalog.snapshots();
  await refuseDoubtfulVersion(pool, records, unusable, address);
  const { snapshot } = resolveVersion(records, address);
  const current = versionsByReference(records).get(reference)?.[0];
  await makeNamesDurable(pool);
  const same = current !== undefined && isSameImage(current.snapshot, snapshot);
  if (same) return { ...summariseAmong(records, current), alreadyTagged: true };
  const { rollbackOf: _, ...rest } = snapshot;
  const stats = { ...snapshot.stats, newBytes: 0, newPlainBytes: 0 };
  const record = await appendSnapshot(pool, { ...rest, reference, stats }, current, context);
  await confirmAppended(pool, packs, [{ record, isNew: true }], context);
  return { ...summariseAmong([...records, record], record), alreadyTagged: false };
}

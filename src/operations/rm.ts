import type { SnapshotRecord, UnusableFile } from '../catalog/catalog.js';
import { type OperationContext, throwIfInterrupted } from '../core/context.js';
import { DbupError, isSystemError, toDbupError } from '../core/errors.js';
import { looksLikeImageId, parseVersionAddress } from '../oci/reference.js';
import type { Pool } from '../pool/pool.js';
import { applyKeepRules, type KeepRules, matchesReference, validateKeepRules } from './retention.js';
import { refuseDoubtfulVersion } from './version-doubts.js';
import { summariseVersion, type VersionSummary } from './version-summary.js';
import { resolveVersion, versionsByReference } from './versions.js';

export interface RemovalRequest {
  /**
   * A bare reference is all its versions; `app:1.0~2`, `app:1.0@<id>`, `name@sha256:<digest>` and the whole id
   * of a snapshot are one version each. By its id a version goes whose snapshot file cannot be read, too.
   * With `keep`, bare references the rules are applied to (and no others).
   */
  addresses: string[];
  /** Retention rules, applied to each reference by itself. */
  keep?: KeepRules;
}

export interface RemovalPlan {
  /** Versions of the references concerned that stay; the reasons are those of the rules. */
  keep: { version: VersionSummary; reasons: string[] }[];
  remove: VersionSummary[];
  /** Versions to be removed whose snapshot files are damaged; what they were of is not known for sure. */
  unreadable: { snapshotId: string; message: string }[];
}

/**
 * Says what a removal would remove. @throws DbupError SNAPSHOT_NOT_FOUND, SNAPSHOT_AMBIGUOUS, REFERENCE_INVALID,
 * USAGE when nothing is named, or rules would keep nothing; POOL_FORMAT_UNSUPPORTED when a version is named that
 * only a newer dbup reads
 */
export async function planRemoval(
  pool: Pool,
  request: RemovalRequest,
  _context: OperationContext,
): Promise<RemovalPlan> {
  const { addresses, keep } = request;
  if (keep) validateKeepRules(keep);
  else if (addresses.length === 0) {
    throw new DbupError('USAGE', 'nothing is named to remove', {
      hint: 'Name a reference or a version, or give --keep-… rules.',
    });
  }
  const { records, unusable } = await pool.catalog.snapshots();
  // A count of versions must not be off by one that cannot be read.
  for (const address of addresses.filter((text) => text.includes('~'))) {
    await refuseDoubtfulVersion(pool, records, unusable, address);
  }
  return keep ? planByRules(records, addresses, keep) : planByName(records, unusable, addresses);
}

/**
 * Forgets the versions of a plan. Their content stays until `gc`. The pool must be open for appending. When it
 * throws, some may be gone; a version that is gone already is no error.
 * @returns how many this call removed
 */
export async function executeRemoval(
  pool: Pool,
  plan: RemovalPlan,
  context: OperationContext,
): Promise<{ removed: number }> {
  const { fs, layout } = pool;
  let removed = 0;
  try {
    // The oldest first: an interrupted removal must not make an older version current.
    for (const { snapshotId } of [...[...plan.remove].reverse(), ...plan.unreadable]) {
      throwIfInterrupted(context.signal);
      try {
        await fs.unlink(layout.snapshotPath(snapshotId));
        removed++;
      } catch (error) {
        if (!isSystemError(error, 'ENOENT')) throw error;
      }
    }
    // Also where nothing was left to remove: a removal before may not have come to it.
    await fs.syncDirectory(layout.snapshotsDirectory);
  } catch (error) {
    throw toDbupError(error, `removing snapshots of the pool ${layout.directory}`);
  }
  return { removed };
}

function planByRules(
  records: readonly SnapshotRecord[],
  addresses: readonly string[],
  rules: KeepRules,
): RemovalPlan {
  const wanted = addresses.map((address) => bareReference(records, address));
  const plan: RemovalPlan = { keep: [], remove: [], unreadable: [] };
  for (const [reference, versions] of versionsByReference(records)) {
    if (wanted.length > 0 && !wanted.includes(reference)) continue;
    if (!matchesReference(reference, rules.references)) continue;
    const reasons = applyKeepRules(
      versions.map(({ snapshot }) => snapshot.createdAt),
      rules,
    );
    versions.forEach((record, back) => {
      const version = summariseVersion(record, back);
      if (reasons[back]!.length > 0) plan.keep.push({ version, reasons: reasons[back]! });
      else plan.remove.push(version);
    });
  }
  return plan;
}

function bareReference(records: readonly SnapshotRecord[], address: string): string {
  if (/[~@]/.test(address)) {
    throw new DbupError('USAGE', `${address} is one version, which rules cannot be applied to`, {
      hint: 'With --keep-… rules name references, such as app:1.0; or name the version without rules.',
    });
  }
  return resolveVersion(records, address).snapshot.reference;
}

function planByName(
  records: readonly SnapshotRecord[],
  unusable: readonly UnusableFile[],
  addresses: readonly string[],
): RemovalPlan {
  const unreadable = new Map<string, string>();
  const chosen = new Set<string>();
  const concerned = new Set<string>();
  const versions = versionsByReference(records);
  for (const address of addresses) {
    const damaged = namedUnusable(records, unusable, address);
    if (damaged) {
      if (damaged.error.code !== 'POOL_DAMAGED') throw damaged.error;
      unreadable.set(damaged.name, damaged.error.message);
      continue;
    }
    const byId = records.find(({ id }) => id === address);
    const record = byId ?? resolveVersion(records, address);
    const { reference } = record.snapshot;
    concerned.add(reference);
    if (byId || !namesReference(address, versions)) chosen.add(record.id);
    else for (const { id } of versions.get(reference)!) chosen.add(id);
  }
  const plan: RemovalPlan = {
    keep: [],
    remove: [],
    unreadable: [...unreadable].map(([snapshotId, message]) => ({ snapshotId, message })),
  };
  for (const reference of concerned) {
    versions.get(reference)!.forEach((record, back) => {
      const version = summariseVersion(record, back);
      if (chosen.has(record.id)) plan.remove.push(version);
      else plan.keep.push({ version, reasons: [] });
    });
  }
  return plan;
}

/** The file an address names by its id alone: which reference a damaged one is a version of cannot be relied on. */
function namedUnusable(
  records: readonly SnapshotRecord[],
  unusable: readonly UnusableFile[],
  address: string,
): UnusableFile | null {
  const { reference, select } = parseVersionAddress(address);
  if (select.kind !== 'snapshot') return unusable.find(({ name }) => name === address) ?? null;
  const matches = unusable.filter(({ name }) => name.startsWith(select.idPrefix));
  if (matches.length === 0) return null;
  const sound = records.filter(
    ({ id, snapshot }) => snapshot.reference === reference && id.startsWith(select.idPrefix),
  );
  if (matches.length + sound.length === 1) return matches[0]!;
  const ids = [...matches.map(({ name }) => name), ...sound.map(({ id }) => id)].slice(0, 5);
  throw new DbupError('SNAPSHOT_AMBIGUOUS', `${address} names more than one version: ${ids.join(', ')}`, {
    hint: 'Give more digits.',
    details: { matches: ids },
  });
}

/** True for a bare reference: `app:1.0~0` and an image id name one version. */
function namesReference(address: string, versions: ReadonlyMap<string, readonly SnapshotRecord[]>): boolean {
  const { reference, select } = parseVersionAddress(address);
  if (select.kind !== 'current' || address.includes('~')) return false;
  return versions.has(reference!) || !looksLikeImageId(address);
}

import type { SnapshotRecord } from '../catalog/catalog.js';
import { DbupError } from '../core/errors.js';
import { looksLikeImageId, parseVersionAddress } from '../oci/reference.js';

/** The versions of every reference, the newest first. */
export function versionsByReference(records: readonly SnapshotRecord[]): Map<string, SnapshotRecord[]> {
  const versions = new Map<string, SnapshotRecord[]>();
  for (const record of [...records].sort(newestFirst)) {
    const list = versions.get(record.snapshot.reference);
    if (list) list.push(record);
    else versions.set(record.snapshot.reference, [record]);
  }
  return versions;
}

/** Farther than any clock is ever set back: one that begins in 1970 knows the snapshots of today. */
const BEYOND_CLOCKS_MS = 100 * 366 * 24 * 3600 * 1000;

/** True for a time that no clock has shown: nothing could ever come after the end of the year 9999. */
export function isBeyondClocks(createdAt: string, nowMs: number = Date.now()): boolean {
  return Date.parse(createdAt) > nowMs + BEYOND_CLOCKS_MS;
}

/**
 * Newest first; snapshots of one moment (made at two sites) in the order of their ids, the same everywhere. Those of times
 * beyond clocks count as the oldest: they would bar their reference, as no save could become the current version.
 */
export function newestFirst(a: SnapshotRecord, b: SnapshotRecord): number {
  const [left, right] = [a.snapshot.createdAt, b.snapshot.createdAt];
  if (left === right) return a.id < b.id ? 1 : -1;
  const isRightNewer = left < right;
  const isExchanged =
    isBeyondClocks(isRightNewer ? right : left) && !isBeyondClocks(isRightNewer ? left : right);
  return isRightNewer !== isExchanged ? 1 : -1;
}

/**
 * The one snapshot an address names: `app:1.0`, `app:1.0~1`, `app:1.0@<snapshot id>`, `name@sha256:<digest>`,
 * or the image id as docker prints it.
 * @throws DbupError SNAPSHOT_NOT_FOUND, SNAPSHOT_AMBIGUOUS, REFERENCE_INVALID
 */
export function resolveVersion(records: readonly SnapshotRecord[], address: string): SnapshotRecord {
  const { reference, repository, select } = parseVersionAddress(address);
  if (select.kind === 'digest') {
    const among = records.filter(
      ({ snapshot }) =>
        (reference === null || snapshot.reference === reference) &&
        (repository === null || repositoryOf(snapshot.reference) === repository),
    );
    return byDigest(among, select.digestPrefix, address, records);
  }
  const versions = versionsByReference(records).get(reference!) ?? [];
  if (versions.length === 0) {
    if (select.kind === 'current' && looksLikeImageId(address))
      return byDigest(records, address.toLowerCase(), address, records);
    throw notFound(address, records);
  }
  if (select.kind === 'current') return versions[0]!;
  if (select.kind === 'back') {
    const version = versions[select.count];
    if (version) return version;
    throw new DbupError(
      'SNAPSHOT_NOT_FOUND',
      `${reference} has ${versions.length} version(s), so there is no ~${select.count}`,
      {
        hint: `\`dbup log ${reference}\` lists them.`,
      },
    );
  }
  const matches = versions.filter(({ id }) => id.startsWith(select.idPrefix));
  if (matches.length === 1) return matches[0]!;
  if (matches.length === 0) {
    throw new DbupError('SNAPSHOT_NOT_FOUND', `${reference} has no version ${select.idPrefix}`, {
      hint: `\`dbup log ${reference}\` lists them.`,
    });
  }
  throw ambiguous(address, matches);
}

/** `app` of `app:1.0`. */
export function repositoryOf(reference: string): string {
  return reference.slice(0, reference.lastIndexOf(':'));
}

/** Of several versions with the same image the newest is meant; of several images none. */
function byDigest(
  among: readonly SnapshotRecord[],
  prefix: string,
  address: string,
  all: readonly SnapshotRecord[],
): SnapshotRecord {
  const matches = among.filter((record) =>
    digestsOf(record).some((digest) => digest.startsWith(`sha256:${prefix}`)),
  );
  if (matches.length === 0) throw notFound(address, all);
  if (new Set(matches.map(({ snapshot }) => snapshot.imageId)).size > 1) throw ambiguous(address, matches);
  return [...matches].sort(newestFirst)[0]!;
}

function digestsOf({ snapshot }: SnapshotRecord): string[] {
  const digests = [snapshot.imageId];
  if (snapshot.root) digests.push(snapshot.root.digest);
  for (const image of snapshot.images) {
    digests.push(image.configDigest);
    if (image.manifestDigest !== undefined) digests.push(image.manifestDigest);
  }
  return digests;
}

function ambiguous(address: string, matches: readonly SnapshotRecord[]): DbupError {
  const list = matches.slice(0, 5).map(({ id, snapshot }) => `${snapshot.reference}@${id.slice(0, 12)}`);
  return new DbupError('SNAPSHOT_AMBIGUOUS', `${address} names more than one version: ${list.join(', ')}`, {
    hint: 'Give more digits.',
    details: { matches: list },
  });
}

function notFound(address: string, records: readonly SnapshotRecord[]): DbupError {
  const known = [...versionsByReference(records).keys()];
  const wanted = address.split(/[~@]/)[0]!;
  const near = known.filter((reference) => repositoryOf(reference) === wanted.split(':')[0]).slice(0, 5);
  const hint =
    near.length > 0
      ? `The pool has ${near.join(', ')}.`
      : known.length === 0
        ? 'The pool is empty; `dbup save IMAGE` fills it.'
        : '`dbup ls` lists what the pool has.';
  return new DbupError('SNAPSHOT_NOT_FOUND', `the pool has no ${address}`, { hint, details: { address } });
}

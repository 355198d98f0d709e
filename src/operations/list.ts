import type { OperationContext } from '../core/context.js';
import type { Pool } from '../pool/pool.js';
import { summariseVersion, type VersionSummary } from './version-summary.js';
import { resolveVersion, versionsByReference } from './versions.js';

/** One reference and the version it stands for now. */
export interface ImageSummary {
  reference: string;
  versionCount: number;
  current: VersionSummary;
}

export interface ImageList {
  /** In the order of their references. */
  images: ImageSummary[];
  /** Snapshot files that cannot be read. */
  unusable: { name: string; message: string }[];
}

/** Lists the images of a pool. Reads snapshots only, no pack. */
export async function listImages(pool: Pool, _context: OperationContext): Promise<ImageList> {
  const { records, unusable } = await pool.catalog.snapshots();
  const images: ImageSummary[] = [];
  for (const [reference, versions] of versionsByReference(records)) {
    images.push({
      reference,
      versionCount: versions.length,
      current: summariseVersion(versions[0]!, 0),
    });
  }
  images.sort((a, b) => (a.reference < b.reference ? -1 : 1));
  return { images, unusable: unusable.map(({ name, error }) => ({ name, message: error.message })) };
}

/**
 * Lists the versions of one reference, the newest first. Any address of one of them will do. Warns of snapshots that
 * cannot be read.
 * @throws DbupError SNAPSHOT_NOT_FOUND, SNAPSHOT_AMBIGUOUS, REFERENCE_INVALID
 */
export async function listVersions(
  pool: Pool,
  reference: string,
  context: OperationContext,
): Promise<VersionSummary[]> {
  const { records, unusable } = await pool.catalog.snapshots();
  for (const { error } of unusable) {
    const message = `${error.message}; it may be a version of ${reference} that is not listed`;
    context.report({ type: 'warning', message, ...(error.hint !== undefined && { hint: error.hint }) });
  }
  const named = resolveVersion(records, reference).snapshot.reference;
  return versionsByReference(records).get(named)!.map(summariseVersion);
}

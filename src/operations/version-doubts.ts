import type { SnapshotRecord, UnusableFile } from '../catalog/catalog.js';
import { DbupError, isSystemError } from '../core/errors.js';
import { parseVersionAddress } from '../oci/reference.js';
import type { Pool } from '../pool/pool.js';
import { readFully } from '../store/file-system.js';

/** A snapshot begins with its reference; more of a damaged file is not looked at. */
const HEAD_BYTES = 8192;

/**
 * Refuses an address that counts versions (`app:1.0`, `app:1.0~1`) while a snapshot file that cannot be read may
 * be one of them: the count would be off, and an older version be taken for the current one. It is surely of
 * another image only if it says so and that reference is known. Addresses by id or digest are in no doubt.
 * @throws DbupError the error of the file, with a hint that names the way out
 */
export async function refuseDoubtfulVersion(
  pool: Pool,
  records: readonly SnapshotRecord[],
  unusable: readonly UnusableFile[],
  address: string,
): Promise<void> {
  if (unusable.length === 0) return;
  const { reference, select } = parseVersionAddress(address);
  if (select.kind === 'snapshot') {
    const meant = unusable.find(({ name }) => name.startsWith(select.idPrefix));
    if (meant) throw meant.error;
  }
  if (select.kind !== 'current' && select.kind !== 'back') return;
  const known = new Set(records.map(({ snapshot }) => snapshot.reference));
  for (const { name, error } of unusable) {
    const told = await toldReference(pool, name);
    if (told !== null && told !== reference && known.has(told)) continue;
    const isNewer = error.code === 'POOL_FORMAT_UNSUPPORTED';
    throw new DbupError(error.code, `${error.message}; it may be a version of ${reference}`, {
      hint: `${isNewer ? `${error.hint}` : `Sync the pool again or run \`dbup repair --from OTHER_POOL\`; \`dbup rm ${name}\` gives the damaged version up.`} \`dbup log\` shows the ids of the ${isNewer ? 'other' : 'sound'} versions: REFERENCE@ID names one of them without doubt.`,
      details: { ...error.details, snapshot: name },
      cause: error,
    });
  }
}

async function toldReference(pool: Pool, name: string): Promise<string | null> {
  try {
    const file = await pool.fs.openRead(pool.layout.snapshotPath(name));
    try {
      const head = Buffer.alloc(HEAD_BYTES);
      const length = await readFully(file, head, 0);
      return /"reference": "([^"\\]*)"/.exec(head.toString('utf8', 0, length))?.[1] ?? null;
    } finally {
      await file.close();
    }
  } catch (error) {
    if (isSystemError(error)) return null;
    throw error;
  }
}

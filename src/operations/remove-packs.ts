import { join } from 'node:path';
import { listNames } from '../catalog/catalog.js';
import { type OperationContext, throwIfInterrupted } from '../core/context.js';
import { DbupError, isSystemError } from '../core/errors.js';
import { isSha256Hex } from '../hash/sha256.js';
import type { Pool } from '../pool/pool.js';
import { makeDirectoryDurably } from '../store/durable-file.js';

/** What it rests on that packs are not needed. */
export interface RemovalGrounds {
  pool: Pool;
  /** Every snapshot that was looked at. */
  snapshotIds: ReadonlySet<string>;
}

/** rsync takes no lock: a snapshot it has just brought may need what the plan calls garbage. */
export async function assertNoNewSnapshots({ pool, snapshotIds }: RemovalGrounds): Promise<void> {
  const names = await listNames(pool.fs, pool.layout.snapshotsDirectory);
  if (names.every((name) => snapshotIds.has(name))) return;
  throw new DbupError('INPUT_CHANGED', 'snapshots have arrived in the pool while gc was running', {
    hint: 'At most packs that nothing needed before were removed: repeat the sync, and run `dbup gc` when it has ended.',
  });
}

/** How the names of packs begin in tmp/ that a gc has set aside. */
const SET_ASIDE = 'aside-';

/** True for the name of a file in tmp/ that is a pack set aside: not for a gc to remove but the one that has set it aside. */
export function isSetAside(name: string): boolean {
  return name.startsWith(SET_ASIDE);
}

/**
 * Removes packs, durably; one that is gone is no error. They are first set aside, and come back if a snapshot has arrived by
 * then: rsync takes no lock, and a host whose locks do not reach this one none that is seen here. Whoever writes a
 * snapshot looks for the packs afterwards (`confirmAppended`), so that one of the two sees the other.
 * @throws DbupError INPUT_CHANGED when snapshots have arrived: the packs are back then
 */
export async function removePacks(
  grounds: RemovalGrounds,
  names: readonly string[],
  context: OperationContext,
): Promise<void> {
  if (names.length === 0) return;
  const { pool } = grounds;
  const { fs, layout } = pool;
  // A copy by rsync has none as a rule.
  if ((await fs.info(layout.temporaryDirectory)) === null)
    await makeDirectoryDurably(fs, layout.temporaryDirectory);
  const aside: string[] = [];
  try {
    for (const name of names) {
      throwIfInterrupted(context.signal);
      if (await setAside(pool, name)) aside.push(name);
    }
    // What comes back must be somewhere at every instant: under its new name first.
    if (aside.length > 0) await fs.syncDirectory(layout.temporaryDirectory);
    await fs.syncDirectory(layout.packsDirectory);
    await assertNoNewSnapshots(grounds);
  } catch (error) {
    for (const name of aside) await bringBack(pool, name);
    await fs.syncDirectory(layout.packsDirectory);
    throw error;
  }
  for (const name of aside) await unlinkIfThere(pool, asidePath(pool, name));
  if (aside.length > 0) await fs.syncDirectory(layout.temporaryDirectory);
}

/** @returns false when there is nothing to be put back: it was gone, or the disk too full for any more than removing it */
async function setAside(pool: Pool, name: string): Promise<boolean> {
  const { fs, layout } = pool;
  try {
    await fs.rename(layout.packPath(name), asidePath(pool, name));
    return true;
  } catch (error) {
    if (isSystemError(error, 'ENOSPC') || isSystemError(error, 'EDQUOT'))
      await unlinkIfThere(pool, layout.packPath(name));
    else if (!isSystemError(error, 'ENOENT')) throw error;
    return false;
  }
}

async function bringBack(pool: Pool, name: string): Promise<void> {
  try {
    await pool.fs.rename(asidePath(pool, name), pool.layout.packPath(name));
  } catch (error) {
    // Another gc, on a host whose locks do not reach this one, has done it already.
    if (!isSystemError(error, 'ENOENT')) throw error;
  }
}

function asidePath({ layout }: Pool, name: string): string {
  return join(layout.temporaryDirectory, SET_ASIDE + name);
}

/** Brings back what a gc has set aside that was ended before it could decide. The pool must be open exclusively. */
export async function restoreSetAside(pool: Pool): Promise<void> {
  const { fs, layout } = pool;
  if (!(await fs.info(layout.temporaryDirectory))?.isDirectory) return;
  for (const file of await fs.list(layout.temporaryDirectory)) {
    const name = isSetAside(file) ? file.slice(SET_ASIDE.length) : '';
    const path = join(layout.temporaryDirectory, file);
    if (!isSha256Hex(name) || !(await fs.info(path))?.isFile) continue;
    // Looked at after the file was seen: what is in both places is there twice, and was not just moved by another gc.
    if ((await fs.info(layout.packPath(name))) === null) await bringBack(pool, name);
    else await unlinkIfThere(pool, path);
  }
}

export async function unlinkIfThere(pool: Pool, path: string): Promise<void> {
  try {
    await pool.fs.unlink(path);
  } catch (error) {
    if (!isSystemError(error, 'ENOENT')) throw error;
  }
}

import { DbupError } from '../core/errors.js';
import type { FileSystem } from '../store/file-system.js';
import type { PoolLayout } from '../store/pool-layout.js';

/**
 * Refuses a pool in which a stranger put something else in place of its directories or its lock: a symbolic link would
 * have dbup read, write and delete elsewhere, a pipe would keep it waiting, and the lock is opened as a database.
 * What stands inside of them is looked at where it is read.
 * @throws DbupError POOL_DAMAGED
 */
export async function refuseOddKinds(fs: FileSystem, layout: PoolLayout): Promise<void> {
  const { packsDirectory, parityDirectory, snapshotsDirectory, temporaryDirectory } = layout;
  for (const path of [packsDirectory, parityDirectory, snapshotsDirectory, temporaryDirectory]) {
    const info = await fs.info(path);
    if (info === null || info.isDirectory) continue;
    throw new DbupError('POOL_DAMAGED', `${path} is not a directory`, {
      hint: 'dbup follows no symbolic link inside of a pool. Put the directory itself there, or link or mount the pool as a whole.',
      details: { path },
    });
  }
  await refuseOddLock(fs, layout.lockPath);
}

/** @throws DbupError POOL_DAMAGED when what is there is not the empty file that locks are taken on */
export async function refuseOddLock(fs: FileSystem, path: string): Promise<void> {
  const info = await fs.info(path);
  if (info === null || (info.isFile && info.sizeBytes === 0)) return;
  throw new DbupError('POOL_DAMAGED', `${path} is not the empty file that a pool is locked by`, {
    hint: 'Remove it while no dbup works on the pool: it is made again.',
    details: { path },
  });
}

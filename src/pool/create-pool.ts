import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { PoolLock } from '../catalog/pool-lock.js';
import { DEFAULT_CHUNKER_PARAMETERS } from '../chunk/chunker-parameters.js';
import { DbupError, isSystemError, toDbupError } from '../core/errors.js';
import { encodeDescriptor, POOL_FORMAT, type PoolDescriptor } from '../format/descriptor.js';
import { makeDirectoryDurably, makePathDurably, writeDurably } from '../store/durable-file.js';
import { type FileSystem, nodeFileSystem } from '../store/file-system.js';
import { PoolLayout } from '../store/pool-layout.js';
import { openToOthers, type Share, sharedDisk } from '../store/sharing.js';
import { refuseOddKinds, refuseOddLock } from './refuse-odd-kinds.js';

/** How long the making of a pool waits for another process that makes it too. */
const CREATE_WAIT_MS = 10_000;
const CREATE_POLL_MS = 20;

/**
 * Makes an empty pool.
 * @param options.share lets others write to it as well
 * @throws DbupError OUTPUT_EXISTS when there is a pool or another non-empty directory, POOL_NOT_A_DIRECTORY
 */
export async function createPool(
  directory: string,
  { share, fs = share ? sharedDisk(share) : nodeFileSystem }: { fs?: FileSystem; share?: Share } = {},
): Promise<PoolDescriptor> {
  const layout = new PoolLayout(directory);
  const descriptor: PoolDescriptor = {
    format: POOL_FORMAT,
    poolId: randomBytes(16).toString('hex'),
    createdAt: new Date().toISOString(),
    features: [],
    chunker: DEFAULT_CHUNKER_PARAMETERS,
  };
  try {
    await refuseOccupied(fs, layout);
    await refuseOddKinds(fs, layout);
    await makePathDurably(fs, layout.directory);
    // Before anything is made in it, which is to have its group.
    if (share) await openToOthers(layout, share);
    for (const path of [layout.packsDirectory, layout.snapshotsDirectory, layout.temporaryDirectory]) {
      await makeDirectoryDurably(fs, path);
    }
    await createLockFile(fs, layout);
    await makeDescriptor(fs, layout, descriptor);
  } catch (error) {
    throw toDbupError(error, `creating the pool ${directory}`);
  }
  return descriptor;
}

/**
 * Two processes may make the same pool at once; the descriptor is written by one of them. Their lock is one of
 * its own, so that nobody who sees the descriptor finds the pool locked.
 */
async function makeDescriptor(fs: FileSystem, layout: PoolLayout, descriptor: PoolDescriptor): Promise<void> {
  const path = join(layout.temporaryDirectory, 'making');
  const lock = await acquireMaking(fs, layout, path);
  try {
    if ((await fs.info(layout.descriptorPath)) !== null) throw occupied(layout, 'already holds a pool');
    const bytes = encodeDescriptor(descriptor);
    await writeDurably(fs, layout.temporaryDirectory, layout.directory, bytes, 'dbup-pool.json');
    // Whoever comes later finds the descriptor, with whatever lock.
    await fs.unlink(path);
  } finally {
    lock.release();
  }
}

/** Does not sit on the thread while it waits: the other may be in this process. */
async function acquireMaking(fs: FileSystem, layout: PoolLayout, path: string): Promise<PoolLock> {
  for (let waitedMs = 0; ; waitedMs += CREATE_POLL_MS) {
    if ((await fs.info(layout.descriptorPath)) !== null) throw occupied(layout, 'already holds a pool');
    await createEmptyFile(fs, path);
    await refuseOddLock(fs, path);
    try {
      return PoolLock.acquire(path, 'exclusive', 0);
    } catch (error) {
      // The other holds the file, or has just done with it and taken it away.
      const expected =
        error instanceof DbupError ? error.code === 'POOL_LOCKED' : isSystemError(error, 'SQLITE_CANTOPEN');
      if (!expected || waitedMs >= CREATE_WAIT_MS) throw error;
    }
    await setTimeout(CREATE_POLL_MS);
  }
}

async function refuseOccupied(fs: FileSystem, layout: PoolLayout): Promise<void> {
  const info = await fs.info(layout.directory);
  if (info === null) return;
  // A symbolic link to a directory is a directory to the user.
  const names = await fs.list(layout.directory).catch((error: unknown) => {
    if (isSystemError(error, 'ENOTDIR')) throw notADirectory(layout.directory);
    throw error;
  });
  if (await isUnfinished(fs, layout, names)) return;
  throw occupied(
    layout,
    names.includes('dbup-pool.json') ? 'already holds a pool' : 'is not empty and holds no pool',
  );
}

function occupied(layout: PoolLayout, what: string): DbupError {
  return new DbupError('OUTPUT_EXISTS', `${layout.directory} ${what}`, {
    hint: 'Choose another directory with --pool; a pool wants a directory of its own.',
  });
}

/** True for what a pool is before its descriptor is written, nothing saved in it: its making was cut short or is under way. */
export async function isUnfinished(
  fs: FileSystem,
  layout: PoolLayout,
  names: readonly string[],
): Promise<boolean> {
  const own = new Set(['packs', 'snapshots', 'tmp', 'dbup.lock']);
  if (!names.every((name) => own.has(name))) return false;
  for (const directory of [layout.packsDirectory, layout.snapshotsDirectory]) {
    if ((await fs.info(directory))?.isDirectory && (await fs.list(directory)).length > 0) return false;
  }
  return true;
}

/** Size 0 and time 0, so that the lock files of two copies of a pool look the same to rsync. */
export async function createLockFile(fs: FileSystem, layout: PoolLayout): Promise<void> {
  if ((await fs.info(layout.lockPath)) !== null) return;
  await createEmptyFile(fs, layout.lockPath);
  await fs.setTimes(layout.lockPath, 0);
}

/** Never by a rename: a lock file that takes the place of another would leave two processes with a lock each. */
async function createEmptyFile(fs: FileSystem, path: string): Promise<void> {
  try {
    await (await fs.createNew(path)).close();
  } catch (error) {
    if (!isSystemError(error, 'EEXIST')) throw error;
  }
}

/** The error of a pool path that is something else. */
export function notADirectory(directory: string): DbupError {
  return new DbupError('POOL_NOT_A_DIRECTORY', `${directory} is not a directory`, {
    hint: 'Name the directory of a pool with --pool DIR or DBUP_POOL.',
    details: { pool: directory },
  });
}

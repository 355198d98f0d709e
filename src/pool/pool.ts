import { randomBytes } from 'node:crypto';
import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { Catalog } from '../catalog/catalog.js';
import { PoolLock } from '../catalog/pool-lock.js';
import { DEFAULT_CHUNKER_PARAMETERS } from '../chunk/chunker-parameters.js';
import { DbupError, isSystemError, toDbupError } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import {
  decodeDescriptor,
  encodeDescriptor,
  POOL_FORMAT,
  type PoolDescriptor,
} from '../format/descriptor.js';
import { sha256Hex } from '../hash/sha256.js';
import { DurableFile, makeDirectoryDurably, writeDurably } from '../store/durable-file.js';
import { type FileSystem, nodeFileSystem, readFully } from '../store/file-system.js';
import { PoolLayout } from '../store/pool-layout.js';
import { BlockWorkers } from './block-workers.js';

/** What a command needs of the pool: `read` and `append` share the lock, `exclusive` has it alone. */
export type PoolAccess = 'read' | 'append' | 'exclusive';

export interface OpenPoolOptions {
  access: PoolAccess;
  /** How long to wait for the lock. */
  lockWaitMs?: number;
  /** Where catalogs are kept, a directory for each pool below it; null keeps this one in memory. */
  cacheRoot: string | null;
  fs?: FileSystem;
  threads?: number;
}

/** The opened parts of a pool. It has no verbs: operations do the work. */
export interface Pool {
  readonly layout: PoolLayout;
  readonly fs: FileSystem;
  readonly descriptor: PoolDescriptor;
  readonly catalog: Catalog;
  readonly workers: BlockWorkers;
  readonly access: PoolAccess;
  /** Lets the lock go and takes it exclusively, if that is possible at once. From then on the pool may only be closed. */
  tryExclusive(): boolean;
  close(): Promise<void>;
}

/**
 * Opens a pool.
 * @throws DbupError NO_POOL, POOL_NOT_A_DIRECTORY, POOL_FORMAT_UNSUPPORTED, POOL_DAMAGED, POOL_LOCKED
 */
export async function openPool(directory: string, options: OpenPoolOptions): Promise<Pool> {
  const fs = options.fs ?? nodeFileSystem;
  const layout = new PoolLayout(await realDirectory(directory));
  const descriptor = await readDescriptor(fs, layout, directory);
  const lock = await takeLock(fs, layout, options.access, options.lockWaitMs ?? 0);
  return assemblePool(fs, layout, descriptor, lock, options);
}

/** Opens a pool, making one first where there is nothing or an empty directory. */
export async function openOrCreatePool(directory: string, options: OpenPoolOptions): Promise<Pool> {
  try {
    return await openPool(directory, options);
  } catch (error) {
    if (!(error instanceof DbupError) || error.code !== 'NO_POOL') throw error;
  }
  await createPool(directory, options.fs);
  return openPool(directory, options);
}

/**
 * Makes an empty pool.
 * @throws DbupError OUTPUT_EXISTS when there is a pool or another non-empty directory, POOL_NOT_A_DIRECTORY
 */
export async function createPool(
  directory: string,
  fs: FileSystem = nodeFileSystem,
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
    await makeDirectoryDurably(fs, layout.directory);
    for (const path of [layout.packsDirectory, layout.snapshotsDirectory, layout.temporaryDirectory]) {
      await makeDirectoryDurably(fs, path);
    }
    await createLockFile(fs, layout);
    await writeDurably(
      fs,
      layout.temporaryDirectory,
      layout.directory,
      encodeDescriptor(descriptor),
      'dbup-pool.json',
    );
  } catch (error) {
    throw toDbupError(error, `creating the pool ${directory}`);
  }
  return descriptor;
}

/** Where the catalog of the pool at the real path `directory` is kept. */
export function catalogDirectory(cacheRoot: string, directory: string): string {
  return join(cacheRoot, sha256Hex(Buffer.from(directory)).slice(0, 32));
}

function assemblePool(
  fs: FileSystem,
  layout: PoolLayout,
  descriptor: PoolDescriptor,
  firstLock: PoolLock,
  options: OpenPoolOptions,
): Pool {
  let lock = firstLock;
  const cache = options.cacheRoot === null ? null : catalogDirectory(options.cacheRoot, layout.directory);
  const catalog = Catalog.open(fs, layout, cache);
  const workers = new BlockWorkers(options.threads);
  return {
    layout,
    fs,
    descriptor,
    catalog,
    workers,
    access: options.access,
    tryExclusive(): boolean {
      lock.release();
      try {
        lock = PoolLock.acquire(layout.lockPath, 'exclusive', 0);
        return true;
      } catch (error) {
        if (error instanceof DbupError && error.code === 'POOL_LOCKED') return false;
        throw error;
      }
    },
    async close(): Promise<void> {
      await workers.close();
      catalog.close();
      lock.release();
    },
  };
}

async function realDirectory(directory: string): Promise<string> {
  try {
    return await realpath(directory);
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) throw noPool(directory, 'there is no pool at');
    if (isSystemError(error, 'ENOTDIR')) throw notADirectory(directory);
    throw toDbupError(error, `opening the pool ${directory}`);
  }
}

async function readDescriptor(
  fs: FileSystem,
  layout: PoolLayout,
  directory: string,
): Promise<PoolDescriptor> {
  try {
    const own = await fs.info(layout.directory);
    if (!own?.isDirectory) throw notADirectory(directory);
    const info = await fs.info(layout.descriptorPath);
    if (info === null) throw await missingDescriptor(fs, layout, directory);
    if (!info.isFile || info.sizeBytes > LIMITS.descriptorBytes) {
      throw new DbupError('POOL_DAMAGED', `${layout.descriptorPath} is not a pool descriptor`, {
        hint: 'Copy dbup-pool.json from another copy of this pool.',
      });
    }
    const bytes = new Uint8Array(info.sizeBytes);
    const file = await fs.openRead(layout.descriptorPath);
    try {
      await readFully(file, bytes, 0);
    } finally {
      await file.close();
    }
    return decodeDescriptor(bytes, layout.descriptorPath);
  } catch (error) {
    throw toDbupError(error, `opening the pool ${directory}`);
  }
}

async function missingDescriptor(fs: FileSystem, layout: PoolLayout, directory: string): Promise<DbupError> {
  const names = await fs.list(layout.directory);
  if (names.includes('packs') || names.includes('snapshots')) {
    return new DbupError('POOL_INCOMPLETE', `${directory} has pool files but no dbup-pool.json`, {
      hint: 'Sync the pool again from where it is whole, or copy dbup-pool.json from another copy of it.',
    });
  }
  return noPool(
    directory,
    names.length === 0 ? 'there is no pool yet in' : 'there are other files and no pool in',
  );
}

async function refuseOccupied(fs: FileSystem, layout: PoolLayout): Promise<void> {
  const info = await fs.info(layout.directory);
  if (info === null) return;
  // A symbolic link to a directory is a directory to the user.
  const names = await fs.list(layout.directory).catch((error: unknown) => {
    if (isSystemError(error, 'ENOTDIR')) throw notADirectory(layout.directory);
    throw error;
  });
  if (names.length === 0) return;
  const what = names.includes('dbup-pool.json') ? 'already holds a pool' : 'is not empty and holds no pool';
  throw new DbupError('OUTPUT_EXISTS', `${layout.directory} ${what}`, {
    hint: 'Choose another directory with --pool; a pool wants a directory of its own.',
  });
}

/** Size 0 and time 0, so that the lock files of two copies of a pool look the same to rsync. */
async function createLockFile(fs: FileSystem, layout: PoolLayout): Promise<void> {
  if ((await fs.info(layout.lockPath)) !== null) return;
  const file = await DurableFile.create(fs, layout.temporaryDirectory);
  await file.commit(layout.directory, 'dbup.lock');
  await fs.setTimes(layout.lockPath, 0);
}

async function takeLock(
  fs: FileSystem,
  layout: PoolLayout,
  access: PoolAccess,
  waitMs: number,
): Promise<PoolLock> {
  try {
    await createLockFile(fs, layout);
  } catch (error) {
    const readOnly =
      isSystemError(error, 'EROFS') || isSystemError(error, 'EACCES') || isSystemError(error, 'EPERM');
    if (access === 'read' && readOnly) return PoolLock.none();
    throw toDbupError(error, `locking the pool ${layout.directory}`);
  }
  try {
    return PoolLock.acquire(layout.lockPath, access === 'exclusive' ? 'exclusive' : 'shared', waitMs);
  } catch (error) {
    throw toDbupError(error, `locking the pool ${layout.directory}`);
  }
}

function noPool(directory: string, what: string): DbupError {
  return new DbupError('NO_POOL', `${what} ${directory}`, {
    hint: '`dbup save` makes one there; or name another with --pool DIR or DBUP_POOL.',
    details: { pool: directory },
  });
}

function notADirectory(directory: string): DbupError {
  return new DbupError('POOL_NOT_A_DIRECTORY', `${directory} is not a directory`, {
    hint: 'Name the directory of a pool with --pool DIR or DBUP_POOL.',
    details: { pool: directory },
  });
}

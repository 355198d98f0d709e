import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { Catalog } from '../catalog/catalog.js';
import { CheckLog } from '../catalog/check-log.js';
import { PoolLock } from '../catalog/pool-lock.js';
import type { ChunkerParameters } from '../chunk/chunker-parameters.js';
import { DbupError, isSystemError, toDbupError } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import { decodeDescriptor, type PoolDescriptor } from '../format/descriptor.js';
import { sha256Hex } from '../hash/sha256.js';
import { makeDirectoryDurably } from '../store/durable-file.js';
import { type FileSystem, nodeFileSystem } from '../store/file-system.js';
import { PACK_TARGET_BYTES } from '../store/pack-file.js';
import { PoolLayout } from '../store/pool-layout.js';
import { RebuiltBlobs } from '../store/rebuilt-blobs.js';
import { diskOf, isSharedAs, openToOthers, type Share } from '../store/sharing.js';
import { SpillFile } from '../store/spill-file.js';
import { BlockWorkers } from './block-workers.js';
import { createLockFile, createPool, isUnfinished, notADirectory } from './create-pool.js';
import { readPoolFile } from './read-pool-file.js';
import { refuseOddKinds, refuseOddLock } from './refuse-odd-kinds.js';
import { lacksSnapshotsDirectory, NO_SNAPSHOTS_DIRECTORY } from './snapshots-directory.js';

/** What a command needs of the pool: `read` and `append` share the lock, `exclusive` has it alone. */
export type PoolAccess = 'read' | 'append' | 'exclusive';

export interface OpenPoolOptions {
  access: PoolAccess;
  /** How long to wait for the lock. */
  lockWaitMs?: number;
  /** Where catalogs are kept, a directory for each pool below it; null keeps this one in memory. */
  cacheRoot: string | null;
  /** Below it, at most so many bytes of gzip layers that were made again; none by default. */
  layerCacheBytes?: number;
  fs?: FileSystem;
  /** Lets others write to the pool as well, one that is made and one that is appended to. */
  share?: Share;
  threads?: number;
  /** The size at which packs are closed; `PACK_TARGET_BYTES` by default. */
  packTargetBytes?: number;
  /** Open it although its descriptor is damaged, to look at it or to repair it. */
  despiteDescriptor?: boolean;
}

/** The opened parts of a pool. It has no verbs: operations do the work. */
export interface Pool {
  readonly layout: PoolLayout;
  readonly fs: FileSystem;
  /** What images are written through: how open the pool's own files are is nothing to them. */
  readonly outputs: FileSystem;
  /** null when it is damaged and the pool was opened despite that. */
  readonly descriptor: PoolDescriptor | null;
  /** Why it is damaged. */
  readonly descriptorDamage: DbupError | null;
  readonly catalog: Catalog;
  /** When files were last checked, and what was damaged. */
  readonly checks: CheckLog;
  readonly workers: BlockWorkers;
  readonly access: PoolAccess;
  /** Gzip layers that were made again, if any are kept. */
  readonly rebuilt: RebuiltBlobs | null;
  /** Where bytes that come only once are put aside while they are worked on. */
  readonly spools: { readonly fs: FileSystem; readonly directory: string };
  /** Where decoded blocks are put that may be wanted again. */
  readonly spill: SpillFile | null;
  readonly packTargetBytes: number;
  /** Lets the lock go and takes it exclusively, if that is possible at once. From then on the pool may only be closed. */
  tryExclusive(): boolean;
  close(): Promise<void>;
}

/**
 * Opens a pool; for appending, its directories that are not there are made.
 * @throws DbupError NO_POOL, POOL_NOT_A_DIRECTORY, POOL_FORMAT_UNSUPPORTED, POOL_DAMAGED, POOL_LOCKED
 */
export async function openPool(directory: string, options: OpenPoolOptions): Promise<Pool> {
  const layout = new PoolLayout(await realDirectory(directory));
  const fs = options.fs ?? (await diskOf(layout));
  const told = await readDescriptor(fs, layout, directory);
  if (told.descriptorDamage !== null && !options.despiteDescriptor) throw told.descriptorDamage;
  await checkKinds(fs, layout, directory);
  const lock = await takeLock(fs, layout, options.access, options.lockWaitMs ?? 0);
  if (options.access === 'append') {
    try {
      await makeMissingDirectories(fs, layout);
      if (options.share && !(await isSharedAs(layout, options.share))) {
        await openToOthers(layout, options.share);
        lock.release();
        // What is made from now on is to be as open.
        return await openPool(directory, options);
      }
    } catch (error) {
      lock.release();
      throw toDbupError(error, `opening the pool ${directory}`);
    }
  }
  return assemblePool(fs, layout, told, lock, options);
}

/** Opens a pool, making one first where there is nothing, an empty directory, or one whose making was cut short. */
export async function openOrCreatePool(directory: string, options: OpenPoolOptions): Promise<Pool> {
  try {
    return await openPool(directory, options);
  } catch (error) {
    if (!(error instanceof DbupError) || error.code !== 'NO_POOL') throw error;
  }
  let refusal: unknown;
  try {
    await createPool(directory, {
      ...(options.fs && { fs: options.fs }),
      ...(options.share && { share: options.share }),
    });
  } catch (error) {
    if (!(error instanceof DbupError) || error.code !== 'OUTPUT_EXISTS') throw error;
    refusal = error;
  }
  try {
    return await openPool(directory, options);
  } catch (error) {
    // Where another process was faster there is a pool now; where there is none, the refusal says why.
    const none = error instanceof DbupError && error.code === 'NO_POOL';
    throw none && refusal !== undefined ? refusal : error;
  }
}

/**
 * A copy made by way of an object store has no empty directories. But where packs came without any version, the
 * versions were left behind: with a new one among them, gc would take what the others need for garbage.
 */
async function makeMissingDirectories(fs: FileSystem, layout: PoolLayout): Promise<void> {
  if (await lacksSnapshotsDirectory({ fs, layout })) {
    throw new DbupError('POOL_INCOMPLETE', NO_SNAPSHOTS_DIRECTORY, {
      hint: `If it is meant to hold no version, make the directory: mkdir ${layout.snapshotsDirectory}`,
      details: { pool: layout.directory },
    });
  }
  for (const path of [layout.packsDirectory, layout.snapshotsDirectory, layout.temporaryDirectory]) {
    if ((await fs.info(path)) === null) await makeDirectoryDurably(fs, path);
  }
}

/** Where the catalog of the pool at the real path `directory` is kept. */
export function catalogDirectory(cacheRoot: string, directory: string): string {
  return join(cacheRoot, sha256Hex(Buffer.from(directory)).slice(0, 32));
}

function openLayerCache({ cacheRoot, layerCacheBytes = 0 }: OpenPoolOptions): RebuiltBlobs | null {
  if (cacheRoot === null || layerCacheBytes === 0) return null;
  return new RebuiltBlobs(join(cacheRoot, 'layers'), layerCacheBytes);
}

function assemblePool(
  fs: FileSystem,
  layout: PoolLayout,
  told: Pick<Pool, 'descriptor' | 'descriptorDamage'>,
  firstLock: PoolLock,
  options: OpenPoolOptions,
): Pool {
  let lock = firstLock;
  const cache = options.cacheRoot === null ? null : catalogDirectory(options.cacheRoot, layout.directory);
  const catalog = Catalog.open(fs, layout, cache);
  const checks = new CheckLog(cache);
  const workers = new BlockWorkers(options.threads, fs.blocking);
  const spill = cache === null ? null : new SpillFile(cache);
  return {
    layout,
    fs,
    outputs: options.fs ?? nodeFileSystem,
    ...told,
    catalog,
    checks,
    workers,
    access: options.access,
    rebuilt: openLayerCache(options),
    spools: { fs, directory: layout.temporaryDirectory },
    spill,
    packTargetBytes: options.packTargetBytes ?? PACK_TARGET_BYTES,
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
      spill?.close();
      catalog.close();
      checks.close();
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

async function checkKinds(fs: FileSystem, layout: PoolLayout, directory: string): Promise<void> {
  try {
    await refuseOddKinds(fs, layout);
  } catch (error) {
    throw toDbupError(error, `opening the pool ${directory}`);
  }
}

async function readDescriptor(
  fs: FileSystem,
  layout: PoolLayout,
  directory: string,
): Promise<Pick<Pool, 'descriptor' | 'descriptorDamage'>> {
  try {
    const own = await fs.info(layout.directory);
    if (!own?.isDirectory) throw notADirectory(directory);
    const info = await fs.info(layout.descriptorPath);
    if (info === null) {
      const error = await missingDescriptor(fs, layout, directory);
      // Whoever is making the pool may just have ended.
      if ((await fs.info(layout.descriptorPath)) === null) throw error;
      return await readDescriptor(fs, layout, directory);
    }
    const bytes = await readPoolFile(fs, layout.descriptorPath, LIMITS.descriptorBytes);
    if (bytes === null) {
      throw new DbupError('POOL_DAMAGED', `${layout.descriptorPath} is not a pool descriptor`, {
        hint: 'Copy dbup-pool.json from another copy of this pool.',
      });
    }
    return { descriptor: decodeDescriptor(bytes, layout.descriptorPath), descriptorDamage: null };
  } catch (error) {
    if (error instanceof DbupError && error.code === 'POOL_DAMAGED')
      return { descriptor: null, descriptorDamage: error };
    throw toDbupError(error, `opening the pool ${directory}`);
  }
}

async function missingDescriptor(fs: FileSystem, layout: PoolLayout, directory: string): Promise<DbupError> {
  const names = await fs.list(layout.directory);
  if (!(await isUnfinished(fs, layout, names)) && (names.includes('packs') || names.includes('snapshots'))) {
    return new DbupError('POOL_INCOMPLETE', `${directory} has pool files but no dbup-pool.json`, {
      hint: 'Sync the pool again from where it is whole, or copy dbup-pool.json from another copy of it.',
    });
  }
  return noPool(
    directory,
    names.length === 0 ? 'there is no pool yet in' : 'there are other files and no pool in',
  );
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
    await refuseOddLock(fs, layout.lockPath);
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

/** How a pool's streams are cut. @throws DbupError POOL_DAMAGED when it was opened despite its descriptor */
export function chunkerOf({ descriptor, descriptorDamage }: Pool): ChunkerParameters {
  if (descriptor === null) throw descriptorDamage;
  return descriptor.chunker;
}

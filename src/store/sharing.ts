import { constants } from 'node:fs';
import { chmod, lchown, lstat, mkdir, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isSystemError, toDbupError } from '../core/errors.js';
import { type FileSystem, NodeFile, nodeFileSystem } from './file-system.js';
import type { PoolLayout } from './pool-layout.js';

/** Who else may write to a pool: the group of its directories, or everybody. */
export const SHARES = ['group', 'all'] as const;
export type Share = (typeof SHARES)[number];

/** What is added to the modes of files, whatever the umask, and to those of directories: with set-group-ID, so that what is made in them has their group. */
const FILE_BITS: Readonly<Record<Share, number>> = { group: 0o660, all: 0o666 };
const DIRECTORY_BITS: Readonly<Record<Share, number>> = { group: 0o2770, all: 0o2777 };
const MODE_BITS = 0o7777;
const PERMISSION_BITS = 0o777;

/**
 * The disk as a pool is written to: what is made is as open as `packs/` is, which {@link openToOthers} or the owner
 * opened, whatever the umask of whoever saves. Otherwise nobody but the owner may write to it.
 */
export async function diskOf(layout: PoolLayout): Promise<FileSystem> {
  const share = await shareOf(layout);
  return share === null ? nodeFileSystem : sharedDisk(share);
}

/** True when a pool is as open as that, or more. */
export async function isSharedAs(layout: PoolLayout, share: Share): Promise<boolean> {
  const is = await shareOf(layout);
  return is === share || is === 'all';
}

/** How open a pool is; null when only its owner may write to it, or there is none. */
export async function shareOf(layout: PoolLayout): Promise<Share | null> {
  try {
    const stats = await lstat(layout.packsDirectory);
    if (!stats.isDirectory() || (stats.mode & 0o020) === 0) return null;
    return (stats.mode & 0o002) === 0 ? 'group' : 'all';
  } catch (error) {
    if (isSystemError(error)) return null;
    throw error;
  }
}

/** The real disk, but for the modes of what is made on it. */
export function sharedDisk(share: Share): FileSystem {
  return {
    ...nodeFileSystem,
    async createNew(path, mode = 0o644) {
      const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
      const handle = await open(path, flags, mode);
      try {
        await handle.chmod(((await handle.stat()).mode & MODE_BITS) | FILE_BITS[share]);
      } catch (error) {
        await handle.close();
        throw error;
      }
      return new NodeFile(handle);
    },
    async makeDirectory(path) {
      const made = await mkdir(path, { recursive: true, mode: 0o755 });
      // Directories above the pool are none of its business.
      if (made !== undefined) await openUp(path, DIRECTORY_BITS[share]);
    },
  };
}

/**
 * Opens a pool to others, with all that is in it, which is given to the group of its directory. What is open already stays as it is, so that whoever is not the owner
 * may ask for it too. Symbolic links are not followed.
 * @throws DbupError PERMISSION_DENIED when something that is not open enough is another user's
 */
export async function openToOthers(layout: PoolLayout, share: Share): Promise<void> {
  const { packsDirectory, parityDirectory, snapshotsDirectory, temporaryDirectory } = layout;
  const directories = [packsDirectory, parityDirectory, snapshotsDirectory, temporaryDirectory];
  try {
    const { gid } = await lstat(layout.directory);
    for (const path of [layout.lockPath, layout.descriptorPath]) await openUp(path, FILE_BITS[share], gid);
    for (const directory of directories) {
      for (const name of await namesIn(directory)) await openUp(join(directory, name), FILE_BITS[share], gid);
    }
    // The mark of a shared pool comes last: what was cut short is done again.
    for (const path of [layout.directory, ...directories.reverse()])
      await openUp(path, DIRECTORY_BITS[share]);
  } catch (error) {
    throw toDbupError(error, `opening the pool ${layout.directory} to others`);
  }
}

/** Gives a file or a directory to a group and adds to its mode. Where only set-group-ID is missing and may not be set, it is left out. */
async function openUp(path: string, bits: number, gid?: number): Promise<void> {
  try {
    const stats = await lstat(path);
    if (!stats.isFile() && !stats.isDirectory()) return;
    // Before the mode: this takes set-group-ID away.
    if (gid !== undefined && stats.gid !== gid) await lchown(path, stats.uid, gid);
    const mode = stats.mode & MODE_BITS;
    const wanted = mode | bits;
    if (wanted === mode) return;
    await chmod(path, wanted).catch((error: unknown) => {
      if ((wanted & PERMISSION_BITS) !== (mode & PERMISSION_BITS)) throw error;
    });
  } catch (error) {
    if (!isSystemError(error, 'ENOENT')) throw error;
  }
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return (await lstat(directory)).isDirectory() ? await readdir(directory) : [];
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return [];
    throw error;
  }
}

import { closeSync, constants, openSync, readSync } from 'node:fs';
import { type FileHandle, lstat, mkdir, open, readdir, rename, unlink, utimes } from 'node:fs/promises';
import { isSystemError } from '../core/errors.js';

/** An open file, by position. The caller closes it. */
export interface OpenFile {
  /** Reads up to `into.length` bytes at `position`; 0 at the end. May read less than asked. */
  read(into: Uint8Array, position: number): Promise<number>;
  /** Writes some bytes of `bytes` at `position` and returns how many. */
  write(bytes: Uint8Array, position: number): Promise<number>;
  /** Makes the file's contents durable. */
  sync(): Promise<void>;
  sizeBytes(): Promise<number>;
  close(): Promise<void>;
}

export interface FileInfo {
  sizeBytes: number;
  isFile: boolean;
  isDirectory: boolean;
  mtimeMs: number;
}

/** Reads that block the thread: blocks of packs, and stretches of an input that are only hashed. */
export interface BlockingReads {
  /** @param follow whether a symbolic link may be followed */
  open(path: string, follow: boolean): number;
  /** Reads at most `into.length` bytes at `position`; 0 at the end. */
  read(fd: number, into: Uint8Array, position: number): number;
  close(fd: number): void;
}

/**
 * The seam between dbup and the disk: every call by which a pool is read or changed, and an output is written.
 * Tests put a file system behind it that fails or loses power at the N-th call.
 */
export interface FileSystem {
  /** In place of the system's own reads; then no thread does any. */
  readonly blocking?: BlockingReads;
  openRead(path: string): Promise<OpenFile>;
  /** Creates a new file, with 0644 or another mode before the umask; fails with EEXIST when the name is taken. Symbolic links are not followed. */
  createNew(path: string, mode?: number): Promise<OpenFile>;
  rename(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  makeDirectory(path: string): Promise<void>;
  /** Makes the entries of a directory durable. */
  syncDirectory(path: string): Promise<void>;
  /** Names in a directory, in no order. */
  list(path: string): Promise<string[]>;
  /** Of the path itself, a symbolic link not followed; null when there is nothing. */
  info(path: string): Promise<FileInfo | null>;
  setTimes(path: string, mtimeSeconds: number): Promise<void>;
}

/** An open file of the real disk, its handle's owner from now on. */
export class NodeFile implements OpenFile {
  readonly #handle: FileHandle;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  async read(into: Uint8Array, position: number): Promise<number> {
    return (await this.#handle.read(into, 0, into.length, position)).bytesRead;
  }

  async write(bytes: Uint8Array, position: number): Promise<number> {
    return (await this.#handle.write(bytes, 0, bytes.length, position)).bytesWritten;
  }

  async sync(): Promise<void> {
    await this.#handle.sync();
  }

  async sizeBytes(): Promise<number> {
    return (await this.#handle.stat()).size;
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

/** The real disk. */
export const nodeFileSystem: FileSystem = {
  async openRead(path) {
    return new NodeFile(await open(path, constants.O_RDONLY | constants.O_NOFOLLOW));
  },
  async createNew(path, mode = 0o644) {
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
    return new NodeFile(await open(path, flags, mode));
  },
  rename: (from, to) => rename(from, to),
  unlink: (path) => unlink(path),
  async makeDirectory(path) {
    await mkdir(path, { recursive: true, mode: 0o755 });
  },
  async syncDirectory(path) {
    const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      await handle.sync();
    } catch (error) {
      // Some network file systems have no such thing; what they do with a rename is all there is.
      if (!isSystemError(error, 'EINVAL') && !isSystemError(error, 'ENOTSUP')) throw error;
    } finally {
      await handle.close();
    }
  },
  list: (path) => readdir(path),
  async info(path) {
    try {
      const stats = await lstat(path);
      return {
        sizeBytes: stats.size,
        isFile: stats.isFile(),
        isDirectory: stats.isDirectory(),
        mtimeMs: stats.mtimeMs,
      };
    } catch (error) {
      if (isSystemError(error, 'ENOENT')) return null;
      throw error;
    }
  },
  setTimes: (path, mtimeSeconds) => utimes(path, mtimeSeconds, mtimeSeconds),
};

/** Those of the real disk. */
export const nodeBlockingReads: BlockingReads = {
  open: (path, follow) => openSync(path, constants.O_RDONLY | (follow ? 0 : constants.O_NOFOLLOW)),
  read: (fd, into, position) => readSync(fd, into, 0, into.length, position),
  close: (fd) => closeSync(fd),
};

/** Fills `into` from `position`, however short the single reads are. @returns the bytes read; fewer only at the end */
export async function readFully(file: OpenFile, into: Uint8Array, position: number): Promise<number> {
  let done = 0;
  while (done < into.length) {
    const count = await file.read(into.subarray(done), position + done);
    if (count === 0) break;
    done += count;
  }
  return done;
}

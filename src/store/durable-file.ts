import { randomBytes } from 'node:crypto';
import { dirname, join, resolve } from 'node:path';
import { isSystemError } from '../core/errors.js';
import { Sha256Stream } from '../hash/sha256.js';
import type { FileSystem, OpenFile } from './file-system.js';

/**
 * A pool file in the making. It is written under a temporary name and appears under its own only by
 * `commit`, complete and durable: contents synced, renamed, directory synced. A write that failed
 * leaves the file broken: every later call rethrows the first error.
 */
export class DurableFile {
  readonly #fs: FileSystem;
  readonly #temporaryPath: string;
  readonly #file: OpenFile;
  readonly #sha256 = new Sha256Stream();
  #sizeBytes = 0;
  #failure: unknown;
  #closed = false;

  private constructor(fs: FileSystem, temporaryPath: string, file: OpenFile) {
    this.#fs = fs;
    this.#temporaryPath = temporaryPath;
    this.#file = file;
  }

  static async create(fs: FileSystem, temporaryDirectory: string): Promise<DurableFile> {
    const path = join(temporaryDirectory, `${process.pid}-${randomBytes(8).toString('hex')}`);
    let file: OpenFile;
    try {
      file = await fs.createNew(path);
    } catch (error) {
      if (!isSystemError(error, 'ENOENT')) throw error;
      await fs.makeDirectory(temporaryDirectory);
      file = await fs.createNew(path);
    }
    return new DurableFile(fs, path, file);
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Appends `bytes`; they belong to the caller again when the promise resolves. */
  async write(bytes: Uint8Array): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      for (let done = 0; done < bytes.length; ) {
        done += await this.#file.write(bytes.subarray(done), this.#sizeBytes + done);
      }
    } catch (error) {
      this.#failure = error;
      throw error;
    }
    this.#sha256.update(bytes);
    this.#sizeBytes += bytes.length;
  }

  /**
   * Makes the file appear in `directory` under the SHA-256 of its bytes (or under `name`).
   * A file of that name with the same content is replaced by its equal: a damaged one is thereby healed.
   * @returns the name, and whether it was free before
   */
  async commit(directory: string, name?: string): Promise<{ name: string; isNew: boolean }> {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      const finalName = name ?? this.#sha256.hex();
      await this.#file.sync();
      await this.#close();
      const path = join(directory, finalName);
      const isNew = (await this.#fs.info(path)) === null;
      await this.#fs.rename(this.#temporaryPath, path);
      await this.#fs.syncDirectory(directory);
      return { name: finalName, isNew };
    } catch (error) {
      this.#failure = error;
      await this.abort();
      throw error;
    }
  }

  /**
   * As {@link commit}, but only if `name` is the SHA-256 of the bytes that were written; else nothing appears.
   * @returns whether it did
   */
  async commitAs(directory: string, name: string): Promise<boolean> {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#sha256.copy().hex() !== name) return false;
    await this.commit(directory);
    return true;
  }

  /** Removes the temporary file; does nothing after a commit. Never throws. */
  async abort(): Promise<void> {
    // The first error is the one to report; what is left in tmp/ is removed by gc.
    await this.#close().catch(() => {});
    await this.#fs.unlink(this.#temporaryPath).catch(() => {});
  }

  async #close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#file.close();
  }
}

/** Writes a whole small file durably. @returns its name */
export async function writeDurably(
  fs: FileSystem,
  temporaryDirectory: string,
  directory: string,
  bytes: Uint8Array,
  name?: string,
): Promise<string> {
  const file = await DurableFile.create(fs, temporaryDirectory);
  try {
    await file.write(bytes);
    return (await file.commit(directory, name)).name;
  } catch (error) {
    await file.abort();
    throw error;
  }
}

/** Creates `directory`, whose parent is there, and makes its entry in the parent durable. */
export async function makeDirectoryDurably(fs: FileSystem, directory: string): Promise<void> {
  await fs.makeDirectory(directory);
  await fs.syncDirectory(dirname(directory));
}

/**
 * Creates `directory` and what is missing above it, and makes the whole way to it durable: also what a process that
 * died may have created of it. Directories above the parent that may not be read are not ours, and are let be.
 */
export async function makePathDurably(fs: FileSystem, directory: string): Promise<void> {
  const path = resolve(directory);
  await makeDirectoryDurably(fs, path);
  for (let above = dirname(dirname(path)); ; above = dirname(above)) {
    try {
      await fs.syncDirectory(above);
    } catch (error) {
      if (!['EACCES', 'EPERM', 'EROFS'].some((code) => isSystemError(error, code))) throw error;
    }
    if (above === dirname(above)) break;
  }
}

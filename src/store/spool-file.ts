import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { isSystemError } from '../core/errors.js';
import { Sha256Stream } from '../hash/sha256.js';
import type { FileSystem, OpenFile } from './file-system.js';

/** Bytes of a stream put aside in `tmp/`, to be read again. Never becomes a pool file. */
export class SpoolFile {
  readonly path: string;
  readonly #fs: FileSystem;
  readonly #file: OpenFile;
  readonly #sha256 = new Sha256Stream();
  sizeBytes = 0;

  private constructor(fs: FileSystem, path: string, file: OpenFile) {
    this.#fs = fs;
    this.path = path;
    this.#file = file;
  }

  static async create(fs: FileSystem, directory: string): Promise<SpoolFile> {
    const path = join(directory, `${process.pid}-${randomBytes(8).toString('hex')}`);
    try {
      return new SpoolFile(fs, path, await fs.createNew(path));
    } catch (error) {
      if (!isSystemError(error, 'ENOENT')) throw error;
      await fs.makeDirectory(directory);
      return new SpoolFile(fs, path, await fs.createNew(path));
    }
  }

  /** Appends `bytes`, which are the caller's again when the promise resolves. */
  async write(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      done += await this.#file.write(bytes.subarray(done), this.sizeBytes + done);
    }
    this.#sha256.update(bytes);
    this.sizeBytes += bytes.length;
  }

  /** Ends the writing. @returns the SHA-256 of all bytes, 64 hex digits; asked for once */
  digestHex(): string {
    return this.#sha256.hex();
  }

  /** Never throws: what is left in tmp/ is removed by gc. */
  async remove(): Promise<void> {
    await this.#file.close().catch(() => {});
    await this.#fs.unlink(this.path).catch(() => {});
  }
}

import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, rename, stat, unlink, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { isSystemError } from '../core/errors.js';
import { Sha256Stream } from '../hash/sha256.js';

const NAME = /^[0-9a-f]{64}$/;
const UNFINISHED = /^[0-9a-f]{64}\.[0-9a-f-]{36}\.tmp$/;
/** What a process left behind that died in the middle. */
const UNFINISHED_AGE_MS = 24 * 60 * 60 * 1000;
const READ_BYTES = 256 * 1024;

/**
 * Blobs that took long to make, in files named by their SHA-256, together at most so many bytes: those used longest ago go
 * first. Nothing rests on it: it may be deleted at any time, several processes may use it at once, and what cannot
 * be written is left out without a word.
 */
export class RebuiltBlobs {
  readonly #directory: string;
  readonly #maxBytes: number;

  constructor(directory: string, maxBytes: number) {
    this.#directory = directory;
    this.#maxBytes = maxBytes;
  }

  /** The file of a blob, its bytes compared with the digest just now; null when there is none. The caller closes it. */
  async open(digestHex: string, sizeBytes: number): Promise<FileHandle | null> {
    const path = join(this.#directory, digestHex);
    try {
      const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
      if (await holds(file, digestHex, sizeBytes)) {
        const now = new Date();
        await utimes(path, now, now).catch(ignoreSystemErrors);
        return file;
      }
      await file.close();
      await unlink(path);
    } catch (error) {
      ignoreSystemErrors(error);
    }
    return null;
  }

  /** Begins a file for a blob; null when it is too large or cannot be written. The caller keeps or abandons it. */
  async create(digestHex: string, sizeBytes: number): Promise<NewRebuiltBlob | null> {
    if (sizeBytes > this.#maxBytes) return null;
    const path = join(this.#directory, digestHex);
    const unfinishedPath = `${path}.${randomUUID()}.tmp`;
    try {
      await mkdir(this.#directory, { recursive: true, mode: 0o700 });
      await this.#makeRoom(sizeBytes);
      return new NewRebuiltBlob(await open(unfinishedPath, 'wx', 0o600), unfinishedPath, path);
    } catch (error) {
      ignoreSystemErrors(error);
      return null;
    }
  }

  /** Removes what was used longest ago until so many bytes more fit. */
  async #makeRoom(neededBytes: number): Promise<void> {
    const files: { path: string; sizeBytes: number; usedAtMs: number }[] = [];
    let totalBytes = neededBytes;
    for (const name of await readdir(this.#directory)) {
      const isUnfinished = UNFINISHED.test(name);
      if (!isUnfinished && !NAME.test(name)) continue;
      const path = join(this.#directory, name);
      const info = await stat(path).catch(ignoreSystemErrors);
      if (!info) continue;
      totalBytes += info.size;
      const isOld = Date.now() - info.mtimeMs > UNFINISHED_AGE_MS;
      if (!isUnfinished || isOld)
        files.push({ path, sizeBytes: info.size, usedAtMs: isUnfinished ? 0 : info.mtimeMs });
    }
    files.sort((a, b) => a.usedAtMs - b.usedAtMs);
    for (const { path, sizeBytes, usedAtMs } of files) {
      if (totalBytes <= this.#maxBytes && usedAtMs > 0) return;
      await unlink(path).catch(ignoreSystemErrors);
      totalBytes -= sizeBytes;
    }
  }
}

/** A blob on its way into the cache. */
export class NewRebuiltBlob {
  readonly #file: FileHandle;
  readonly #unfinishedPath: string;
  readonly #path: string;
  #isOpen = true;

  constructor(file: FileHandle, unfinishedPath: string, path: string) {
    this.#file = file;
    this.#unfinishedPath = unfinishedPath;
    this.#path = path;
  }

  /** The bytes are the caller's again when it resolves. */
  async write(bytes: Uint8Array): Promise<void> {
    if (!this.#isOpen) return;
    try {
      for (let at = 0; at < bytes.length; ) at += (await this.#file.write(bytes, at)).bytesWritten;
    } catch (error) {
      ignoreSystemErrors(error);
      await this.abandon();
    }
  }

  /** All of it was written, and it has its digest. */
  async keep(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    await this.#file.close();
    await rename(this.#unfinishedPath, this.#path).catch(ignoreSystemErrors);
  }

  async abandon(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    await this.#file.close();
    await unlink(this.#unfinishedPath).catch(ignoreSystemErrors);
  }
}

async function holds(file: FileHandle, digestHex: string, sizeBytes: number): Promise<boolean> {
  const info = await file.stat();
  if (!info.isFile() || info.size !== sizeBytes) return false;
  const sha256 = new Sha256Stream();
  const buffer = new Uint8Array(READ_BYTES);
  for (let at = 0; at < sizeBytes; ) {
    const { bytesRead } = await file.read(buffer, 0, buffer.length, at);
    if (bytesRead === 0) return false;
    sha256.update(buffer.subarray(0, bytesRead));
    at += bytesRead;
  }
  return sha256.hex() === digestHex;
}

function ignoreSystemErrors(error: unknown): undefined {
  if (!isSystemError(error)) throw error;
}

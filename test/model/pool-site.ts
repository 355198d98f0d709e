import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, realpath, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type OperationContext, quietContext } from '../../src/core/context.js';
import { DbupError } from '../../src/core/errors.js';
import { listImages, listVersions } from '../../src/operations/list.js';
import { load } from '../../src/operations/load.js';
import type { VersionSummary } from '../../src/operations/version-summary.js';
import type { BlockWorkers } from '../../src/pool/block-workers.js';
import {
  catalogDirectory,
  openOrCreatePool,
  openPool,
  type Pool,
  type PoolAccess,
} from '../../src/pool/pool.js';
import type { FileSystem } from '../../src/store/file-system.js';

/** One pool of the model test, on the disk. */
export class PoolSite {
  readonly directory: string;
  readonly cacheRoot: string;
  readonly #scratch: string;
  readonly #workers: () => BlockWorkers;
  #outputs = 0;

  /** @param workers those that all pools share: to start threads takes longer than a step */
  constructor(root: string, name: string, workers: () => BlockWorkers) {
    this.directory = join(root, name);
    this.cacheRoot = join(root, 'cache');
    this.#scratch = join(root, `${name}-out`);
    this.#workers = workers;
  }

  async with<T>(access: PoolAccess, work: (pool: Pool) => Promise<T>, fs?: FileSystem): Promise<T> {
    const options = { access, cacheRoot: this.cacheRoot, threads: 1, ...(fs && { fs }) };
    const pool = await (access === 'append' ? openOrCreatePool : openPool)(this.directory, options);
    try {
      return await work({ ...pool, workers: this.#workers() });
    } finally {
      await pool.close();
    }
  }

  /** True when there is a whole descriptor: without it nothing can be done with the pool, and nothing is. */
  async isThere(): Promise<boolean> {
    return readFile(join(this.directory, 'dbup-pool.json')).then(
      (bytes) => bytes.at(-2) === 0x7d,
      () => false,
    );
  }

  /** Names of pool files, whatever is in them. */
  async names(directory: 'packs' | 'snapshots'): Promise<string[]> {
    const names = await readdir(join(this.directory, directory)).catch(() => []);
    return names.filter((name) => /^[0-9a-f]{64}$/.test(name)).sort();
  }

  /** True when there are packs and no `snapshots/`: a copy has been cut off between the two. */
  async lacksSnapshots(): Promise<boolean> {
    const isMissing = !(await exists(join(this.directory, 'snapshots')));
    return isMissing && (await this.names('packs')).length > 0;
  }

  /** True when some pool file is not what its name says. */
  async hasInjuries(): Promise<boolean> {
    for (const directory of ['packs', 'snapshots'] as const) {
      for (const name of await this.names(directory)) {
        const bytes = await readFile(join(this.directory, directory, name));
        if (createHash('sha256').update(bytes).digest('hex') !== name) return true;
      }
    }
    return false;
  }

  /** Every version that `ls` and `log` show, the newest of each reference first. */
  async listing(pool?: Pool): Promise<Map<string, VersionSummary[]>> {
    if (!pool) return this.with('read', (opened) => this.listing(opened));
    const lists = new Map<string, VersionSummary[]>();
    for (const { reference, versionCount } of (await listImages(pool, quietContext())).images) {
      const versions = await listVersions(pool, reference, quietContext());
      if (versions.length !== versionCount) throw new Error(`ls and log differ about ${reference}`);
      lists.set(reference, versions);
    }
    return lists;
  }

  /** What a load writes, or the code it fails with. Nothing may appear under the file's name when it fails. */
  async load(pool: Pool, address: string, context: OperationContext): Promise<Uint8Array | string> {
    await mkdir(this.#scratch, { recursive: true });
    const path = join(this.#scratch, `${this.#outputs++}.tar`);
    try {
      await load(pool, address, { kind: 'file', path, format: 'saved' }, {}, context);
      return await readFile(path);
    } catch (error) {
      if (!(error instanceof DbupError)) throw error;
      if (await exists(path)) throw new Error(`a load that failed left ${path}`);
      return error.code;
    } finally {
      await rm(path, { force: true });
    }
  }

  async catalog(): Promise<string> {
    return catalogDirectory(this.cacheRoot, await realpath(this.directory));
  }
}

export async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

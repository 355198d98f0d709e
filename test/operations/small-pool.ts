import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { quietContext } from '../../src/core/context.js';
import { listImages, listVersions } from '../../src/operations/list.js';
import { load } from '../../src/operations/load.js';
import { type SaveResult, save } from '../../src/operations/save.js';
import { openOrCreatePool, openPool, type Pool, type PoolAccess } from '../../src/pool/pool.js';
import type { FileSystem } from '../../src/store/file-system.js';

/** A directory with a pool in it and room beside it; gone when disposed of. */
export class SmallPool implements AsyncDisposable {
  readonly root: string;
  readonly directory: string;
  /** What the clock shows; each save moves it on by a day. */
  nowMs = Date.parse('2024-03-01T12:00:00Z');

  private constructor(root: string) {
    this.root = root;
    this.directory = join(root, 'pool');
  }

  static async create(): Promise<SmallPool> {
    return new SmallPool(await mkdtemp(join(tmpdir(), 'dbup-test-')));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.root, { recursive: true, force: true });
  }

  /** The pool as it is now, in a directory of its own; its clock goes on from here. */
  async copy(): Promise<SmallPool> {
    const copy = await SmallPool.create();
    copy.nowMs = this.nowMs;
    await cp(this.directory, copy.directory, { recursive: true });
    return copy;
  }

  /** Pack and snapshot files, relative to the pool. */
  async files(): Promise<string[]> {
    const files: string[] = [];
    for (const directory of ['packs', 'snapshots']) {
      const names = await readdir(join(this.directory, directory));
      files.push(...names.map((name) => join(directory, name)));
    }
    return files.sort();
  }

  /** Opens the pool with a catalog of its own in memory for the time of `work`. */
  async with<T>(access: PoolAccess, work: (pool: Pool) => Promise<T>, fs?: FileSystem): Promise<T> {
    const pool = await openPool(this.directory, { access, cacheRoot: null, threads: 1, ...(fs && { fs }) });
    try {
      return await work(pool);
    } finally {
      await pool.close();
    }
  }

  async save(archive: Uint8Array): Promise<SaveResult> {
    const path = join(this.root, 'in.tar');
    await writeFile(path, archive);
    const pool = await openOrCreatePool(this.directory, { access: 'append', cacheRoot: null, threads: 1 });
    this.nowMs += 24 * 3600 * 1000;
    try {
      return await save(pool, { kind: 'archive', path }, {}, quietContext({ now: () => this.nowMs }));
    } finally {
      await pool.close();
    }
  }

  /** The archive as it was saved. */
  async load(address: string): Promise<Buffer> {
    const path = join(this.root, 'out.tar');
    await rm(path, { force: true });
    await this.with('read', (pool) =>
      load(pool, address, { kind: 'file', path, format: 'saved' }, {}, quietContext()),
    );
    return readFile(path);
  }

  /** Every version by its snapshot's id: the archive as it was saved, or the error that came in its place. */
  async loadAll(): Promise<Map<string, Buffer | Error>> {
    const loaded = new Map<string, Buffer | Error>();
    const path = join(this.root, 'out.tar');
    await this.with('read', async (pool) => {
      for (const { reference } of (await listImages(pool, quietContext())).images) {
        for (const { address, snapshotId } of await listVersions(pool, reference, quietContext())) {
          await rm(path, { force: true });
          const sink = { kind: 'file', path, format: 'saved' } as const;
          const result = await load(pool, address, sink, {}, quietContext()).catch((error: Error) => error);
          loaded.set(snapshotId, result instanceof Error ? result : await readFile(path));
        }
      }
    });
    return loaded;
  }
}

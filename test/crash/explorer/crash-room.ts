import { join } from 'node:path';
import { Writable } from 'node:stream';
import { type OperationContext, quietContext } from '../../../src/core/context.js';
import { DbupError } from '../../../src/core/errors.js';
import { executeGc, type GcResult } from '../../../src/operations/gc.js';
import { type GcOptions, planGc } from '../../../src/operations/gc-plan.js';
import { listImages, listVersions } from '../../../src/operations/list.js';
import { load } from '../../../src/operations/load.js';
import { type SaveSource, save } from '../../../src/operations/save.js';
import { verify } from '../../../src/operations/verify.js';
import type { VersionSummary } from '../../../src/operations/version-summary.js';
import { openOrCreatePool, openPool, type Pool, type PoolAccess } from '../../../src/pool/pool.js';
import { type FileSystem, nodeBlockingReads, nodeFileSystem } from '../../../src/store/file-system.js';
import { sha256Of } from '../../support/images.js';
import { readTree } from './tree.js';

/** So small that one image fills several. */
const PACK_TARGET_BYTES = 40 * 1024;
/** The real disk, read in this thread: to start others takes longer than all else. */
const PLAIN_DISK: FileSystem = { ...nodeFileSystem, blocking: nodeBlockingReads };

export interface CrashRoomOptions {
  fs?: FileSystem;
  cacheRoot?: string | null;
  nowMs?: number;
  poolName?: string;
}

/** A directory with a pool and what belongs to it, through one file system and with one catalog. */
export class CrashRoom {
  readonly root: string;
  readonly fs: FileSystem;
  /** Where catalogs are; null keeps them in memory. */
  readonly cacheRoot: string | null;
  readonly nowMs: number;
  readonly poolName: string;

  constructor(root: string, options: CrashRoomOptions = {}) {
    this.root = root;
    this.poolName = options.poolName ?? 'pool';
    this.fs = options.fs ?? PLAIN_DISK;
    this.cacheRoot = options.cacheRoot ?? null;
    this.nowMs = options.nowMs ?? Date.parse('2024-05-01T00:00:00Z');
  }

  path(name: string): string {
    return join(this.root, name);
  }

  get context(): OperationContext {
    return quietContext({ now: () => this.nowMs });
  }

  async with<T>(access: PoolAccess, work: (pool: Pool) => Promise<T>): Promise<T> {
    const open = access === 'append' ? openOrCreatePool : openPool;
    const { fs, cacheRoot } = this;
    const options = { access, cacheRoot, threads: 1, fs, packTargetBytes: PACK_TARGET_BYTES };
    const pool = await open(this.path(this.poolName), options);
    try {
      return await work(pool);
    } finally {
      await pool.close();
    }
  }

  async save(source: SaveSource): Promise<void> {
    await this.with('append', (pool) => save(pool, source, {}, this.context));
  }

  gc(options: GcOptions): Promise<GcResult> {
    return this.with('exclusive', async (pool) =>
      executeGc(pool, await planGc(pool, options, this.context), this.context),
    );
  }

  /** All versions; none where there is no pool. */
  async versions(): Promise<VersionSummary[]> {
    try {
      return await this.with('read', async (pool) => {
        const { images } = await listImages(pool, this.context);
        const lists = images.map(({ reference }) => listVersions(pool, reference, this.context));
        return (await Promise.all(lists)).flat();
      });
    } catch (error) {
      if (error instanceof DbupError && error.code === 'NO_POOL') return [];
      throw error;
    }
  }

  /** SHA-256 of what each version loads as, or the error, by snapshot id. */
  async loadAll(): Promise<Map<string, { imageId: string; address: string; outcome: string }>> {
    const versions = await this.versions();
    const loaded = new Map<string, { imageId: string; address: string; outcome: string }>();
    if (versions.length === 0) return loaded;
    await this.with('read', async (pool) => {
      for (const { reference, snapshotId, imageId } of versions) {
        const address = `${reference}@${snapshotId}`;
        loaded.set(snapshotId, { imageId, address, outcome: await this.#loadOne(pool, address) });
      }
    });
    return loaded;
  }

  async #loadOne(pool: Pool, address: string): Promise<string> {
    const pieces: Uint8Array[] = [];
    const stream = new Writable({
      write(piece: Uint8Array, _encoding, done) {
        pieces.push(piece);
        done();
      },
    });
    const sink = { kind: 'stream', stream, format: 'saved' } as const;
    try {
      await load(pool, address, sink, {}, this.context);
      return sha256Of(Buffer.concat(pieces));
    } catch (error) {
      return describe(error);
    }
  }

  /** What `verify --read-data` finds wrong. */
  async faults(): Promise<string[]> {
    const { findings } = await this.with('read', (pool) =>
      verify(pool, { readData: true, seed: 0 }, this.context),
    );
    return findings
      .filter(({ severity }) => severity !== 'note')
      .map(({ severity, message }) => `${severity}: ${message}`);
  }

  temporaryFiles(): string[] {
    return [...readTree(this.path(`${this.poolName}/tmp`)).keys()];
  }
}

/** An error with its code. */
export function describe(error: unknown): string {
  if (error instanceof DbupError) {
    const cause = error.cause instanceof Error ? ` (${error.cause.message})` : '';
    return `${error.code}: ${error.message}${cause}`;
  }
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { quietContext } from '../../src/core/context.js';
import { DbupError } from '../../src/core/errors.js';
import type { EngineClient } from '../../src/image/engine/engine-client.js';
import { type LoadOptions, load } from '../../src/operations/load.js';
import { type SaveOptions, type SaveResult, type SaveSource, save } from '../../src/operations/save.js';
import { openOrCreatePool, openPool, type Pool, type PoolAccess } from '../../src/pool/pool.js';
import type { FileSystem } from '../../src/store/file-system.js';
import { sha256Of } from './images.js';
import { seededRandom } from './tar-builder.js';

/** A pool in a directory of its own, with room for files beside it. */
export class PoolRoom implements AsyncDisposable {
  readonly root: string;
  readonly pool: string;
  #count = 0;

  private constructor(root: string) {
    this.root = root;
    this.pool = join(root, 'pool');
  }

  static async create(): Promise<PoolRoom> {
    return new PoolRoom(await mkdtemp(join(tmpdir(), 'dbup-room-')));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.root, { recursive: true, force: true });
  }

  path(name: string): string {
    return join(this.root, name);
  }

  async file(bytes: Uint8Array, name = `file-${this.#count++}.tar`): Promise<string> {
    await writeFile(this.path(name), bytes);
    return this.path(name);
  }

  async with<T>(access: PoolAccess, work: (pool: Pool) => Promise<T>, fs?: FileSystem): Promise<T> {
    const options = { access, cacheRoot: null, threads: 1, ...(fs && { fs }) };
    const open = access === 'append' ? openOrCreatePool : openPool;
    const pool = await open(this.pool, options);
    try {
      return await work(pool);
    } finally {
      await pool.close();
    }
  }

  save(source: SaveSource, options: SaveOptions = {}, fs?: FileSystem): Promise<SaveResult> {
    return this.with('append', (pool) => save(pool, source, options, quietContext()), fs);
  }

  /** Saves an archive that comes as a stream: an engine that the pool has never heard of exports it. */
  saveStream(pieces: AsyncIterable<Uint8Array>, options: SaveOptions = {}): Promise<SaveResult> {
    return this.save({ kind: 'engine', client: exportingEngine(pieces), image: 'app:1.0' }, options);
  }

  async saveBytes(bytes: Uint8Array, options: SaveOptions = {}, fs?: FileSystem): Promise<SaveResult> {
    return this.save({ kind: 'archive', path: await this.file(bytes, 'in.tar') }, options, fs);
  }

  /** What `load` writes to a file. */
  async load(
    address: string,
    format: 'saved' | 'docker-archive' | 'oci-archive' = 'saved',
    options: LoadOptions = {},
  ): Promise<Uint8Array> {
    const path = this.path(`out-${this.#count++}.tar`);
    await this.with('read', (pool) =>
      load(pool, address, { kind: 'file', path, format }, options, quietContext()),
    );
    return new Uint8Array(await readFile(path));
  }

  async loadIntoDirectory(address: string, path: string, tag?: string): Promise<void> {
    const sink = { kind: 'oci-directory' as const, path, ...(tag !== undefined && { tag }) };
    await this.with('read', (pool) => load(pool, address, sink, {}, quietContext()));
  }

  /** Every file of the pool and the SHA-256 of its bytes. */
  async contents(): Promise<Record<string, string>> {
    return treeOf(this.pool);
  }

  async packs(): Promise<string[]> {
    return (await readdir(join(this.pool, 'packs'))).sort().map((name) => join(this.pool, 'packs', name));
  }
}

/** An engine that has the one image `app:1.0` and exports these bytes. */
export function exportingEngine(pieces: AsyncIterable<Uint8Array>): EngineClient {
  const image = { id: `sha256:${'0'.repeat(64)}`, repoTags: ['app:1.0'], rootFsLayers: [] };
  const engine: Pick<EngineClient, 'inspectImage' | 'exportImage'> = {
    inspectImage: async () => image as never,
    exportImage: () => pieces as never,
  };
  return engine as EngineClient;
}

/** Every file below a directory and the SHA-256 of its bytes. */
export async function treeOf(directory: string): Promise<Record<string, string>> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const tree: Record<string, string> = {};
  for (const path of paths.sort()) tree[relative(directory, path)] = sha256Of(await readFile(path));
  return tree;
}

/** The code a rejected promise was rejected with; anything but a `DbupError` fails the test. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof DbupError) return error.code;
    throw error;
  }
  return 'NO_ERROR';
}

/** `bytes` in pieces of 1 to `maxBytes`, in memory that is used again for the next piece. */
export async function* inPieces(
  bytes: Uint8Array,
  seed: number,
  maxBytes: number,
): AsyncGenerator<Uint8Array> {
  const random = seededRandom(seed);
  const buffer = new Uint8Array(maxBytes);
  for (let at = 0; at < bytes.length; ) {
    const length = Math.min(bytes.length - at, 1 + Math.floor(random() * maxBytes));
    buffer.set(bytes.subarray(at, at + length));
    at += length;
    yield buffer.subarray(0, length);
  }
}

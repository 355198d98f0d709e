import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Catalog } from '../../src/catalog/catalog.js';
import { BLOCK_CODEC } from '../../src/format/block-entry.js';
import { BLOCK_KIND } from '../../src/format/pack.js';
import { sha256 } from '../../src/hash/sha256.js';
import { xxh64 } from '../../src/hash/xxh64.js';
import { type ChunkCatalog, openChunkCatalog } from '../../src/pool/chunk-catalog.js';
import { nodeFileSystem } from '../../src/store/file-system.js';
import { PackWriter } from '../../src/store/pack-file.js';
import { PoolLayout } from '../../src/store/pool-layout.js';
import { encodeDelta } from './delta-payload.js';

/** A block to be written as it is described, whether or not that makes sense. */
export interface MadeBlock {
  chunks: Uint8Array[];
  bases?: Uint8Array[];
  depth?: number;
  /** What is stored; by default what the chunks and bases make, with those of the bases that it takes. */
  stored?: Uint8Array;
  /** Lengths that the footer claims; by default the chunks'. */
  chunkBytes?: number[];
  /** Ids by default the chunks'. */
  chunkIds?: Uint8Array[];
}

/** A pool of packs whose blocks lean on one another as a test says. Its files are gone when it is disposed of. */
export class LeaningPool implements AsyncDisposable {
  readonly layout: PoolLayout;

  private constructor(directory: string) {
    this.layout = new PoolLayout(directory);
  }

  static async create(): Promise<LeaningPool> {
    const pool = new LeaningPool(await mkdtemp(join(tmpdir(), 'dbup-leaning-')));
    await mkdir(pool.layout.packsDirectory);
    return pool;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.layout.directory, { recursive: true, force: true });
  }

  /** Writes a pack. @returns its name */
  async addPack(blocks: readonly MadeBlock[]): Promise<string> {
    const writer = new PackWriter(nodeFileSystem, this.layout, 2 ** 30);
    for (const block of blocks) {
      const { chunks, bases: given = [], depth = given.length > 0 ? 1 : 0 } = block;
      const plain = Buffer.concat(chunks);
      const asGiven = { stored: block.stored ?? plain, bases: given };
      const { stored, bases } = given.length > 0 && !block.stored ? encodeDelta(plain, given) : asGiven;
      const chunkBytes = block.chunkBytes ?? chunks.map(({ length }) => length);
      await writer.add({
        stored,
        plainBytes: chunkBytes.reduce((sum, size) => sum + size, 0),
        xxh64: xxh64(stored),
        codec: bases.length > 0 ? BLOCK_CODEC.delta : block.stored ? BLOCK_CODEC.zstd : BLOCK_CODEC.raw,
        kind: BLOCK_KIND.data,
        chunkIds: block.chunkIds ?? chunks.map((chunk) => sha256(chunk)),
        chunkBytes,
        depth,
        baseIds: bases.map((base) => sha256(base)),
      });
    }
    await writer.finishPack();
    return writer.written[0]!.name;
  }

  /** Changes a byte of a pack's file. */
  async flip(name: string, at: number): Promise<void> {
    const path = this.layout.packPath(name);
    const bytes = await readFile(path);
    bytes[at]! ^= 1;
    await writeFile(path, bytes);
  }

  async chunks(lastResort?: ReadonlySet<string>): Promise<ChunkCatalog> {
    const catalog = Catalog.open(nodeFileSystem, this.layout, null);
    try {
      return await openChunkCatalog(catalog, lastResort);
    } finally {
      catalog.close();
    }
  }
}

import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { quietContext } from '../../src/core/context.js';
import { load } from '../../src/operations/load.js';
import { openPool } from '../../src/pool/pool.js';
import { archiveOf } from '../support/archive-layouts.js';
import { makeInput } from '../support/deflate-inputs.mjs';
import { type CompressedLayer, gzipBy, layoutOfLayers } from '../support/gzip-files.js';
import { sha256Of } from '../support/images.js';
import { PoolRoom } from '../support/pool-room.js';
import { concatBytes, tarEnd, tarFile } from '../support/tar-builder.js';

const layerOf = (seed: number): CompressedLayer => {
  const plain = concatBytes([tarFile('file', makeInput('text', seed, 40_000)), tarEnd()]);
  return { plain, compressed: gzipBy({ family: 'go', level: 6 }, plain) };
};
const LAYERS = [layerOf(1), layerOf(2), layerOf(3)];
const digests = LAYERS.map(({ compressed }) => sha256Of(compressed));
const archive = archiveOf(layoutOfLayers(LAYERS));

class CachedRoom {
  readonly room: PoolRoom;
  readonly cacheRoot: string;
  readonly layers: string;

  constructor(room: PoolRoom) {
    this.room = room;
    this.cacheRoot = room.path('cache');
    this.layers = join(this.cacheRoot, 'layers');
  }

  /** Loads the archive and checks it. @returns how many layers were made again */
  async load(layerCacheBytes: number, name = 'out.tar'): Promise<number> {
    const { cacheRoot } = this;
    const options = { access: 'read', cacheRoot, threads: 1, layerCacheBytes } as const;
    const pool = await openPool(this.room.pool, options);
    try {
      const { gzip } = pool.workers;
      const open = gzip.open.bind(gzip);
      let made = 0;
      gzip.open = (...words) => {
        made++;
        return open(...words);
      };
      const path = this.room.path(name);
      await load(pool, 'app:1.0', { kind: 'file', path, format: 'saved' }, {}, quietContext());
      expect(Buffer.from(await readFile(path)).equals(archive)).toBe(true);
      return made;
    } finally {
      await pool.close();
    }
  }
}

async function withRoom(work: (cached: CachedRoom) => Promise<void>): Promise<void> {
  await using room = await PoolRoom.create();
  await room.saveBytes(archive);
  await work(new CachedRoom(room));
}

describe('the cache of gzip layers that were made again', () => {
  it('is not there by default, and else makes the second load make none', () =>
    withRoom(async (cached) => {
      expect(await cached.load(0)).toBe(3);
      await expect(readdir(cached.layers)).rejects.toThrow('ENOENT');
      expect(await cached.load(1e9)).toBe(3);
      expect((await readdir(cached.layers)).sort()).toEqual([...digests].sort());
      expect(await cached.load(1e9)).toBe(0);
    }));

  it('is not believed: a file of other bytes is made again', () =>
    withRoom(async (cached) => {
      await cached.load(1e9);
      const [first, second] = digests as [string, string];
      const path = join(cached.layers, first);
      const wrong = await readFile(path);
      wrong[100]! ^= 1;
      await writeFile(path, wrong);
      await writeFile(join(cached.layers, second), 'short');
      expect(await cached.load(1e9)).toBe(2);
      expect(sha256Of(await readFile(path))).toBe(first);
      expect(await cached.load(1e9)).toBe(0);
    }));

  it('serves several at once', () =>
    withRoom(async (cached) => {
      const loads = await Promise.all(['a.tar', 'b.tar', 'c.tar'].map((name) => cached.load(1e9, name)));
      expect(loads.every((made) => made <= 3)).toBe(true);
      expect((await readdir(cached.layers)).sort()).toEqual([...digests].sort());
    }));
});

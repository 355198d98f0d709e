import { mkdir, stat } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { openOrCreatePool } from '../../src/pool/pool.js';
import { podmanArchive } from '../support/archive-layouts.js';
import { FaultyFileSystem } from '../support/faulty-file-system.js';
import { layerTar } from '../support/images.js';
import { codeOf, PoolRoom } from '../support/pool-room.js';

const archive = podmanArchive({ references: ['app:1.0'], layers: [layerTar(1, 1, 2000)] });

describe('the making of a pool', () => {
  it('may be cut short at any call: the next save makes it', async () => {
    for (let failAt = 1; ; failAt++) {
      await using room = await PoolRoom.create();
      const disk = new FaultyFileSystem({ failAt, errno: 'EIO', stays: true });
      const result = await codeOf(room.with('append', async () => {}, disk.fs));
      if (disk.fired === null) break;
      expect(result, disk.fired).toBe('IO_ERROR');
      await room.saveBytes(archive);
      expect(Buffer.from(await room.load('app:1.0')).equals(archive), disk.fired).toBe(true);
    }
  });

  it('may be done by several at once: one pool, one lock file', async () => {
    for (let round = 0; round < 10; round++) {
      await using room = await PoolRoom.create();
      if (round % 2 === 0) await mkdir(room.pool);
      const options = { access: 'append' as const, cacheRoot: null, threads: 1 };
      const pools = await Promise.all(Array.from({ length: 4 }, () => openOrCreatePool(room.pool, options)));
      expect(new Set(pools.map(({ descriptor }) => descriptor?.poolId)).size).toBe(1);
      await Promise.all(pools.map((pool) => pool.close()));
      const lock = await stat(`${room.pool}/dbup.lock`);
      expect([lock.size, lock.mtimeMs]).toEqual([0, 0]);
    }
  });
});

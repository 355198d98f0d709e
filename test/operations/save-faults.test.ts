import { readdir } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { podmanArchive, type SampleImage } from '../support/archive-layouts.js';
import { FaultyFileSystem } from '../support/faulty-file-system.js';
import { layerTar } from '../support/images.js';
import { codeOf, PoolRoom } from '../support/pool-room.js';

const base = layerTar(1, 2, 3000);
const earlier = podmanArchive({ references: ['kept:1'], layers: [base] });
const image: SampleImage = { references: ['app:1.0'], layers: [base, layerTar(2, 2, 5000)] };
const later = podmanArchive(image);

describe('a disk that fails', () => {
  it.each([
    ['ENOSPC', 'DISK_FULL', true],
    ['ENOSPC', 'DISK_FULL', false],
    ['EIO', 'IO_ERROR', false],
    ['EROFS', 'PERMISSION_DENIED', true],
    ['EDQUOT', 'DISK_FULL', false],
  ] as const)(
    '%s at any write (%s, stays: %s): what was saved loads, a retry succeeds',
    async (errno, code, stays) => {
      await using room = await PoolRoom.create();
      await room.saveBytes(earlier);
      for (let failAt = 1; ; failAt++) {
        const disk = new FaultyFileSystem({ failAt, errno, stays });
        const path = await room.file(later, 'later.tar');
        const result = await codeOf(room.save({ kind: 'archive', path }, { as: `app:${failAt}` }, disk.fs));
        if (disk.fired === null) {
          expect(result).toBe('NO_ERROR');
          expect(failAt).toBeGreaterThan(4);
          break;
        }
        expect(result, disk.fired).toBe(code);
        expect(await readdir(`${room.pool}/tmp`), disk.fired).toEqual([]);
        expect(Buffer.from(await room.load('kept:1')).equals(earlier), disk.fired).toBe(true);
        // A snapshot that appeared all the same must be whole.
        const left = await codeOf(room.load(`app:${failAt}`));
        expect(
          left === 'SNAPSHOT_NOT_FOUND' || (left === 'NO_ERROR' && disk.fired.startsWith('syncDirectory')),
          `${left} after ${disk.fired}`,
        ).toBe(true);
      }
      await room.saveBytes(later);
      expect(Buffer.from(await room.load('app:1.0')).equals(later)).toBe(true);
    },
  );

  it('at any read: an error with a code, and nothing lost', async () => {
    await using room = await PoolRoom.create();
    await room.saveBytes(earlier);
    const before = await room.contents();
    for (let failAt = 1; ; failAt++) {
      const disk = new FaultyFileSystem({ failAt, errno: 'EIO', count: 'reads' });
      const path = await room.file(earlier, 'again.tar');
      const result = await codeOf(room.save({ kind: 'archive', path }, {}, disk.fs));
      if (disk.fired === null) break;
      expect(['IO_ERROR', 'POOL_DAMAGED', 'POOL_INCOMPLETE', 'NO_ERROR'], disk.fired).toContain(result);
      expect(Buffer.from(await room.load('kept:1')).equals(earlier)).toBe(true);
    }
    expect(await room.contents()).toEqual(before);
  });
});

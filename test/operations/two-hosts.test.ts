import { copyFile, cp, mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { quietContext } from '../../src/core/context.js';
import { executeGc } from '../../src/operations/gc.js';
import { planGc } from '../../src/operations/gc-plan.js';
import { repair } from '../../src/operations/repair.js';
import { executeRemoval, planRemoval } from '../../src/operations/rm.js';
import { rollback } from '../../src/operations/rollback.js';
import { tagVersion } from '../../src/operations/tag.js';
import { openPool, type Pool } from '../../src/pool/pool.js';
import { type FileSystem, nodeFileSystem } from '../../src/store/file-system.js';
import { imageVersions } from '../support/images.js';
import { codeOf, PoolRoom } from '../support/pool-room.js';

const [first, second] = imageVersions('app:1.0', 4_100, 2, { base: 200_000, application: 90_000 });
const [other] = imageVersions('other:1', 4_200, 1, { base: 60_000, application: 30_000 });

/** The real disk, on which something happens at one moment: somebody whom no lock keeps out. */
function meanwhile(
  at: { call: 'rename' | 'unlink'; path: RegExp; when: 'before' | 'after' },
  act: () => Promise<void>,
): { fs: FileSystem; happened: () => boolean } {
  let happened = false;
  const around = async (call: string, path: string, work: () => Promise<void>): Promise<void> => {
    const hit = !happened && call === at.call && at.path.test(path);
    if (hit) happened = true;
    if (hit && at.when === 'before') await act();
    await work();
    if (hit && at.when === 'after') await act();
  };
  const fs: FileSystem = {
    ...nodeFileSystem,
    rename: (from, to) => around('rename', to, () => nodeFileSystem.rename(from, to)),
    unlink: (path) => around('unlink', path, () => nodeFileSystem.unlink(path)),
  };
  return { fs, happened: () => happened };
}

async function forget(room: PoolRoom, address: string): Promise<void> {
  await room.with('append', async (pool) => {
    await executeRemoval(
      pool,
      await planRemoval(pool, { addresses: [address] }, quietContext()),
      quietContext(),
    );
  });
}

async function gc(pool: Pool): Promise<void> {
  const thrifty = { maxUnusedPercent: 0, minGarbagePercent: 0 };
  await executeGc(pool, await planGc(pool, thrifty, quietContext()), quietContext());
}

async function namesOf(room: PoolRoom, directory: string): Promise<string[]> {
  return (await readdir(join(room.pool, directory))).sort();
}

/** A pool with `other:1`, and what only `app:1.0` needs as garbage, whose snapshot lies aside. */
async function roomWithGarbage(): Promise<{ room: PoolRoom; bringBack: () => Promise<void> }> {
  const room = await PoolRoom.create();
  await room.saveBytes(first!);
  const [snapshot] = await namesOf(room, 'snapshots');
  const aside = room.path('snapshot');
  await copyFile(join(room.pool, 'snapshots', snapshot!), aside);
  await room.saveBytes(other!);
  await forget(room, 'app:1.0');
  return { room, bringBack: () => copyFile(aside, join(room.pool, 'snapshots', snapshot!)) };
}

async function expectBoth(room: PoolRoom): Promise<void> {
  expect(Buffer.from(await room.load('app:1.0')).equals(first!)).toBe(true);
  expect(Buffer.from(await room.load('other:1')).equals(other!)).toBe(true);
}

describe('a gc that no lock keeps apart from savers', () => {
  it.each([
    { call: 'rename' as const, path: /tmp\/aside-/, when: 'before' as const },
    { call: 'rename' as const, path: /tmp\/aside-/, when: 'after' as const },
  ])('brings packs back for a snapshot that comes $when they are set aside', async (moment) => {
    const { room, bringBack } = await roomWithGarbage();
    await using _ = room;
    const packs = await namesOf(room, 'packs');
    const { fs, happened } = meanwhile(moment, bringBack);
    expect(await codeOf(room.with('exclusive', gc, fs))).toBe('INPUT_CHANGED');
    expect(happened()).toBe(true);
    expect(await namesOf(room, 'packs')).toEqual(expect.arrayContaining(packs));
    expect(await namesOf(room, 'tmp')).toEqual([]);
    await expectBoth(room);
    await room.with('exclusive', gc);
    await expectBoth(room);
  });

  it('that is killed with packs set aside leaves them to the next, which needs them again', async () => {
    const { room, bringBack } = await roomWithGarbage();
    await using _ = room;
    for (const name of await namesOf(room, 'packs'))
      await rename(join(room.pool, 'packs', name), join(room.pool, 'tmp', `aside-${name}`));
    await bringBack();
    await room.with('exclusive', gc);
    await expectBoth(room);
    expect(await namesOf(room, 'tmp')).toEqual([]);
  });

  it.each(['there', 'not there'])('removes what is set aside when nobody came; tmp/ is %s', async (tmp) => {
    const { room } = await roomWithGarbage();
    await using _ = room;
    // As in a copy that rsync has made.
    if (tmp === 'not there') await rm(join(room.pool, 'tmp'), { recursive: true });
    const before = await namesOf(room, 'packs');
    await room.with('exclusive', gc);
    expect(await namesOf(room, 'packs')).not.toEqual(expect.arrayContaining(before));
    expect(await namesOf(room, 'tmp')).toEqual([]);
    expect(Buffer.from(await room.load('other:1')).equals(other!)).toBe(true);
  });
});

describe('a saver that no lock keeps apart from a gc', () => {
  const snapshotComes = { call: 'rename' as const, path: /\/snapshots\//, when: 'after' as const };

  async function loseAllPacks(room: PoolRoom): Promise<void> {
    const packs = join(room.pool, 'packs');
    await rm(packs, { recursive: true });
    await mkdir(packs);
  }

  it.each(['before', 'after'] as const)(
    'fails when packs it built on go %s its snapshot comes',
    async (when) => {
      await using room = await PoolRoom.create();
      await room.saveBytes(first!);
      const snapshots = await namesOf(room, 'snapshots');
      const { fs, happened } = meanwhile({ ...snapshotComes, when }, () => loseAllPacks(room));
      expect(await codeOf(room.saveBytes(second!, {}, fs))).toBe('INPUT_CHANGED');
      expect(happened()).toBe(true);
      expect(await namesOf(room, 'snapshots')).toEqual(snapshots);
      // The same again succeeds, and stores what is gone.
      await room.saveBytes(second!);
      expect(Buffer.from(await room.load('app:1.0')).equals(second!)).toBe(true);
    },
  );

  it('is content when the chunks have only moved', async () => {
    await using room = await PoolRoom.create();
    await room.saveBytes(other!);
    await room.saveBytes(first!);
    await forget(room, 'other:1');
    const before = await namesOf(room, 'packs');
    const moving = async () => {
      // As another host would do it, with locks of its own.
      const twin = join(room.root, 'twin');
      await cp(room.pool, twin, { recursive: true });
      const pool = await openPool(twin, { access: 'exclusive', cacheRoot: null, threads: 1 });
      await gc(pool).finally(() => pool.close());
      await rm(join(room.pool, 'packs'), { recursive: true });
      await cp(join(twin, 'packs'), join(room.pool, 'packs'), { recursive: true });
    };
    const { fs, happened } = meanwhile({ ...snapshotComes, when: 'after' }, moving);
    await room.with('append', (pool) => tagVersion(pool, 'app:1.0', 'again:1', quietContext()), fs);
    expect(happened()).toBe(true);
    expect(await namesOf(room, 'packs')).not.toEqual(before);
    expect(Buffer.from(await room.load('again:1')).equals(first!)).toBe(true);
  });

  it('is told by tag and rollback as well, and nothing is added', async () => {
    await using room = await PoolRoom.create();
    await room.saveBytes(first!);
    await room.saveBytes(second!);
    const snapshots = await namesOf(room, 'snapshots');
    const losing = () => meanwhile(snapshotComes, () => loseAllPacks(room)).fs;
    expect(
      await codeOf(room.with('append', (pool) => rollback(pool, 'app:1.0', '~1', quietContext()), losing())),
    ).toBe('INPUT_CHANGED');
    expect(await namesOf(room, 'snapshots')).toEqual(snapshots);
    await room.saveBytes(second!, { as: 'app:2.0' });
    const now = await namesOf(room, 'snapshots');
    expect(
      await codeOf(
        room.with('append', (pool) => tagVersion(pool, 'app:2.0', 'app:3.0', quietContext()), losing()),
      ),
    ).toBe('INPUT_CHANGED');
    expect(await namesOf(room, 'snapshots')).toEqual(now);
  });
});

describe('a repair that no lock keeps apart from savers', () => {
  it('finds what a killed gc has set aside, and needs no other pool for it', async () => {
    await using room = await PoolRoom.create();
    await room.saveBytes(first!);
    const other = room.path('elsewhere');
    await cp(room.pool, other, { recursive: true });
    await rm(join(other, 'packs'), { recursive: true });
    await mkdir(join(other, 'packs'));
    for (const name of await namesOf(room, 'packs'))
      await rename(join(room.pool, 'packs', name), join(room.pool, 'tmp', `aside-${name}`));
    expect(await codeOf(room.load('app:1.0'))).toBe('POOL_INCOMPLETE');
    const { findingsAfter } = await room.with('exclusive', (pool) => repair(pool, other, quietContext()));
    expect(findingsAfter).toEqual([]);
    expect(Buffer.from(await room.load('app:1.0')).equals(first!)).toBe(true);
  });
});

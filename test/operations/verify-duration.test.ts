import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { quietContext } from '../../src/core/context.js';
import type { VerifyResult } from '../../src/operations/findings.js';
import { protect } from '../../src/operations/protect.js';
import { repair } from '../../src/operations/repair.js';
import { save } from '../../src/operations/save.js';
import { verify } from '../../src/operations/verify.js';
import { openPool, type Pool, type PoolAccess } from '../../src/pool/pool.js';
import { dockerArchive, layerTar } from '../support/images.js';
import { codeOf } from '../support/pool-room.js';
import { SmallPool } from './small-pool.js';

const DAY_MS = 86_400_000;
const archiveOf = (i: number): Uint8Array =>
  dockerArchive({ references: [`app:${i}`], layers: [layerTar(60 + i, 1, 20_000)] });

/** As a user has it: with a catalog on disk. */
async function withCache<T>(
  pool: SmallPool,
  access: PoolAccess,
  work: (open: Pool) => Promise<T>,
): Promise<T> {
  const cacheRoot = join(pool.root, 'cache');
  const open = await openPool(pool.directory, { access, cacheRoot, threads: 1 });
  try {
    return await work(open);
  } finally {
    await open.close();
  }
}

describe('verify for a length of time', () => {
  let sound: SmallPool;
  beforeAll(async () => {
    sound = await SmallPool.create();
    for (let i = 0; i < 4; i++) await sound.save(archiveOf(i));
    await sound.with('append', (open) => protect(open, { sharePercent: 10 }, quietContext()));
  });
  afterAll(async () => sound[Symbol.asyncDispose]());

  /** Time stands still but for each look at the clock once it has begun: so many files are read. */
  function check(pool: SmallPool, day: number, stepMs: number): Promise<VerifyResult> {
    let nowMs = day * DAY_MS;
    const now = (): number => {
      nowMs += stepMs;
      return nowMs;
    };
    const options = { readData: true, maxDurationMs: 1000 } as const;
    return withCache(pool, 'read', (open) => verify(open, options, quietContext({ now })));
  }

  it('reads at least one file, goes on with those never read, and begins again with the oldest', async () => {
    await using pool = await sound.copy();
    const counts: unknown[] = [];
    for (let day = 1; day <= 8; day++) {
      const { checked, damaged } = await check(pool, day, 2000);
      expect(damaged).toBe(false);
      counts.push([checked!.filesRead, checked!.neverChecked]);
      expect(checked!.files).toBe(5);
    }
    // Four packs, one a day; parity is due when it was checked no later than any pack.
    expect(counts.slice(0, 4)).toEqual([
      [1, 4],
      [1, 3],
      [1, 2],
      [1, 1],
    ]);
    expect(counts.slice(4).every((count) => (count as number[])[0] === 1)).toBe(true);
    const all = await check(pool, 20, 0);
    expect(all.checked).toEqual({
      files: 5,
      filesRead: 5,
      neverChecked: 0,
      oldestCheckedAt: new Date(20 * DAY_MS).toISOString(),
    });
  });

  it('finds damage in the end, wherever it is, and loses nothing with its memory', async () => {
    await using pool = await sound.copy();
    await check(pool, 1, 0);
    const [name] = (await readdir(join(pool.directory, 'packs'))).sort();
    const path = join(pool.directory, 'packs', name!);
    const bytes = await readFile(path);
    bytes[100]! ^= 1;
    await writeFile(path, bytes);
    let day = 2;
    while (!(await check(pool, day, 2000)).damaged) expect(day++).toBeLessThan(8);
    await rm(join(pool.root, 'cache'), { recursive: true });
    expect((await check(pool, 30, 2000)).checked).toMatchObject({ filesRead: 1, neverChecked: 4 });
  });

  it('is for the data of the whole pool', async () => {
    const ask = (options: object): Promise<string> =>
      codeOf(
        sound.with('read', (open) => verify(open, { maxDurationMs: 5, ...options } as never, quietContext())),
      );
    expect(await ask({ readData: 10 })).toBe('USAGE');
    expect(await ask({ readData: true, address: 'app:1' })).toBe('USAGE');
  });

  it('makes the next save store again what was found damaged, and repair remove the rest', async () => {
    await using pool = await SmallPool.create();
    for (let i = 0; i < 3; i++) await pool.save(archiveOf(i));
    const path = join(pool.root, 'again.tar');
    await writeFile(path, archiveOf(1));
    const saveAgain = (): Promise<unknown> =>
      withCache(pool, 'append', (open) => save(open, { kind: 'archive', path }, {}, quietContext()));
    const expected = await pool.load('app:1');
    let hit = 0;
    for (const name of await readdir(join(pool.directory, 'packs'))) {
      const file = join(pool.directory, 'packs', name);
      const bytes = await readFile(file);
      const damaged = Buffer.from(bytes);
      damaged[5000]! ^= 1;
      await writeFile(file, damaged);
      const found = await withCache(pool, 'read', (open) => verify(open, { readData: true }, quietContext()));
      expect(found.damaged).toBe(true);
      if (found.imagesHit.includes('app:1')) {
        hit++;
        break;
      }
      await writeFile(file, bytes);
    }
    expect(hit).toBe(1);
    expect(await codeOf(pool.load('app:1'))).toBe('POOL_DAMAGED');
    expect(await saveAgain()).toMatchObject({ images: [{ alreadySaved: true }] });
    expect(Buffer.compare(await pool.load('app:1'), expected)).toBe(0);
    const mended = await withCache(pool, 'exclusive', (open) => repair(open, null, quietContext()));
    expect(mended).toMatchObject({ damaged: false, incomplete: false });
    expect(Buffer.compare(await pool.load('app:1'), expected)).toBe(0);
    const again = await withCache(pool, 'append', async (open) => open.checks.damagedBlocks());
    expect(again).toEqual([]);
  });
});

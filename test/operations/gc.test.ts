import { cp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { quietContext } from '../../src/core/context.js';
import { executeGc, type GcResult } from '../../src/operations/gc.js';
import { type GcOptions, type GcPlan, planGc } from '../../src/operations/gc-plan.js';
import { executeRemoval, planRemoval } from '../../src/operations/rm.js';
import { stats } from '../../src/operations/stats.js';
import { verify } from '../../src/operations/verify.js';
import type { FileSystem } from '../../src/store/file-system.js';
import { dockerArchiveOf, imageVersions, layerTar } from '../support/images.js';
import { FailingFileSystem } from './failing-file-system.js';
import { SmallPool } from './small-pool.js';

const context = quietContext();
/** Every pack with any garbage is rewritten. */
const EVERYTHING: GcOptions = { maxUnusedPercent: 0, minGarbagePercent: 0 };

async function forget(pool: SmallPool, ...addresses: string[]): Promise<void> {
  await pool.with('append', async (open) => {
    await executeRemoval(open, await planRemoval(open, { addresses }, context), context);
  });
}

async function collect(
  pool: SmallPool,
  options: GcOptions = EVERYTHING,
  fs?: FileSystem,
): Promise<{ plan: GcPlan; result: GcResult }> {
  return pool.with(
    'exclusive',
    async (open) => {
      const plan = await planGc(open, options, context);
      return { plan, result: await executeGc(open, plan, context) };
    },
    fs,
  );
}

async function packBytes(pool: SmallPool): Promise<number> {
  const directory = join(pool.directory, 'packs');
  const sizes = (await readdir(directory)).map(async (name) => (await stat(join(directory, name))).size);
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

/** Everything that is to load, as it was before. */
async function expectSame(pool: SmallPool, expected: Map<string, Buffer | Error>): Promise<void> {
  const loaded = await pool.loadAll();
  expect([...loaded.keys()].sort()).toEqual([...expected.keys()].sort());
  for (const [id, bytes] of loaded)
    expect(Buffer.isBuffer(bytes) && bytes.equals(expected.get(id) as Buffer)).toBe(true);
}

async function expectSound(pool: SmallPool): Promise<void> {
  const result = await pool.with('read', (open) => verify(open, { readData: true }, context));
  expect(result.findings).toEqual([]);
}

describe('gc', () => {
  let original: SmallPool;
  const versions = imageVersions('app:1.0', 7, 4, { base: 2_400_000, application: 900_000 });

  beforeAll(async () => {
    original = await SmallPool.create();
    for (const version of versions) await original.save(version);
  });
  afterAll(async () => original[Symbol.asyncDispose]());

  it('leaves a pool alone that has no garbage', async () => {
    await using pool = await original.copy();
    const before = await pool.files();
    const { plan, result } = await collect(pool);
    expect(plan).toMatchObject({ packs: { remove: [], rewrite: [], damaged: [] }, freedBytes: 0 });
    expect(result).toMatchObject({ freedBytes: 0, packsWritten: 0 });
    expect(await pool.files()).toEqual(before);
  });

  it('frees what only forgotten versions needed, and what is left loads exactly', async () => {
    await using pool = await original.copy();
    const promised = await pool.with('read', (open) => stats(open, 'app:1.0', context));
    await forget(pool, 'app:1.0~0', 'app:1.0~3');
    const expected = await pool.loadAll();
    const beforeBytes = await packBytes(pool);
    const dryRun = await pool.with('read', (open) => planGc(open, EVERYTHING, context));
    const { plan, result } = await collect(pool);
    expect(plan).toEqual(dryRun);
    expect(plan.packs.remove.length).toBe(1);
    expect(plan.packs.rewrite.length).toBeGreaterThan(0);
    expect(plan.liveBytes + plan.garbageBytes).toBe(beforeBytes);
    expect(result.freedBytes).toBe(beforeBytes - (await packBytes(pool)));
    expect(Math.abs(result.freedBytes - plan.freedBytes)).toBeLessThan(10_000);
    expect(Math.abs(result.writtenBytes - plan.rewrittenBytes)).toBeLessThan(10_000);
    expect(result.freedBytes).toBeGreaterThan(promised.version!.uniqueBytes - 10_000);
    await expectSame(pool, expected);
    await expectSound(pool);
    const again = await collect(pool);
    expect(again.result).toMatchObject({ freedBytes: 0, packsWritten: 0 });
  });

  it('rewrites only packs whose garbage is worth sending the rest again', async () => {
    await using pool = await original.copy();
    await forget(pool, 'app:1.0~3');
    const plan = (options: GcOptions): Promise<GcPlan> =>
      pool.with('read', (open) => planGc(open, options, context));
    const all = await plan(EVERYTHING);
    const shares = all.packs.rewrite.map(({ garbageBytes, sizeBytes }) => (garbageBytes / sizeBytes) * 100);
    const largest = Math.max(...shares);
    expect((await plan({})).packs.rewrite).toEqual([]);
    expect((await plan({ maxUnusedPercent: 0, minGarbagePercent: largest + 1 })).packs.rewrite).toEqual([]);
    expect((await plan({ maxUnusedPercent: 0, minGarbagePercent: largest - 0.1 })).packs.rewrite.length).toBe(
      1,
    );
    expect((await plan({ maxUnusedPercent: 100, minGarbagePercent: 0 })).packs.rewrite).toEqual([]);
    await expect(plan({ maxUnusedPercent: 101 })).rejects.toMatchObject({ code: 'USAGE' });
  });

  it('empties a pool of which everything was forgotten, and its tmp/', async () => {
    await using pool = await original.copy();
    await forget(pool, 'app:1.0');
    await writeFile(join(pool.directory, 'tmp', '123-abc'), Buffer.alloc(1000));
    const { plan, result } = await collect(pool, {});
    expect(plan.temporaryFiles).toEqual({ count: 1, bytes: 1000 });
    expect(result.temporaryFilesRemoved).toBe(1);
    expect(await pool.files()).toEqual([]);
    expect(await readdir(join(pool.directory, 'tmp'))).toEqual([]);
    await pool.save(versions[0]!);
    expect((await pool.load('app:1.0')).equals(versions[0]!)).toBe(true);
  });

  it.each([1, 2, 3])('keeps one copy of what two sites stored twice (%s)', async (seed) => {
    await using here = await original.copy();
    await using there = await original.copy();
    const shared = layerTar(100 + seed, 2, 300_000);
    const one = { references: ['both:1'], layers: [shared] };
    await here.save(dockerArchiveOf([one]));
    there.nowMs += 1000;
    await there.save(
      dockerArchiveOf([one, { references: ['there:1'], layers: [layerTar(200 + seed, 1, 150_000), shared] }]),
    );
    for (const directory of ['packs', 'snapshots'])
      await cp(join(there.directory, directory), join(here.directory, directory), { recursive: true });
    const expected = await here.loadAll();
    expect(expected.size).toBe(7);
    const { result } = await collect(here);
    expect(result.freedBytes).toBeGreaterThan(550_000);
    await expectSame(here, expected);
    await expectSound(here);
    await forget(here, 'there:1');
    await collect(here);
    await expectSound(here);
    expect((await collect(here)).result.freedBytes).toBe(0);
  });

  it('does not take the good copy of a chunk whose other copy is damaged', async () => {
    await using here = await original.copy();
    await using there = await original.copy();
    const shared = layerTar(301, 2, 300_000);
    const before = new Set(await here.files());
    await here.save(dockerArchiveOf([{ references: ['both:1'], layers: [shared] }]));
    await there.save(dockerArchiveOf([{ references: ['both:2'], layers: [shared, layerTar(302, 1, 9000)] }]));
    for (const directory of ['packs', 'snapshots'])
      await cp(join(there.directory, directory), join(here.directory, directory), { recursive: true });
    const added = (await here.files()).filter((file) => file.startsWith('packs') && !before.has(file));
    // The copy that is used, and would remain, is that of the first pack by name.
    const path = join(here.directory, added[0]!);
    const bytes = await readFile(path);
    bytes[100_000] = bytes[100_000]! ^ 1;
    await writeFile(path, bytes);
    const files = await here.files();
    await expect(collect(here)).rejects.toMatchObject({ code: 'POOL_DAMAGED' });
    expect(await here.files()).toEqual(files);
  });

  it('refuses when a snapshot or a recipe is damaged, and removes nothing', async () => {
    const recipes = async (pool: SmallPool): Promise<void> => {
      // Recipes are in the last block of a pack, just before its footer.
      const file = (await pool.files()).filter((name) => name.startsWith('packs')).at(-1)!;
      const bytes = await readFile(join(pool.directory, file));
      const footerBytes = bytes.readUInt32LE(bytes.length - 32);
      const at = bytes.length - 32 - footerBytes - 20;
      bytes[at] = bytes[at]! ^ 1;
      await writeFile(join(pool.directory, file), bytes);
    };
    const snapshot = async (pool: SmallPool): Promise<void> => {
      const file = (await pool.files()).at(-1)!;
      await truncate(join(pool.directory, file), 100);
    };
    for (const injure of [recipes, snapshot]) {
      await using pool = await original.copy();
      await injure(pool);
      const files = await pool.files();
      await expect(collect(pool)).rejects.toMatchObject({ code: 'POOL_DAMAGED' });
      expect(await pool.files()).toEqual(files);
    }
  });

  it('leaves a pack with a damaged footer where it is', async () => {
    await using pool = await original.copy();
    const before = new Set(await pool.files());
    await pool.save(dockerArchiveOf([{ references: ['lost:1'], layers: [layerTar(400, 1, 50_000)] }]));
    await forget(pool, 'lost:1');
    const file = (await pool.files()).find((name) => !before.has(name))!;
    await truncate(join(pool.directory, file), 1000);
    const { plan } = await collect(pool);
    expect(plan.packs.damaged.map(({ name }) => join('packs', name))).toEqual([file]);
    expect(await pool.files()).toContain(file);
  });

  it('keeps what an incomplete version still has, and refuses when its lists are missing', async () => {
    await using pool = await original.copy();
    const files = (await pool.files()).filter((name) => name.startsWith('packs'));
    let refused = 0;
    for (const file of files) {
      await using copy = await pool.copy();
      await rm(join(copy.directory, file));
      const left = await copy.files();
      const outcome = await collect(copy).catch((error: { code: string }) => error.code);
      if (outcome === 'POOL_INCOMPLETE') {
        refused++;
        expect(await copy.files()).toEqual(left);
      } else {
        // What is still there must be whole once the lost pack is back.
        await cp(join(pool.directory, file), join(copy.directory, file));
        await expectSame(copy, await original.loadAll());
      }
    }
    expect(refused).toBeGreaterThan(0);
  });

  it('gives up when a snapshot arrives between plan and execution', async () => {
    await using pool = await original.copy();
    const name = (await pool.files()).at(-1)!;
    const path = join(pool.directory, name);
    const bytes = await readFile(path);
    await forget(pool, 'app:1.0~3');
    await rm(path, { force: true });
    await pool.with('exclusive', async (open) => {
      const plan = await planGc(open, EVERYTHING, context);
      await writeFile(path, bytes);
      await expect(executeGc(open, plan, context)).rejects.toMatchObject({ code: 'INPUT_CHANGED' });
      await expect(executeGc(open, plan, context)).rejects.toThrow(/executed once/);
    });
    expect(
      await pool.with('read', async (open) => (await verify(open, { readData: true }, context)).damaged),
    ).toBe(false);
  });

  it('can die at any call and loses nothing', async () => {
    await using prepared = await original.copy();
    await forget(prepared, 'app:1.0~0', 'app:1.0~3');
    await writeFile(join(prepared.directory, 'tmp', '123-abc'), Buffer.alloc(10));
    const expected = await prepared.loadAll();
    let calls = 1;
    for (; ; calls++) {
      await using pool = await prepared.copy();
      const disk = new FailingFileSystem(calls);
      const outcome = await collect(pool, EVERYTHING, disk).catch((error: { code: string }) => error.code);
      if (!disk.failed) {
        expect(outcome).toMatchObject({ result: { packsRemoved: 1 } });
        break;
      }
      expect(outcome).toBe('IO_ERROR');
      await expectSame(pool, expected);
    }
    expect(calls).toBeGreaterThan(10);
    // What the last failure left behind is garbage like any other.
    await using pool = await prepared.copy();
    await collect(pool, EVERYTHING, new FailingFileSystem(calls - 1)).catch(() => {});
    await collect(pool);
    expect((await collect(pool)).result.freedBytes).toBe(0);
    await expectSound(pool);
    await expectSame(pool, expected);
  });
});

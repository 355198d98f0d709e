import { mkdir, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { quietContext } from '../../src/core/context.js';
import type { VerifyResult } from '../../src/operations/findings.js';
import { executeGc } from '../../src/operations/gc.js';
import { planGc } from '../../src/operations/gc-plan.js';
import { type ProtectResult, protect, removeParity } from '../../src/operations/protect.js';
import { type RepairResult, repair } from '../../src/operations/repair.js';
import { executeRemoval, planRemoval } from '../../src/operations/rm.js';
import { verify } from '../../src/operations/verify.js';
import { dockerArchive, imageVersions, layerTar } from '../support/images.js';
import { treeOf } from '../support/pool-room.js';
import { seededRandom } from '../support/tar-builder.js';
import { SmallPool } from './small-pool.js';

const context = quietContext();
const SEED = Number(process.env.DBUP_SEED ?? 20_261);

function cover(pool: SmallPool, sharePercent = 10): Promise<ProtectResult> {
  return pool.with('append', (open) => protect(open, { sharePercent }, context));
}

function check(pool: SmallPool): Promise<VerifyResult> {
  return pool.with('read', (open) => verify(open, { readData: true }, context));
}

function heal(pool: SmallPool): Promise<RepairResult> {
  return pool.with('exclusive', (open) => repair(open, null, context));
}

async function filesIn(pool: SmallPool, directory: string): Promise<string[]> {
  const names = await readdir(join(pool.directory, directory)).catch(() => []);
  return names.sort().map((name) => join(pool.directory, directory, name));
}

/** The pool's files, and nothing that is in the making. */
async function poolFiles(pool: SmallPool): Promise<Record<string, string>> {
  return treeOf(pool.directory);
}

type Injury = (bytes: Buffer, at: number, length: number) => Buffer;
/** Each to a range of `length` bytes. */
const INJURIES: Record<string, Injury> = {
  zeroed: (bytes, at, length) => Buffer.from(bytes).fill(0, at, at + length),
  inverted: (bytes, at, length) =>
    Buffer.from(bytes.map((byte, i) => (i >= at && i < at + length ? ~byte : byte))),
  'cut off': (bytes, _, length) => bytes.subarray(0, bytes.length - length),
  'without a beginning': (bytes, _, length) => Buffer.from(bytes).fill(0xff, 0, length),
  'without an end': (bytes, _, length) => Buffer.from(bytes).fill(0xff, bytes.length - length),
};

describe('parity', () => {
  let sound: SmallPool;
  let files: Record<string, string>;

  beforeAll(async () => {
    sound = await SmallPool.create();
    for (const version of imageVersions('app:1.0', 3, 2, { base: 120_000, application: 40_000 }))
      await sound.save(version);
    for (let i = 0; i < 4; i++)
      await sound.save(dockerArchive({ references: [`other:${i}`], layers: [layerTar(90 + i, 1, 9_000)] }));
    await cover(sound);
    files = await poolFiles(sound);
  });
  afterAll(async () => sound[Symbol.asyncDispose]());

  it('leaves the other files as they are, is made once, and is sound', async () => {
    await using pool = await SmallPool.create();
    await pool.save(dockerArchive({ references: ['a:1'], layers: [layerTar(5, 2, 50_000)] }));
    const before = await poolFiles(pool);
    const first = await cover(pool);
    const after = await poolFiles(pool);
    expect(first).toMatchObject({ packsCovered: 1, copies: 2, keptCount: 0, leftOut: [] });
    expect(Object.keys(after).length).toBe(Object.keys(before).length + 1);
    expect(after).toMatchObject(before);
    const [added] = first.added;
    expect(after[added!.file]).toBe(added!.file.slice('parity/'.length));
    expect(await cover(pool)).toMatchObject({ added: [], removed: [], keptCount: 1, packsCovered: 1 });
    expect(await poolFiles(pool)).toEqual(after);
    expect(await check(pool)).toMatchObject({ findings: [], parity: { files: 1, packsCovered: 1 } });
  });

  for (const [what, injure] of Object.entries(INJURIES)) {
    it(`heals packs that are ${what}, up to the share, all of them at once`, async () => {
      const random = seededRandom(SEED);
      await using pool = await sound.copy();
      const packs = await filesIn(pool, 'packs');
      for (const path of packs) {
        const bytes = await readFile(path);
        const length = Math.floor(bytes.length / 10);
        await writeFile(path, injure(bytes, Math.floor(random() * (bytes.length - length)), length));
      }
      expect((await check(pool)).damaged, `seed ${SEED}`).toBe(true);
      const result = await heal(pool);
      expect(result.repaired.map(({ action }) => action)).toEqual(packs.map(() => 'healed'));
      expect(result).toMatchObject({ damaged: false, incomplete: false, findingsAfter: [] });
      expect(await poolFiles(pool), `seed ${SEED}`).toEqual(files);
    });
  }

  it('heals any range of one pack that is no longer than the share of all', async () => {
    const random = seededRandom(SEED + 1);
    await using pool = await sound.copy();
    const packs = await filesIn(pool, 'packs');
    const sizes = await Promise.all(packs.map(async (path) => (await stat(path)).size));
    const totalBytes = sizes.reduce((sum, size) => sum + size, 0);
    for (let round = 0; round < 3; round++) {
      const path = packs[Math.floor(random() * packs.length)]!;
      const bytes = await readFile(path);
      const length = Math.min(bytes.length, Math.floor(totalBytes / 10));
      const at = Math.floor(random() * (bytes.length - length));
      const injury = Object.values(INJURIES)[round % 5]!;
      await writeFile(path, injury(bytes, at, length));
      expect(await heal(pool), `seed ${SEED + 1}, round ${round}`).toMatchObject({ findingsAfter: [] });
      expect(await poolFiles(pool), `seed ${SEED + 1}, round ${round}`).toEqual(files);
    }
  });

  it('gives back a pack that is lost whole, where it is no more than the share', async () => {
    await using pool = await sound.copy();
    const packs = await filesIn(pool, 'packs');
    const sizes = await Promise.all(packs.map(async (path) => (await stat(path)).size));
    const totalBytes = sizes.reduce((sum, size) => sum + size, 0);
    const small = packs.filter((_, i) => sizes[i]! <= totalBytes / 10);
    expect(small.length).toBeGreaterThan(1);
    for (const path of small.slice(0, 2)) {
      await rm(path);
      expect((await check(pool)).incomplete).toBe(true);
      expect(await heal(pool)).toMatchObject({ damaged: false, incomplete: false });
      expect(await poolFiles(pool)).toEqual(files);
    }
  });

  it('heals damaged snapshots and itself, to the very same files', async () => {
    await using pool = await sound.copy();
    for (const path of await filesIn(pool, 'snapshots')) await truncate(path, 100);
    const [parity] = await filesIn(pool, 'parity');
    const bytes = await readFile(parity!);
    await writeFile(parity!, Buffer.from(bytes).fill(0, 0, Math.floor(bytes.length / 2)));
    const found = await check(pool);
    expect(found.findings.filter(({ kind }) => kind === 'parity-damaged').map(({ file }) => file)).toEqual([
      parity!.slice(pool.directory.length + 1),
    ]);
    expect(await heal(pool)).toMatchObject({ findingsAfter: [] });
    expect(await poolFiles(pool)).toEqual(files);
  });

  it('heals packs with a part of its own file gone', async () => {
    await using pool = await sound.copy();
    const [parity] = await filesIn(pool, 'parity');
    await truncate(parity!, Math.floor((await stat(parity!)).size * 0.9));
    const [pack] = await filesIn(pool, 'packs');
    await truncate(pack!, Math.floor((await stat(pack!)).size * 0.95));
    expect(await heal(pool)).toMatchObject({ findingsAfter: [] });
    expect(await poolFiles(pool)).toEqual(files);
  });

  it('is made anew where nothing of it is left', async () => {
    await using pool = await sound.copy();
    const [parity] = await filesIn(pool, 'parity');
    await writeFile(parity!, new Uint8Array(5000));
    expect(await heal(pool)).toMatchObject({ findingsAfter: [] });
    expect(await poolFiles(pool)).toEqual(files);
  });

  it('says what it cannot heal, and changes nothing of it', async () => {
    await using pool = await sound.copy();
    const packs = await filesIn(pool, 'packs');
    const before: Buffer[] = [];
    for (const path of packs) {
      const bytes = await readFile(path);
      await writeFile(path, Buffer.from(bytes).fill(0, Math.floor(bytes.length / 3)));
      before.push(await readFile(path));
    }
    const result = await heal(pool);
    expect(result.damaged).toBe(true);
    expect(result.repaired).toEqual([]);
    expect(await Promise.all(packs.map((path) => readFile(path)))).toEqual(before);
    expect(await readdir(join(pool.directory, 'tmp'))).toEqual([]);
  });

  it('does not bring back versions that were removed', async () => {
    await using pool = await sound.copy();
    await pool.with('append', async (open) =>
      executeRemoval(open, await planRemoval(open, { addresses: ['other:1'] }, context), context),
    );
    const snapshots = await filesIn(pool, 'snapshots');
    expect(snapshots.length).toBe(5);
    await heal(pool);
    expect(await filesIn(pool, 'snapshots')).toEqual(snapshots);
  });

  it('of another share takes the place of the one there was', async () => {
    await using pool = await sound.copy();
    const before = await filesIn(pool, 'parity');
    const more = await cover(pool, 50);
    expect(more.removed.map((file) => join(pool.directory, file))).toEqual(before);
    expect(more.added.length).toBe(1);
    for (const path of await filesIn(pool, 'packs'))
      await truncate(path, Math.floor((await stat(path)).size / 2));
    expect(await heal(pool)).toMatchObject({ findingsAfter: [] });
    expect(await pool.with('append', (open) => removeParity(open))).toMatchObject({
      parityBytes: 0,
      sharePercent: 0,
    });
    expect(await filesIn(pool, 'parity')).toEqual([]);
  });

  it('covers only what is new, and makes one set of many small ones', async () => {
    await using pool = await SmallPool.create();
    for (let i = 0; i < 10; i++) {
      await pool.save(dockerArchive({ references: [`a:${i}`], layers: [layerTar(40 + i, 1, 20_000)] }));
      const result = await cover(pool);
      expect(result.packsCovered).toBe(i + 1);
      expect([result.added.length, result.removed.length]).toEqual([1, i === 8 ? 8 : 0]);
    }
    expect((await filesIn(pool, 'parity')).length).toBe(2);
    expect(await check(pool)).toMatchObject({ findings: [], parity: { packsCovered: 10 } });
  });

  it('makes no parity of damage', async () => {
    await using pool = await sound.copy();
    await pool.with('append', (open) => removeParity(open));
    const [pack] = await filesIn(pool, 'packs');
    const bytes = await readFile(pack!);
    bytes[30]! ^= 1;
    await writeFile(pack!, bytes);
    const result = await cover(pool);
    expect(result.leftOut.map(({ file }) => join(pool.directory, file))).toEqual([pack]);
    expect(result.packsCovered).toBe((await filesIn(pool, 'packs')).length - 1);
  });

  it('is dropped by gc with the last pack it covers, and told to be stale before', async () => {
    await using pool = await sound.copy();
    const forget = (reference: string): Promise<unknown> =>
      pool.with('append', async (open) =>
        executeRemoval(open, await planRemoval(open, { addresses: [reference] }, context), context),
      );
    const collect = () =>
      pool.with('exclusive', async (open) =>
        executeGc(open, await planGc(open, { minGarbagePercent: 0, maxUnusedPercent: 0 }, context), context),
      );
    await forget('other:0');
    expect(await collect()).toMatchObject({ parityFilesRemoved: 0, parityFilesStale: 1 });
    const found = await check(pool);
    expect(found).toMatchObject({ damaged: false, incomplete: false });
    expect(found.findings.map(({ kind }) => kind)).toContain('parity-incomplete');
    expect(await cover(pool)).toMatchObject({ added: [{}], removed: [expect.any(String)] });
    expect((await check(pool)).findings).toEqual([]);
    for (let i = 1; i < 4; i++) await forget(`other:${i}`);
    await pool.with('append', async (open) =>
      executeRemoval(open, await planRemoval(open, { addresses: ['app:1.0'] }, context), context),
    );
    expect(await collect()).toMatchObject({ parityFilesRemoved: 1, parityFilesStale: 0 });
    expect(await filesIn(pool, 'parity')).toEqual([]);
  });

  it('does not follow a link or meddle with a directory in the place of its files', async () => {
    await using pool = await sound.copy();
    const [parity] = await filesIn(pool, 'parity');
    await rm(parity!);
    await mkdir(parity!);
    const found = await check(pool);
    expect(found.damaged).toBe(true);
    await heal(pool);
    expect((await stat(parity!)).isDirectory()).toBe(true);
  });
});

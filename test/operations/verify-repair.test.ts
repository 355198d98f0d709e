import { createHash } from 'node:crypto';
import { mkdir, readFile, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { quietContext } from '../../src/core/context.js';
import type { VerifyOptions, VerifyResult } from '../../src/operations/findings.js';
import { listVersions } from '../../src/operations/list.js';
import { type RepairResult, repair } from '../../src/operations/repair.js';
import { executeRemoval, planRemoval } from '../../src/operations/rm.js';
import { verify } from '../../src/operations/verify.js';
import { dockerArchive, imageVersions, layerTar } from '../support/images.js';
import { SmallPool } from './small-pool.js';

const context = quietContext();

function check(pool: SmallPool, options: VerifyOptions = { readData: true }): Promise<VerifyResult> {
  return pool.with('read', (open) => verify(open, options, context));
}

function mend(pool: SmallPool, other: SmallPool): Promise<RepairResult> {
  return pool.with('exclusive', (open) => repair(open, other.directory, context));
}

async function flip(path: string, at: number): Promise<void> {
  const bytes = await readFile(path);
  bytes[at] = bytes[at]! ^ 0x10;
  await writeFile(path, bytes);
}

async function swap(one: string, other: string): Promise<void> {
  const [a, b] = [await readFile(one), await readFile(other)];
  await writeFile(one, b);
  await writeFile(other, a);
}

/** Where a pack's footer begins. */
async function footerOffset(path: string): Promise<number> {
  const bytes = await readFile(path);
  return bytes.length - 32 - bytes.readUInt32LE(bytes.length - 32);
}

type Injury = (path: string, neighbour: string) => Promise<void>;
const PACK_INJURIES: Record<string, Injury> = {
  'a flipped bit in the header': (path) => flip(path, 3),
  'a flipped bit in the first block': (path) => flip(path, 40),
  'a flipped bit in the last block': async (path) => flip(path, (await footerOffset(path)) - 10),
  'a flipped bit in the footer': async (path) => flip(path, (await footerOffset(path)) + 30),
  'a flipped bit in the trailer': async (path) => flip(path, (await stat(path)).size - 5),
  'a lost end': async (path) => truncate(path, Math.floor((await stat(path)).size / 2)),
  'nothing in it': (path) => truncate(path, 0),
  'another pack in its place': swap,
  'a directory in its place': async (path) => {
    await rm(path);
    await mkdir(path);
  },
  'a symbolic link in its place': async (path) => {
    await rm(path);
    await symlink('/dev/zero', path);
  },
};
const SNAPSHOT_INJURIES: Record<string, Injury> = {
  'a flipped bit': (path) => flip(path, 200),
  'a lost end': (path) => truncate(path, 50),
  'another snapshot in its place': swap,
};

describe('verify and repair', () => {
  let sound: SmallPool;
  let loads: Map<string, Buffer | Error>;
  const versions = imageVersions('app:1.0', 3, 2, { base: 60_000, application: 60_000 });

  beforeAll(async () => {
    sound = await SmallPool.create();
    for (const version of versions) await sound.save(version);
    await sound.save(dockerArchive({ references: ['other:1'], layers: [layerTar(9, 2, 30_000)] }));
    loads = await sound.loadAll();
  });
  afterAll(async () => sound[Symbol.asyncDispose]());

  /** What loads is exact, and what does not is named by a finding. */
  async function expectHonest(pool: SmallPool, result: VerifyResult): Promise<void> {
    const addresses = new Map<string, string>();
    await pool.with('read', async (open) => {
      for (const reference of ['app:1.0', 'other:1']) {
        const list = await listVersions(open, reference, context).catch(() => []);
        for (const { snapshotId, address } of list) addresses.set(snapshotId, address);
      }
    });
    for (const [id, bytes] of await pool.loadAll()) {
      if (Buffer.isBuffer(bytes)) expect(bytes.equals(loads.get(id) as Buffer)).toBe(true);
      else expect(result.imagesHit).toContain(addresses.get(id));
    }
  }

  async function expectHealed(pool: SmallPool): Promise<void> {
    const result = await check(pool);
    expect(result).toMatchObject({ findings: [], damaged: false, incomplete: false });
    const after = await pool.loadAll();
    expect(after.size).toBe(loads.size);
    for (const [id, bytes] of after)
      expect(Buffer.isBuffer(bytes) && bytes.equals(loads.get(id) as Buffer)).toBe(true);
  }

  it('finds nothing in a sound pool', async () => {
    const result = await check(sound);
    expect(result).toMatchObject({ findings: [], damaged: false, incomplete: false, imagesHit: [] });
    expect(result).toMatchObject({ snapshotsChecked: 3, packsChecked: 3, packsRead: 3 });
    expect(result.bytesRead).toBeGreaterThan(180_000);
    expect(await check(sound, { readData: false })).toMatchObject({
      findings: [],
      packsRead: 0,
      bytesRead: 0,
    });
  });

  it.each(Object.entries(PACK_INJURIES))('a pack with %s: found, named, healed', async (name, injure) => {
    const packs = (await sound.files()).filter((file) => file.startsWith('packs'));
    for (const [i, file] of packs.entries()) {
      await using pool = await sound.copy();
      const other = packs[(i + 1) % packs.length]!;
      await injure(join(pool.directory, file), join(pool.directory, other));
      const result = await check(pool);
      expect(result.damaged).toBe(true);
      expect(result.findings.map((finding) => finding.file)).toContain(file);
      if (name === 'a directory in its place') continue;
      await expectHonest(pool, result);
      const mended = await mend(pool, sound);
      expect(mended.findingsBefore.length).toBeGreaterThan(0);
      expect(mended).toMatchObject({ findingsAfter: [], damaged: false, incomplete: false, stillMissing: 0 });
      expect(mended.repaired[0]).toMatchObject({ file: expect.stringMatching(/^packs/), action: 'replaced' });
      expect(await pool.files()).toEqual(await sound.files());
      await expectHealed(pool);
    }
  });

  it.each(Object.entries(SNAPSHOT_INJURIES))('a snapshot with %s: found, healed', async (_name, injure) => {
    const files = (await sound.files()).filter((file) => file.startsWith('snapshots'));
    await using pool = await sound.copy();
    await injure(join(pool.directory, files[0]!), join(pool.directory, files[1]!));
    const result = await check(pool, { readData: false });
    expect(result.damaged).toBe(true);
    expect(result.findings[0]).toMatchObject({ kind: 'snapshot-damaged', file: files[0] });
    expect((await mend(pool, sound)).findingsAfter).toEqual([]);
    await expectHealed(pool);
  });

  it('tells a missing pack from damage, names the images, and fetches it', async () => {
    let hit = 0;
    for (const file of (await sound.files()).filter((name) => name.startsWith('packs'))) {
      await using pool = await sound.copy();
      await rm(join(pool.directory, file));
      const result = await check(pool, { readData: false });
      expect(result).toMatchObject({ damaged: false, incomplete: true });
      expect(result.findings.map(({ kind }) => kind)).toEqual(['chunk-missing']);
      hit += result.imagesHit.length;
      await expectHonest(pool, result);
      const mended = await mend(pool, sound);
      expect(mended.repaired).toEqual([{ file, action: 'added', sizeBytes: expect.any(Number) }]);
      await expectHealed(pool);
    }
    // The first pack is needed by both versions of app, each of the others by one image; more where deltas lean on it.
    expect(hit).toBeGreaterThanOrEqual(4);
  });

  it('judges one version by what it needs alone', async () => {
    await using pool = await sound.copy();
    const before = await check(pool, { readData: true, address: 'other:1' });
    expect(before).toMatchObject({ findings: [], snapshotsChecked: 1 });
    expect(before.bytesRead).toBeLessThan(90_000);
    for (const file of (await pool.files()).filter((name) => name.startsWith('packs'))) {
      await using injured = await pool.copy();
      await flip(join(injured.directory, file), 40);
      const app = await check(injured, { readData: true, address: 'app:1.0' });
      const other = await check(injured, { readData: true, address: 'other:1' });
      expect([app.damaged, other.damaged].filter(Boolean).length).toBe(1);
      expect([...app.imagesHit, ...other.imagesHit]).toEqual([app.damaged ? 'app:1.0' : 'other:1']);
    }
    await expect(check(pool, { readData: false, address: 'none' })).rejects.toMatchObject({
      code: 'SNAPSHOT_NOT_FOUND',
    });
  });

  it('reads a part of the packs, chosen by the seed', async () => {
    const result = await check(sound, { readData: 34, seed: 5 });
    expect(result).toMatchObject({ packsRead: 1, seed: 5, findings: [] });
    expect((await check(sound, { readData: 34, seed: 5 })).bytesRead).toBe(result.bytesRead);
    const sizes = new Set<number>();
    for (let seed = 0; seed < 12; seed++) sizes.add((await check(sound, { readData: 1, seed })).bytesRead);
    expect(sizes.size).toBe(3);
    for (const readData of [0, -1, 101, Number.NaN])
      await expect(check(sound, { readData })).rejects.toMatchObject({ code: 'USAGE' });
  });

  it('notes foreign files and leaves them alone', async () => {
    await using pool = await sound.copy();
    await writeFile(join(pool.directory, 'packs', '.0123.Ab12Cd'), 'half a pack');
    await writeFile(join(pool.directory, 'notes.txt'), '');
    const result = await check(pool);
    expect(result).toMatchObject({ damaged: false, incomplete: false });
    expect(result.findings.map(({ kind, file }) => [kind, file])).toEqual([
      ['foreign-file', 'notes.txt'],
      ['foreign-file', 'packs/.0123.Ab12Cd'],
    ]);
  });

  it('takes a damaged pack apart when the other pool has its chunks in packs of its own', async () => {
    await using pool = await sound.copy();
    await using other = await SmallPool.create();
    // The other pool has never had these packs: one pack of all three images.
    for (const version of [versions[1]!, versions[0]!]) await other.save(version);
    // The first pack, the largest, holds what both versions share.
    const packs = (await pool.files()).filter((name) => name.startsWith('packs'));
    const sizes = await Promise.all(packs.map(async (name) => (await stat(join(pool.directory, name))).size));
    const file = packs[sizes.indexOf(Math.max(...sizes))]!;
    await flip(join(pool.directory, file), 40);
    const before = await check(pool);
    expect(before).toMatchObject({ damaged: true });
    const mended = await mend(pool, other);
    expect(mended.repaired.at(-1)).toMatchObject({ file, action: 'rewritten' });
    expect(new Set(mended.repaired.slice(0, -1).map(({ action }) => action))).toEqual(new Set(['added']));
    expect(mended.findingsAfter).toEqual([]);
    await expectHealed(pool);
  });

  it('drops damage that nothing needs', async () => {
    await using pool = await sound.copy();
    const before = new Set(await pool.files());
    await pool.save(dockerArchive({ references: ['lost:1'], layers: [layerTar(77, 1, 20_000)] }));
    await pool.with('append', async (open) => {
      await executeRemoval(open, await planRemoval(open, { addresses: ['lost:1'] }, context), context);
    });
    const file = (await pool.files()).find((name) => !before.has(name))!;
    await truncate(join(pool.directory, file), 500);
    expect(await check(pool)).toMatchObject({ damaged: true, imagesHit: [] });
    expect((await mend(pool, sound)).repaired).toEqual([{ file, action: 'removed', sizeBytes: 500 }]);
    await expectHealed(pool);
  });

  it('says what it cannot heal, takes no bad file, and ends', async () => {
    await using pool = await sound.copy();
    await using other = await sound.copy();
    const [file] = (await pool.files()).filter((name) => name.startsWith('packs'));
    await flip(join(pool.directory, file!), 40);
    await flip(join(other.directory, file!), 41);
    const hash = createHash('sha256')
      .update(await readFile(join(pool.directory, file!)))
      .digest('hex');
    const mended = await mend(pool, other);
    expect(mended).toMatchObject({ damaged: true, repaired: [] });
    expect(mended.findingsAfter).toEqual(mended.findingsBefore);
    const after = createHash('sha256').update(await readFile(join(pool.directory, file!)));
    expect(after.digest('hex')).toBe(hash);
    expect(await pool.files()).toEqual(await sound.files());
    await expect(mend(pool, pool)).rejects.toMatchObject({ code: 'USAGE' });
  });
});

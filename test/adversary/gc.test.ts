import { mkdir, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { quietContext } from '../../src/core/context.js';
import { executeGc } from '../../src/operations/gc.js';
import { planGc } from '../../src/operations/gc-plan.js';
import { executeRemoval, planRemoval } from '../../src/operations/rm.js';
import type { Pool } from '../../src/pool/pool.js';
import { type FileSystem, nodeFileSystem } from '../../src/store/file-system.js';
import { SmallPool } from '../operations/small-pool.js';
import { dockerArchive, layerTar } from '../support/images.js';
import { CliRoom, ended } from '../support/run-dbup.js';

const SHARED = layerTar(1, 2, 150_000);
const OWN = layerTar(2, 2, 150_000);
/** `mixed` needs half of what `first` brought; all that `alone` brought is its own. */
const FIRST = dockerArchive({ references: ['first:1'], layers: [SHARED, OWN] });
const MIXED = dockerArchive({ references: ['mixed:1'], layers: [SHARED] });
const ALONE = dockerArchive({ references: ['alone:1'], layers: [layerTar(3, 2, 150_000)] });

async function runGc(pool: Pool): Promise<void> {
  await executeGc(pool, await planGc(pool, {}, quietContext()), quietContext());
}

async function forget(pool: SmallPool, ...addresses: string[]): Promise<void> {
  await pool.with('append', async (opened) => {
    await executeRemoval(opened, await planRemoval(opened, { addresses }, quietContext()), quietContext());
  });
}

describe('gc', () => {
  it('calls nothing garbage in a pool whose snapshots/ has gone', async () => {
    await using pool = await SmallPool.create();
    await pool.save(FIRST);
    const packs = await readdir(join(pool.directory, 'packs'));
    await rename(join(pool.directory, 'snapshots'), join(pool.root, 'mislaid'));
    await expect(pool.with('exclusive', runGc)).rejects.toMatchObject({ code: 'POOL_INCOMPLETE' });
    expect(await readdir(join(pool.directory, 'packs'))).toEqual(packs);
    await rename(join(pool.root, 'mislaid'), join(pool.directory, 'snapshots'));
    expect(await pool.load('first:1')).toEqual(Buffer.from(FIRST));
  });

  it('frees a full disk of what is garbage only before it writes anything', async () => {
    await using pool = await SmallPool.create();
    for (const archive of [FIRST, MIXED, ALONE]) await pool.save(archive);
    await forget(pool, 'first:1', 'alone:1');
    const plan = await pool.with('read', (opened) => planGc(opened, {}, quietContext()));
    expect(plan.packs.rewrite).toHaveLength(1);
    expect(plan.packs.remove.map(({ sizeBytes }) => sizeBytes)).toContainEqual(expect.any(Number));
    const full: FileSystem = {
      ...nodeFileSystem,
      createNew: (path) =>
        Promise.reject(Object.assign(new Error(`ENOSPC: ${path}`), { code: 'ENOSPC', path })),
    };
    await expect(pool.with('exclusive', runGc, full)).rejects.toMatchObject({ code: 'DISK_FULL' });
    const left = await readdir(join(pool.directory, 'packs'));
    for (const { name } of plan.packs.remove) expect(left).not.toContain(name);
    for (const { name } of plan.packs.rewrite) expect(left).toContain(name);
    expect(await pool.load('mixed:1')).toEqual(Buffer.from(MIXED));
    await pool.with('exclusive', runGc);
    expect(await pool.load('mixed:1')).toEqual(Buffer.from(MIXED));
  });

  it('leaves alone what lies behind a symbolic link in the place of tmp/', async () => {
    await using pool = await SmallPool.create();
    await pool.save(FIRST);
    const elsewhere = join(pool.root, 'elsewhere');
    await mkdir(elsewhere);
    await writeFile(join(elsewhere, 'precious'), 'x');
    await rm(join(pool.directory, 'tmp'), { recursive: true });
    await symlink(elsewhere, join(pool.directory, 'tmp'));
    await expect(pool.with('exclusive', runGc)).rejects.toMatchObject({ code: 'POOL_DAMAGED' });
    expect(await readdir(elsewhere)).toEqual(['precious']);
  });

  it('ends with the exit code of damage when a pack that was worth a rewrite cannot be read', async () => {
    await using room = await CliRoom.create();
    for (const [name, archive] of Object.entries({ first: FIRST, mixed: MIXED })) {
      const saved = await ended(room.start(['save', '-i', await room.file(`${name}.tar`, archive)]));
      expect(saved.exitCode).toBe(0);
    }
    expect((await ended(room.start(['rm', 'first:1']))).exitCode).toBe(0);
    const packs = join(room.path('pool'), 'packs');
    const largest = await largestFile(packs);
    const bytes = await readFile(largest);
    bytes[5000]! ^= 1;
    await writeFile(largest, bytes);
    const run = await ended(room.start(['gc']));
    expect(run.exitCode, run.stderr).toBe(4);
    expect(run.stderr).toContain('damaged');
    expect(await readFile(largest)).toEqual(bytes);
  });
});

async function largestFile(directory: string): Promise<string> {
  const sizes = await Promise.all(
    (await readdir(directory)).map(async (name) => ({
      path: join(directory, name),
      sizeBytes: (await readFile(join(directory, name))).length,
    })),
  );
  return sizes.reduce((a, b) => (b.sizeBytes > a.sizeBytes ? b : a)).path;
}

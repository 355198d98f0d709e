import { readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createPool } from '../../src/pool/create-pool.js';
import { SmallPool } from '../operations/small-pool.js';
import { dockerArchive, layerTar } from '../support/images.js';
import { CliRoom, ended } from '../support/run-dbup.js';

const APP = dockerArchive({ references: ['app:1'], layers: [layerTar(1, 2, 20_000)] });

describe('a pool that came back without its empty directories', () => {
  it.each([['packs'], ['snapshots'], ['tmp'], ['packs', 'snapshots', 'tmp']])(
    'is saved to all the same (%s)',
    async (...missing) => {
      await using room = await SmallPool.create();
      await createPool(room.directory);
      for (const name of missing) await rm(join(room.directory, name), { recursive: true });
      await room.save(APP);
      expect(await room.load('app:1')).toEqual(Buffer.from(APP));
    },
  );

  it('that has packs and no snapshots/ is told to be incomplete, and gc leaves it alone', async () => {
    await using room = await CliRoom.create();
    const pool = room.path('pool');
    const file = await room.file('app.tar', APP);
    expect((await ended(room.start(['save', '-i', file]))).exitCode).toBe(0);
    const packs = await readdir(join(pool, 'packs'));
    await rename(join(pool, 'snapshots'), room.path('mislaid'));
    const listed = await ended(room.start(['ls']));
    expect(listed.exitCode).toBe(0);
    expect(listed.stderr).toContain('no snapshots/');
    const verified = await ended(room.start(['verify']));
    expect(verified.exitCode).toBe(13);
    expect(verified.stdout + verified.stderr).toContain('no snapshots/');
    expect((await ended(room.start(['gc']))).exitCode).toBe(13);
    expect((await ended(room.start(['save', '-i', file]))).exitCode).toBe(13);
    expect(await readdir(join(pool, 'packs'))).toEqual(packs);
    expect(await readdir(pool)).not.toContain('snapshots');
    await rename(room.path('mislaid'), join(pool, 'snapshots'));
    expect((await ended(room.start(['verify']))).exitCode).toBe(0);
  });
});

import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { dockerArchive, layerTar } from '../support/images.js';
import { CliRoom, ended, type ProgramRun } from '../support/run-dbup.js';

const OLD = dockerArchive({ references: ['app:1'], layers: [layerTar(1, 2, 20_000)] });
const NEW = dockerArchive({ references: ['app:1'], layers: [layerTar(2, 2, 20_000)] });

describe('a damaged snapshot file', () => {
  it.each([
    ['the command that the hint of gc names', (id: string) => id],
    ['a prefix of its id', (id: string) => `app:1@${id.slice(0, 8)}`],
  ])('is given up by %s; then gc and load go on', async (_, addressOf) => {
    await using room = await CliRoom.create();
    const run = (...args: string[]): Promise<ProgramRun> => ended(room.start(args));
    const snapshots = join(room.path('pool'), 'snapshots');
    expect((await run('save', '-i', await room.file('old.tar', OLD))).exitCode).toBe(0);
    const [older] = await readdir(snapshots);
    expect((await run('save', '-i', await room.file('new.tar', NEW))).exitCode).toBe(0);
    const id = (await readdir(snapshots)).find((name) => name !== older)!;
    const body = await readFile(join(snapshots, id));
    body[body.length - 2]! ^= 1;
    await writeFile(join(snapshots, id), body);

    // Without the catalog, which remembers what the file was.
    const reindexed = await run('reindex');
    expect(reindexed.stderr).not.toContain('not found');
    const refused = await run('gc');
    expect(refused.exitCode).toBe(4);
    expect(refused.stderr.replaceAll(/\s+/g, ' ')).toContain(`dbup rm ${id}`);
    const doubtful = await run('load', 'app:1', '-o', room.path('out.tar'));
    expect(doubtful.exitCode).toBe(4);
    expect(doubtful.stderr.replaceAll(/\s+/g, ' ')).toContain(`dbup rm ${id}`);

    const planned = await run('rm', '--dry-run', addressOf(id));
    expect(planned.exitCode, planned.stderr).toBe(0);
    expect(planned.stdout).toContain('unreadable');
    expect(await readdir(snapshots)).toContain(id);
    const removed = await run('rm', addressOf(id));
    expect(removed.exitCode, removed.stderr).toBe(0);
    expect(await readdir(snapshots)).toEqual([older]);
    expect((await run('gc')).exitCode).toBe(0);
    expect((await run('load', 'app:1', '-o', room.path('out.tar'))).exitCode).toBe(0);
    expect(await readFile(room.path('out.tar'))).toEqual(Buffer.from(OLD));
  });

  it('is given up by its whole id even where the catalog remembers what it was', async () => {
    await using room = await CliRoom.create();
    const run = (...args: string[]): Promise<ProgramRun> => ended(room.start(args));
    expect((await run('save', '-i', await room.file('old.tar', OLD))).exitCode).toBe(0);
    const snapshots = join(room.path('pool'), 'snapshots');
    const [id] = await readdir(snapshots);
    expect((await run('ls')).exitCode).toBe(0);
    const body = await readFile(join(snapshots, id!));
    await writeFile(join(snapshots, id!), body.subarray(1));
    expect((await run('gc')).exitCode).toBe(4);
    expect((await run('rm', id!)).exitCode).toBe(0);
    expect(await readdir(snapshots)).toEqual([]);
    expect((await run('gc')).exitCode).toBe(0);
  });
});

import { execFileSync } from 'node:child_process';
import { access, cp, mkdir, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { dockerArchive, layerTar } from '../support/images.js';
import { roomHere } from '../support/run-command.js';
import { type CliRoom, namesIn } from '../support/run-dbup.js';

const ARCHIVE = dockerArchive({ references: ['app:1'], layers: [layerTar(1, 2, 3000)] });
const SECOND = dockerArchive({ references: ['app:2'], layers: [layerTar(2, 2, 3000)] });
/** Every command that opens a pool. */
const COMMANDS: readonly (readonly string[])[] = [
  ['ls'],
  ['log', 'app:1'],
  ['show', 'app:1'],
  ['stats'],
  ['verify', '--read-data'],
  ['load', 'app:1', '-o', 'OUT'],
  ['save', '-i', 'IN'],
  ['tag', 'app:1', 'b:1'],
  ['rm', 'app:1'],
  ['gc'],
];
/** One of each access. */
const SOME = COMMANDS.filter(([name]) => name === 'ls' || name === 'save' || name === 'gc');

async function soundPool(): Promise<CliRoom> {
  const room = await roomHere();
  await room.json(['save', '-i', await room.file('in.tar', ARCHIVE), '--parity', '50%']);
  await room.file('second.tar', SECOND);
  return room;
}

function wordsFor(room: CliRoom, words: readonly string[]): string[] {
  return words.map((word) =>
    word === 'OUT' ? room.path('out.tar') : word === 'IN' ? room.path('second.tar') : word,
  );
}

describe('symbolic links planted in a pool', () => {
  it.each([
    ['packs', COMMANDS],
    ['snapshots', SOME],
    ['parity', SOME],
    ['tmp', SOME],
  ] as const)(
    '%s elsewhere is refused by every command, and nothing changes there',
    async (name, commands) => {
      await using room = await soundPool();
      const elsewhere = room.path('elsewhere');
      await rename(room.path(`pool/${name}`), elsewhere);
      await writeFile(join(elsewhere, 'precious'), 'do not touch');
      await symlink(elsewhere, room.path(`pool/${name}`));
      const before = await namesIn(elsewhere);
      for (const words of commands) {
        const { exitCode, stderr } = await room.run(wordsFor(room, words));
        expect(exitCode, `${words.join(' ')}: ${stderr}`).toBe(4);
        expect(stderr).toContain('is not a directory');
      }
      expect(await namesIn(elsewhere)).toEqual(before);
      expect(await readFile(join(elsewhere, 'precious'), 'utf8')).toBe('do not touch');
    },
  );

  it('in place of the lock is refused, and its target not opened', async () => {
    await using room = await soundPool();
    const target = await room.file('database', new Uint8Array(0));
    await rm(room.path('pool/dbup.lock'));
    await symlink(target, room.path('pool/dbup.lock'));
    const { exitCode, stderr } = await room.run(['gc']);
    expect(exitCode).toBe(4);
    expect(stderr).toContain('dbup.lock');
    await expect(access(`${target}-journal`)).rejects.toThrow('ENOENT');
  });

  it.each(['a pipe', 'bytes'])('%s in place of the lock neither hangs nor is read', async (what) => {
    await using room = await soundPool();
    const lock = room.path('pool/dbup.lock');
    await rm(lock);
    if (what === 'a pipe') execFileSync('mkfifo', [lock]);
    else await writeFile(lock, Buffer.concat([Buffer.from('SQLite format 3\0'), Buffer.alloc(5000, 7)]));
    for (const words of SOME) {
      const { exitCode, stderr } = await room.run(wordsFor(room, words));
      expect(exitCode, `${words.join(' ')}: ${stderr}`).toBe(4);
    }
  });

  it('in place of a pack and of a snapshot are not followed', async () => {
    await using room = await soundPool();
    for (const directory of ['packs', 'snapshots']) {
      for (const name of await readdir(room.path(`pool/${directory}`))) {
        await rename(room.path(`pool/${directory}/${name}`), room.path(name));
        await symlink(room.path(name), room.path(`pool/${directory}/${name}`));
      }
    }
    expect((await room.run(['load', 'app:1', '-o', room.path('out.tar')])).exitCode).not.toBe(0);
    await expect(access(room.path('out.tar'))).rejects.toThrow('ENOENT');
    expect((await room.run(['verify'])).exitCode).toBe(4);
  });

  it('in place of the descriptor is refused', async () => {
    await using room = await soundPool();
    await rename(room.path('pool/dbup-pool.json'), room.path('descriptor.json'));
    await symlink(room.path('descriptor.json'), room.path('pool/dbup-pool.json'));
    expect((await room.run(['ls'])).exitCode).toBe(4);
  });

  it('in tmp/ are removed by gc, and what they point to is not', async () => {
    await using room = await soundPool();
    await mkdir(room.path('elsewhere'));
    await room.file('elsewhere/precious', Buffer.from('do not touch'));
    await symlink(room.path('elsewhere/precious'), room.path('pool/tmp/99-0123456789abcdef'));
    await symlink(room.path('elsewhere'), room.path('pool/tmp/99-1123456789abcdef'));
    expect((await room.run(['gc'])).exitCode).toBe(0);
    expect(await readFile(room.path('elsewhere/precious'), 'utf8')).toBe('do not touch');
  });

  it('among the files that a pool is made of are not written through', async () => {
    await using room = await roomHere();
    await mkdir(room.path('elsewhere'));
    await mkdir(room.path('pool'));
    await symlink(room.path('elsewhere'), room.path('pool/packs'));
    expect((await room.run(['init'])).exitCode).toBe(4);
    expect((await room.run(['save', '-i', await room.file('in.tar', ARCHIVE)])).exitCode).toBe(4);
    expect(await readdir(room.path('elsewhere'))).toEqual([]);
  });

  it("to the pool itself is the user's own, and is followed", async () => {
    await using room = await soundPool();
    await rename(room.path('pool'), room.path('real'));
    await symlink(room.path('real'), room.path('pool'));
    expect(await room.loadVerdict('app:1', ARCHIVE)).toBe('exact');
    await room.json(['save', '-i', room.path('second.tar')]);
    expect(await room.loadVerdict('app:2', SECOND)).toBe('exact');
  });

  it('in the other pool of a repair are not followed', async () => {
    await using room = await soundPool();
    await cp(room.path('pool'), room.path('other'), { recursive: true });
    const [pack] = await readdir(room.path('pool/packs'));
    await rename(room.path(`other/packs/${pack}`), room.path('secret'));
    await symlink(room.path('secret'), room.path(`other/packs/${pack}`));
    await rm(room.path(`pool/packs/${pack}`));
    expect((await room.run(['repair', '--from', room.path('other')])).exitCode).not.toBe(0);
    expect(await readdir(room.path('pool/packs'))).toEqual([]);
  });
});

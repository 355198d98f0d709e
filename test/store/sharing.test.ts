import { spawn } from 'node:child_process';
import { chmod, chown, lstat, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { dockerArchive, layerTar } from '../support/images.js';
import { CliRoom, ended, type ProgramRun } from '../support/run-dbup.js';

const CLI = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
/** Ids that no user of the machine has. */
const [OTHER_USER, GROUP] = [61_234, 61_235];
const isRoot = process.getuid?.() === 0;

/** Runs dbup with a umask, and as another user where one is named. */
function dbup(
  room: CliRoom,
  umask: string,
  words: readonly string[],
  user: { uid?: number; gid?: number } = {},
): Promise<ProgramRun> {
  const line = ['sh', '-c', `umask ${umask}; exec "$0" "$@"`, process.execPath, CLI, ...words];
  return ended(spawn(line[0]!, line.slice(1), { env: room.env, stdio: ['ignore', 'pipe', 'pipe'], ...user }));
}

/** The modes of all that is in a pool, by path, the pool's own under `.`. */
async function modesOf(pool: string): Promise<Map<string, number>> {
  const names = await readdir(pool, { recursive: true });
  const modes = new Map<string, number>();
  for (const name of ['.', ...names]) modes.set(name, (await lstat(join(pool, name))).mode & 0o7777);
  return modes;
}

function archive(seed: number): Uint8Array {
  return dockerArchive({ references: [`app:${seed}`], layers: [layerTar(seed, 2, 3000)] });
}

async function save(room: CliRoom, umask: string, seed: number, ...words: string[]): Promise<void> {
  const path = await room.file(`in-${seed}.tar`, archive(seed));
  expect(await dbup(room, umask, ['save', '-i', path, ...words])).toMatchObject({ exitCode: 0 });
}

describe('the modes of a pool', () => {
  it.each(['000', '077'])('let nobody else write, with umask %s', async (umask) => {
    await using room = await CliRoom.create();
    await save(room, umask, 1);
    await save(room, umask, 2);
    expect((await dbup(room, umask, ['gc'])).exitCode).toBe(0);
    const modes = await modesOf(room.path('pool'));
    expect(modes.size).toBeGreaterThan(8);
    for (const [name, mode] of modes) expect(mode & 0o022, `${name} ${mode.toString(8)}`).toBe(0);
  });

  it.each([
    ['group', 0o660, 0o2770],
    ['all', 0o666, 0o2777],
  ] as const)('let others write with --share %s, whatever the umask', async (share, file, directory) => {
    await using room = await CliRoom.create();
    expect((await dbup(room, '077', ['init', '--share', share])).exitCode).toBe(0);
    await save(room, '077', 1);
    await save(room, '077', 2);
    const modes = await modesOf(room.path('pool'));
    for (const [name, mode] of modes) {
      const wanted = ['.', 'packs', 'parity', 'snapshots', 'tmp'].includes(name) ? directory : file;
      expect(mode & wanted, `${name} ${mode.toString(8)}`).toBe(wanted);
      if (share === 'group') expect(mode & 0o002, name).toBe(0);
    }
  });

  it('are nothing to what is loaded from it', async () => {
    await using room = await CliRoom.create();
    await save(room, '077', 1, '--share', 'all');
    for (const sink of [room.path('out/image.tar'), `oci:${room.path('layout')}`]) {
      expect((await dbup(room, '077', ['load', 'app:1', '-o', sink])).exitCode).toBe(0);
    }
    for (const directory of ['out', 'layout']) {
      for (const [name, mode] of await modesOf(room.path(directory)))
        expect(mode & 0o077, `${directory}/${name} ${mode.toString(8)}`).toBe(0);
    }
  });

  it('are opened by a save that says so, also of what was there, and stay so', async () => {
    await using room = await CliRoom.create();
    await save(room, '022', 1, '--parity', '50%');
    await save(room, '022', 2, '--share', 'group', '--parity', '50%');
    await save(room, '077', 3);
    for (const [name, mode] of await modesOf(room.path('pool'))) expect(mode & 0o060, name).toBe(0o060);
  });

  it('are those of the config file, and of a pool that is made by a save', async () => {
    await using room = await CliRoom.create();
    await mkdir(room.path('.config/dbup'), { recursive: true });
    await room.file('.config/dbup/config.json', Buffer.from('{"share": "group"}'));
    await save(room, '022', 1);
    expect((await modesOf(room.path('pool'))).get('packs')! & 0o2020).toBe(0o2020);
  });

  it('are not opened by a word that is none of the three', async () => {
    await using room = await CliRoom.create();
    const { exitCode, stderr } = await dbup(room, '022', ['init', '--share', 'world']);
    expect(exitCode).toBe(2);
    expect(stderr).toContain('one of none, group, all');
  });

  it.runIf(isRoot)('let a member of the group save, forget and collect, and nobody else', async () => {
    await using room = await CliRoom.create();
    await chmod(room.root, 0o755);
    await mkdir(room.path('pool'));
    await chown(room.path('pool'), 0, GROUP);
    expect((await dbup(room, '077', ['init', '--share', 'group'])).exitCode).toBe(0);
    await save(room, '077', 1);
    room.env.DBUP_CACHE_DIR = room.path('nowhere/cache');
    const member = { uid: OTHER_USER, gid: GROUP };
    const path = await room.file('second.tar', archive(2));
    for (const words of [['save', '-i', path], ['rm', 'app:1'], ['gc'], ['verify', '--read-data']]) {
      const run = await dbup(room, '077', words, member);
      expect(run.exitCode, `${words.join(' ')}: ${run.stderr}`).toBe(0);
    }
    const stranger = await dbup(room, '022', ['save', '-i', path], { uid: OTHER_USER, gid: OTHER_USER });
    expect(stranger.exitCode).toBe(5);
    expect(stranger.stderr).toContain('PERMISSION_DENIED');
  });
});

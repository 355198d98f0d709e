import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { imageVersions } from '../support/images.js';
import { rsync, rsyncAvailable } from '../support/rsync.js';
import { CliRoom, namesIn } from '../support/run-dbup.js';
import { noise } from '../support/tar-builder.js';

const BYTES = { base: 600_000, application: 200_000 };

/** Each version is one commit later: `ref~2` is the first of three. */
async function expectLoads(room: CliRoom, pool: string, reference: string, versions: readonly Uint8Array[]) {
  for (const [at, bytes] of [...versions].reverse().entries()) {
    expect(await room.loadVerdict(`${reference}~${at}`, bytes, { DBUP_POOL: pool })).toBe('exact');
  }
}

async function saveInto(room: CliRoom, pool: string, bytes: Uint8Array): Promise<void> {
  await room.json(['save', '-i', await room.file('in.tar', bytes)], { DBUP_POOL: pool });
}

describe.skipIf(!rsyncAvailable())('a pool and its copies by rsync', () => {
  test('each sync moves new files only, and no file moves twice', async () => {
    await using room = await CliRoom.create();
    const pool = room.path('pool');
    const copy = room.path('copy');
    const versions = imageVersions('app:1.0', 11, 4, BYTES);
    const moved: string[] = [];
    const sync = async (options: string[] = []) => {
      const run = await rsync(pool, copy, options);
      expect(run.exitCode, run.stderr).toBe(0);
      expect(run.changedFiles).toEqual([]);
      moved.push(...run.newFiles);
      return run;
    };
    for (const [at, bytes] of versions.entries()) {
      await saveInto(room, pool, bytes);
      const { newFiles } = await sync();
      expect(newFiles.length, 'a pack and a snapshot, and with the first the files of the pool').toBe(
        at === 0 ? 4 : 2,
      );
      expect((await sync()).newFiles).toEqual([]);
      // Using the copy must not make its files differ from the original's.
      expect(await room.loadVerdict('app:1.0', bytes, { DBUP_POOL: copy })).toBe('exact');
    }
    await room.json(['rm', 'app:1.0~2']);
    await room.json(['gc']);
    await sync(['--delete-after']);
    await expectLoads(room, copy, 'app:1.0', [versions[0]!, versions[2]!, versions[3]!]);
    expect(new Set(moved).size).toBe(moved.length);
  });

  test('two sites that save apart hold the union after a sync each way', async () => {
    await using room = await CliRoom.create();
    const here = room.path('pool');
    const there = room.path('there');
    const shared = imageVersions('app:1.0', 21, 3, BYTES);
    const other = imageVersions('db:16', 22, 1, BYTES);
    await saveInto(room, here, shared[0]!);
    await rsync(here, there);
    await saveInto(room, here, shared[1]!);
    await saveInto(room, there, shared[2]!);
    await saveInto(room, there, other[0]!);
    for (const [from, to] of [
      [here, there],
      [there, here],
    ] as const) {
      const run = await rsync(from, to);
      expect(run.exitCode).toBe(0);
      expect(run.changedFiles).toEqual([]);
    }
    for (const directory of ['packs', 'snapshots']) {
      expect(await namesIn(join(here, directory))).toEqual(await namesIn(join(there, directory)));
    }
    for (const pool of [here, there]) {
      await room.json(['verify', '--read-data'], { DBUP_POOL: pool });
      await expectLoads(room, pool, 'app:1.0', shared);
      await expectLoads(room, pool, 'db:16', other);
    }
  });

  test('two pools made apart become one by a sync each way', async () => {
    await using room = await CliRoom.create();
    const [one, two] = [room.path('pool'), room.path('two')];
    const app = imageVersions('app:1.0', 31, 1, BYTES);
    const db = imageVersions('db:16', 32, 1, BYTES);
    await saveInto(room, one, app[0]!);
    await saveInto(room, two, db[0]!);
    await rsync(one, two);
    await rsync(two, one);
    for (const pool of [one, two]) {
      await room.json(['verify', '--read-data'], { DBUP_POOL: pool });
      await expectLoads(room, pool, 'app:1.0', app);
      await expectLoads(room, pool, 'db:16', db);
    }
  });
});

describe('the catalog of a pool', () => {
  const versions = imageVersions('app:1.0', 41, 3, BYTES);

  /** Two versions saved with the catalog in `cache`, a third without it: that catalog is stale. */
  async function roomWithStaleCatalog(): Promise<CliRoom> {
    const room = await CliRoom.create();
    await saveInto(room, room.path('pool'), versions[0]!);
    await saveInto(room, room.path('pool'), versions[1]!);
    const input = await room.file('in.tar', versions[2]!);
    await room.json(['save', '-i', input], { DBUP_CACHE_DIR: room.path('another-cache') });
    return room;
  }

  async function catalogFiles(room: CliRoom): Promise<string[]> {
    const [pool] = await namesIn(room.path('cache'));
    const directory = join(room.path('cache'), pool!);
    return (await namesIn(directory)).map((name) => join(directory, name));
  }

  test('is brought up to date when other hosts have saved', async () => {
    await using room = await roomWithStaleCatalog();
    await expectLoads(room, room.path('pool'), 'app:1.0', versions);
  });

  test('is made again when its files are cut short, overwritten or of another pool', async () => {
    await using room = await roomWithStaleCatalog();
    const pool = room.path('pool');
    const files = await catalogFiles(room);
    expect(files.length).toBeGreaterThan(0);
    for (const file of files) {
      const bytes = await readFile(file);
      await writeFile(file, noise(7, Math.max(4096, bytes.length)));
    }
    await expectLoads(room, pool, 'app:1.0', versions);
    for (const file of await catalogFiles(room)) {
      const bytes = await readFile(file);
      const middle = bytes.slice();
      middle.set(noise(8, Math.min(2000, middle.length >> 1)), middle.length >> 2);
      await writeFile(file, middle);
    }
    await expectLoads(room, pool, 'app:1.0', versions);
    for (const file of await catalogFiles(room)) {
      await writeFile(file, (await readFile(file)).subarray(0, 5000));
    }
    await expectLoads(room, pool, 'app:1.0', versions);
    const other = room.path('other');
    await room.json(['save', '-i', await room.file('other.tar', imageVersions('db:16', 42, 1, BYTES)[0]!)], {
      DBUP_POOL: other,
      DBUP_CACHE_DIR: room.path('other-cache'),
    });
    const [otherName] = await namesIn(room.path('other-cache'));
    const [ownName] = await namesIn(room.path('cache'));
    await cp(room.path(`other-cache/${otherName}`), room.path(`cache/${ownName}`), { recursive: true });
    await expectLoads(room, pool, 'app:1.0', versions);
    await room.json(['verify', '--read-data']);
  });

  test('brought along inside of a copied pool changes nothing', async () => {
    await using room = await roomWithStaleCatalog();
    const copy = room.path('copy');
    await cp(room.path('pool'), copy, { recursive: true });
    // As a backup of a whole home directory would leave it: the catalog of then beside the pool of now.
    await cp(room.path('cache'), join(copy, 'cache'), { recursive: true });
    await mkdir(room.path('cache-of-copy'));
    const [name] = await namesIn(room.path('cache'));
    await expectLoads(room, copy, 'app:1.0', versions);
    const names = (await namesIn(room.path('cache'))).filter((each) => each !== name);
    expect(names.length, 'the copy has a catalog of its own').toBe(1);
    await cp(room.path(`cache/${name}`), room.path(`cache/${names[0]}`), { recursive: true });
    await expectLoads(room, copy, 'app:1.0', versions);
    const verified = await room.run(['verify', '--read-data'], { DBUP_POOL: copy });
    expect(verified.exitCode, verified.stdout).toBe(0);
  });

  test('kept inside the pool directory itself does no harm', async () => {
    await using room = await CliRoom.create();
    const env = { DBUP_CACHE_DIR: room.path('pool/cache') };
    const first = await room.run(['save', '-i', await room.file('in.tar', versions[0]!)]);
    expect(first.exitCode).toBe(0);
    await room.json(['save', '-i', await room.file('in.tar', versions[1]!)], env);
    const copy = room.path('copy');
    await cp(room.path('pool'), copy, { recursive: true });
    await room.json(['save', '-i', await room.file('in.tar', versions[2]!)], env);
    await cp(room.path('pool/packs'), join(copy, 'packs'), { recursive: true });
    await cp(room.path('pool/snapshots'), join(copy, 'snapshots'), { recursive: true });
    await expectLoads(room, copy, 'app:1.0', versions);
  });
});

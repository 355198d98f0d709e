import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { quietContext } from '../../src/core/context.js';
import { DbupError } from '../../src/core/errors.js';
import { load } from '../../src/operations/load.js';
import { openPool } from '../../src/pool/pool.js';
import { imageVersions } from '../support/images.js';
import { rsync, rsyncAvailable, startRsync } from '../support/rsync.js';
import { CliRoom, ended, killHard, namesIn } from '../support/run-dbup.js';
import { seededRandom } from '../support/tar-builder.js';

const SEED = Number(process.env.DBUP_TEST_SEED ?? 20_240_301);
const CUTS = 100;
const KILLED_RSYNCS = 8;
const versions = imageVersions('app:1.0', 51, 3, { base: 300_000, application: 150_000 });

let origin: CliRoom;
let scratch: string;

beforeAll(async () => {
  origin = await CliRoom.create();
  scratch = await mkdtemp(join(tmpdir(), 'dbup-cuts-'));
  for (const bytes of versions) await origin.json(['save', '-i', await origin.file('in.tar', bytes)]);
});

afterAll(async () => {
  await origin?.[Symbol.asyncDispose]();
  await rm(scratch, { recursive: true, force: true });
});

/** What a copy says of each version: `exact`, `different` or an error's code. A snapshot that is not there has no say. */
async function verdicts(directory: string): Promise<string[]> {
  const present = await namesIn(join(directory, 'snapshots'));
  let pool: Awaited<ReturnType<typeof openPool>>;
  try {
    pool = await openPool(directory, { access: 'read', cacheRoot: null, threads: 1 });
  } catch (error) {
    return [codeOf(error)];
  }
  try {
    const { records } = await pool.catalog.snapshots();
    const order = await snapshotOrder();
    const found: string[] = [];
    for (const { id } of records) {
      const expected = versions[order.indexOf(id)];
      if (expected === undefined) throw new Error(`a snapshot that was never saved: ${id}`);
      const out = join(scratch, 'loaded.tar');
      await rm(out, { force: true });
      try {
        const sink = { kind: 'file' as const, path: out, format: 'saved' as const };
        await load(pool, `app:1.0@${id}`, sink, {}, quietContext());
        found.push(Buffer.compare(await readFile(out), expected) === 0 ? 'exact' : 'different');
      } catch (error) {
        found.push(codeOf(error));
      }
    }
    expect(records.length).toBeLessThanOrEqual(present.length);
    return found;
  } finally {
    await pool.close();
  }
}

function codeOf(error: unknown): string {
  if (error instanceof DbupError) return error.code;
  throw error;
}

let order: string[] | undefined;

/** Ids of the snapshots as they were saved. */
async function snapshotOrder(): Promise<string[]> {
  if (order) return order;
  const log = await origin.json<{ versions: { snapshot_id: string }[] }>(['log', 'app:1.0']);
  order = log.versions.map(({ snapshot_id }) => snapshot_id).reverse();
  return order;
}

/** The pool's files as rsync sends them: those of the top first, then directory by directory, each by name. */
async function transferOrder(pool: string): Promise<string[]> {
  const entries = await readdir(pool, { withFileTypes: true });
  const names = (directory: boolean): string[] =>
    entries
      .filter((entry) => entry.isDirectory() === directory)
      .map(({ name }) => name)
      .sort();
  const files = names(false);
  for (const directory of names(true)) {
    files.push(...(await namesIn(join(pool, directory))).map((name) => `${directory}/${name}`));
  }
  return files;
}

function shuffled<Item>(items: readonly Item[], random: () => number): Item[] {
  const keyed = items.map((item) => ({ item, key: random() }));
  return keyed.sort((a, b) => a.key - b.key).map(({ item }) => item);
}

const NEVER_WRONG = new Set(['exact', 'POOL_INCOMPLETE', 'NO_POOL']);

describe('a copy that was cut short', () => {
  test(`at ${CUTS} random bytes of the transfer loads each version exactly or says incomplete`, async () => {
    console.log(`seed ${SEED}`);
    const random = seededRandom(SEED);
    const files = await transferOrder(origin.path('pool'));
    const sizes = new Map<string, number>();
    for (const file of files) sizes.set(file, (await readFile(origin.path(`pool/${file}`))).length);
    const total = [...sizes.values()].reduce((sum, size) => sum + size, 0);
    const seen = new Map<string, number>();
    for (let cut = 0; cut < CUTS; cut++) {
      // A sync of many files at once, as buckets are synced, keeps to no order.
      const sent = cut < CUTS / 2 ? files : shuffled(files, random);
      const copy = join(scratch, `copy-${cut}`);
      // Half of the cuts fall on the border between two files, where all that came is whole.
      const atBorder = cut % 2 === 0;
      let left = atBorder ? Number.POSITIVE_INFINITY : Math.floor(random() * total);
      const fileCount = atBorder ? Math.floor(random() * (files.length + 1)) : files.length;
      const partial = random();
      for (const file of sent.slice(0, fileCount)) {
        if (left <= 0) break;
        const to = join(copy, file);
        await mkdir(join(to, '..'), { recursive: true });
        await copyFile(origin.path(`pool/${file}`), to);
        const size = sizes.get(file)!;
        if (left < size) {
          // What was under way stays under its own name (cp, rsync --inplace) or under rsync's temporary one.
          await truncate(to, left);
          if (partial < 0.5) {
            const [directory, name] = file.includes('/') ? file.split('/') : ['', file];
            await copyFile(to, join(copy, directory!, `.${name}.Xy12ab`));
            await rm(to);
          }
        }
        left -= size;
      }
      await mkdir(copy, { recursive: true });
      for (const verdict of await verdicts(copy)) {
        seen.set(verdict, (seen.get(verdict) ?? 0) + 1);
        expect(NEVER_WRONG, `cut ${cut}`).toContain(verdict);
      }
      await rm(copy, { recursive: true });
    }
    expect([...seen.keys()], JSON.stringify([...seen])).toEqual(
      expect.arrayContaining(['exact', 'POOL_INCOMPLETE']),
    );
  });

  test('without any one of its packs never gives a wrong byte, and a sync makes it whole', async () => {
    const pool = origin.path('pool');
    const copy = join(scratch, 'one-missing');
    for (const pack of await namesIn(join(pool, 'packs'))) {
      await rm(copy, { recursive: true, force: true });
      for (const file of await transferOrder(pool)) {
        await mkdir(join(copy, file, '..'), { recursive: true });
        if (!file.endsWith(pack)) await copyFile(join(pool, file), join(copy, file));
      }
      const found = await verdicts(copy);
      expect(found).toHaveLength(versions.length);
      expect(found).toContain('POOL_INCOMPLETE');
      for (const verdict of found) expect(NEVER_WRONG).toContain(verdict);
      const run = await origin.run(['load', 'app:1.0', '-o', join(scratch, 'x.tar')], { DBUP_POOL: copy });
      if (run.exitCode !== 0) {
        expect(run.exitCode).toBe(13);
        expect(run.stderr).toMatch(/[Ss]ync/);
      }
      await copyFile(join(pool, 'packs', pack), join(copy, 'packs', pack));
      expect(await verdicts(copy)).toEqual(versions.map(() => 'exact'));
    }
  });
});

describe.skipIf(!rsyncAvailable())('rsync itself', () => {
  test(`killed at ${KILLED_RSYNCS} moments leaves a copy that is never wrong and that the next rsync completes`, async () => {
    console.log(`seed ${SEED}`);
    const random = seededRandom(SEED);
    const pool = origin.path('pool');
    let killed = 0;
    for (let turn = 0; turn < KILLED_RSYNCS; turn++) {
      const copy = join(scratch, `killed-${turn}`);
      const child = startRsync(pool, copy, ['--bwlimit=400']);
      await sleep(50 + random() * 1200);
      if (await killHard(child)) killed++;
      await mkdir(copy, { recursive: true });
      for (const verdict of await verdicts(copy)) expect(NEVER_WRONG).toContain(verdict);
      const again = await rsync(pool, copy);
      expect(again.exitCode, again.stderr).toBe(0);
      expect(await verdicts(copy)).toEqual(versions.map(() => 'exact'));
      await rm(copy, { recursive: true });
    }
    expect(killed, 'rsync was too fast to be killed').toBeGreaterThan(0);
  });

  test('taken while a save and then a gc run gives copies that are never wrong', async () => {
    await using room = await CliRoom.create();
    const pool = room.path('pool');
    const first = await room.file(
      'first.tar',
      imageVersions('other:1', 61, 1, { base: 2_000_000, application: 400_000 })[0]!,
    );
    const pending = await room.file('pending.tar', versions[2]!);
    for (const bytes of versions.slice(0, 2))
      await room.json(['save', '-i', await room.file('in.tar', bytes)]);
    const check = async (copy: string) => {
      const env = { DBUP_POOL: copy };
      for (const [at, name] of (await listed(room, env)).entries()) {
        const verdict = await room.loadVerdict(name.address, name.bytes, env);
        expect(verdict, `${at}: ${name.address}`).toMatch(/^(exact$|exit 13:)/);
      }
    };
    const listed = async (where: CliRoom, env: NodeJS.ProcessEnv) => {
      const run = await where.run(['--json', 'log', 'app:1.0'], env);
      if (run.exitCode !== 0) return [];
      const log = JSON.parse(run.stdout) as { versions: { snapshot_id: string; image_id: string }[] };
      const ids = await imageIds();
      return log.versions.map(({ snapshot_id, image_id }) => ({
        address: `app:1.0@${snapshot_id}`,
        bytes: versions[ids.indexOf(image_id)]!,
      }));
    };
    await room.json(['save', '-i', first]);
    const saving = ended(room.start(['save', '-i', pending]));
    const during = await rsync(pool, room.path('during-save'), ['--bwlimit=2000']);
    // 23 and 24: files that vanished while they were sent.
    expect([0, 23, 24]).toContain(during.exitCode);
    expect((await saving).exitCode).toBe(0);
    await check(room.path('during-save'));
    await room.json(['rm', 'other:1']);
    await room.json(['rm', 'app:1.0~1']);
    const slow = startRsync(pool, room.path('during-gc'), ['--bwlimit=1500']);
    const slowEnd = ended(slow);
    await sleep(150);
    const gc = await room.run(['gc']);
    expect(gc.exitCode, gc.stderr).toBe(0);
    expect([0, 23, 24]).toContain((await slowEnd).exitCode);
    await check(room.path('during-gc'));
    for (const copy of ['during-save', 'during-gc']) {
      const final = await rsync(pool, room.path(copy), ['--delete-after']);
      expect(final.exitCode, final.stderr).toBe(0);
      expect(await room.loadVerdict('app:1.0', versions[2]!, { DBUP_POOL: room.path(copy) })).toBe('exact');
      expect(await room.loadVerdict('app:1.0~1', versions[0]!, { DBUP_POOL: room.path(copy) })).toBe('exact');
      await room.json(['verify', '--read-data'], { DBUP_POOL: room.path(copy) });
    }
  });
});

let ids: string[] | undefined;

async function imageIds(): Promise<string[]> {
  if (ids) return ids;
  const log = await origin.json<{ versions: { image_id: string }[] }>(['log', 'app:1.0']);
  ids = log.versions.map(({ image_id }) => image_id).reverse();
  return ids;
}

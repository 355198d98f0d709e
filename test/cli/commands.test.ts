import { mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { dockerArchive, dockerArchiveOf, imageIdOf, layerTar } from '../support/images.js';
import { Sandbox } from './dbup-process.js';

const sandbox = new Sandbox();
const base = layerTar(1, 2, 60_000);
const images = [2, 3, 4].map((seed) => ({
  references: ['app:1.0'],
  layers: [base, layerTar(seed, 1, 30_000)],
}));
const archives = images.map(dockerArchive);

beforeAll(async () => {
  archives.forEach((bytes, index) => {
    writeFileSync(sandbox.path(`v${index}.tar`), bytes);
  });
  for (const index of [0, 1]) await sandbox.json(['save', '-i', `v${index}.tar`]);
});
afterAll(() => sandbox.remove());

describe('save', () => {
  test('tells image bytes, new bytes, reused share and exact layers, and says what is saved already', async () => {
    const first = await sandbox.run(['save', '-i', 'v2.tar']);
    expect(first.code).toBe(0);
    expect(first.stdout).toMatch(
      /^app:1\.0: saved as [0-9a-f]{12}; image \S+ kB, new \S+ kB, reused [\d.]+ %, layers exact 2\/2, .+\n$/,
    );
    expect(first.stderr).toContain('reading v2.tar');
    const again = await sandbox.run(['save', '-i', 'v2.tar', '--progress', 'none']);
    expect(again.stdout).toMatch(/^app:1\.0: already saved as [0-9a-f]{12}, nothing added;/);
    expect(again.stderr).toBe('');
    const document = await sandbox.json(['save', '-i', 'v2.tar']);
    expect(document).toMatchObject({
      schema_version: 1,
      command: 'save',
      new_bytes: 0,
      failed: [],
      images: [{ source: 'v2.tar', already_saved: true, layers_exact: 2, image_bytes: archives[2]!.length }],
    });
  });

  test('reads standard input and saves under another name', async () => {
    const result = await sandbox.run(['save', '-i', '-', '--as', 'stdin:1', '-q'], { stdin: archives[0]! });
    expect(result).toMatchObject({ code: 0, stderr: '' });
    expect(result.stdout).toMatch(/^stdin:1@[0-9a-f]{12}\n$/);
  });

  test('one image that fails does not stop the others: exit 3', async () => {
    writeFileSync(sandbox.path('broken.tar'), archives[0]!.subarray(0, 70_000));
    const words = ['save', 'docker-archive:v0.tar', 'docker-archive:broken.tar', 'docker-archive:v1.tar'];
    const result = await sandbox.run([...words, '--pool', 'partial', '--json']);
    expect(result.code).toBe(3);
    expect(JSON.parse(result.stdout)).toMatchObject({
      images: [{ source: 'docker-archive:v0.tar' }, { source: 'docker-archive:v1.tar' }],
      failed: [{ source: 'docker-archive:broken.tar', error: { code: 'INPUT_TRUNCATED' } }],
    });
    const lines = result.stderr
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string });
    expect(lines.map(({ type }) => type)).toEqual(['warning', 'error']);
    expect(lines[1]).toMatchObject({ error: { code: 'PARTIAL', exit_code: 3 } });
  });

  test('an absent file is told before a pool is made for it', async () => {
    const result = await sandbox.run(['save', '-i', 'absent.tar', '--pool', 'unmade']);
    expect(result.code).toBe(12);
    expect(readdirSync(sandbox.directory)).not.toContain('unmade');
  });
});

describe('load', () => {
  test('gives back the tar that was saved, to a file and to standard output', async () => {
    const document = await sandbox.json(['load', 'app:1.0~2', '-o', 'out.tar']);
    expect(document).toMatchObject({
      as_saved: true,
      image_id: imageIdOf(images[0]!),
      to: { kind: 'file', path: 'out.tar' },
    });
    expect(readFileSync(sandbox.path('out.tar')).equals(archives[0]!)).toBe(true);
    const piped = await sandbox.run(['load', 'app:1.0~1', '-o', '-']);
    expect(piped.code).toBe(0);
    expect(piped.stdoutBytes.equals(archives[1]!)).toBe(true);
    expect(piped.stderr).toContain('written to standard output');
  });

  test('takes the sink as a second argument, in every form, and each can be saved again as the same image', async () => {
    for (const sink of ['oci:layout:7', 'oci-archive:oci.tar', 'docker-archive:docker.tar']) {
      const { to } = await sandbox.json(['load', 'app:1.0', sink, '--pool', sandbox.pool]);
      expect(to).toMatchObject({ path: sink.split(':')[1] });
      const source = sink.split(':').slice(0, 2).join(':');
      const { images: saved } = await sandbox.json(['save', source, '--as', 'back:1', '--pool', 'again']);
      expect(saved).toMatchObject([{ image_id: imageIdOf(images[2]!) }]);
    }
  });

  test('--archive gives an archive of several images back whole', async () => {
    const two = dockerArchiveOf([images[0]!, { ...images[1]!, references: ['other:2'] }]);
    writeFileSync(sandbox.path('two.tar'), two);
    await sandbox.json(['save', '-i', 'two.tar', '--pool', 'two']);
    await sandbox.json(['load', 'other:2', '--archive', '-o', 'whole.tar', '--pool', 'two']);
    expect(readFileSync(sandbox.path('whole.tar')).equals(two)).toBe(true);
  });

  test('without -o it wants the engine, and says where it looked: exit 5', async () => {
    const result = await sandbox.run(['load', 'app:1.0']);
    expect(result.code).toBe(5);
    expect(result.stderr).toContain('ENGINE_UNREACHABLE');
    expect(result.stderr).toContain('no-engine.sock');
  });
});

describe('looking', () => {
  test('ls, log and show', async () => {
    const listed = await sandbox.run(['ls']);
    expect(listed.stdout).toMatch(
      /^REFERENCE +IMAGE ID +SAVED +VERSIONS +SIZE\napp:1\.0 +[0-9a-f]{12} +.+ 3 +\S+ kB\n/,
    );
    expect((await sandbox.run(['ls', '-q'])).stdout.split('\n')).toContain('app:1.0');
    expect(await sandbox.json(['ls'])).toMatchObject({
      images: [{ reference: 'app:1.0', version_count: 3 }, {}],
    });
    const log = await sandbox.run(['log', 'app:1.0']);
    const rows = log.stdout
      .trim()
      .split('\n')
      .map((line) => line.split(/ {2,}/)[0]);
    expect(rows).toEqual(['VERSION', 'app:1.0', 'app:1.0~1', 'app:1.0~2']);
    const { versions } = await sandbox.json(['log', 'app:1.0']);
    expect(versions).toMatchObject(images.map((image) => ({ image_id: imageIdOf(image) })).reverse());
    const shown = await sandbox.json(['show', 'app:1.0~1']);
    expect(shown).toMatchObject({
      image_id: imageIdOf(images[1]!),
      complete: true,
      images: [{ platform: 'linux/amd64' }],
    });
    expect((await sandbox.run(['show', 'app:1.0~1'])).stdout).toContain('In the pool: complete');
  });

  test('labels keep their spelling in JSON', async () => {
    const config = { config: { Labels: { someLabel: 'aB', 'org.x/camelCase': 'v' } } };
    writeFileSync(sandbox.path('label.tar'), dockerArchive({ ...images[0]!, references: ['l:1'], config }));
    await sandbox.json(['save', '-i', 'label.tar', '--pool', 'labels']);
    const shown = await sandbox.json(['show', 'l:1', '--pool', 'labels']);
    expect(shown).toMatchObject({
      images: [{ config: { labels: { someLabel: 'aB', 'org.x/camelCase': 'v' } } }],
    });
  });

  test('stats of the pool and of a version', async () => {
    expect(await sandbox.json(['stats'])).toMatchObject({ pool: { garbage_bytes: 0 } });
    const { version } = await sandbox.json(['stats', 'app:1.0~1']);
    expect(version).toMatchObject({ missing_chunks: 0, image_bytes: archives[1]!.length });
    expect((await sandbox.run(['stats'])).stdout).toMatch(/^Dedup: +\d+\.\d\dx/m);
  });

  test('reindex makes the catalog again', async () => {
    expect(await sandbox.json(['reindex'])).toMatchObject({
      unusable: [],
      catalog_path: expect.stringContaining('.cache/dbup'),
    });
    expect((await sandbox.run(['reindex'])).stdout).toMatch(/^catalog made again in /);
  });
});

describe('changing', () => {
  const pool = ['--pool', 'change'];
  beforeAll(async () => {
    for (const index of [0, 1, 2]) await sandbox.json(['save', '-i', `v${index}.tar`, ...pool]);
  });

  test('tag, rollback, rm and gc, each with its plan', async () => {
    expect(await sandbox.json(['tag', 'app:1.0~2', 'app:first', ...pool])).toMatchObject({
      already_tagged: false,
      image_id: imageIdOf(images[0]!),
    });
    expect((await sandbox.run(['tag', 'app:1.0~2', 'app:first', ...pool])).stdout).toContain(
      'already, nothing added',
    );
    const rolled = await sandbox.json(['rollback', 'app:1.0', '--to', '~2', '--no-load', ...pool]);
    expect(rolled).toMatchObject({
      loaded: null,
      version: { image_id: imageIdOf(images[0]!), address: 'app:1.0' },
    });
    expect((await sandbox.run(['log', 'app:1.0', ...pool])).stdout).toMatch(
      /app:1\.0 .* rollback to [0-9a-f]{12}\n/,
    );

    const dry = await sandbox.json(['rm', 'app:1.0~1', '--dry-run', ...pool]);
    expect(dry).toMatchObject({ dry_run: true, remove: [{ image_id: imageIdOf(images[2]!) }] });
    expect(await sandbox.json(['log', 'app:1.0', ...pool])).toHaveProperty('versions.length', 4);
    const removed = await sandbox.run(['rm', 'app:1.0~1', ...pool]);
    expect(removed.stdout).toMatch(
      /app:1\.0~1 .* forgotten\n1 version forgotten; `dbup gc` frees the space\n$/,
    );
    expect(await sandbox.json(['log', 'app:1.0', ...pool])).toHaveProperty('versions.length', 3);

    const plan = await sandbox.json(['gc', '--dry-run', ...pool]);
    expect(plan).toMatchObject({ dry_run: true, result: null, plan: { packs: { damaged: [] } } });
    const done = await sandbox.json(['gc', ...pool]);
    expect(done).toMatchObject({ dry_run: false, result: { packs_removed: 1 } });
    expect((await sandbox.run(['gc', ...pool])).stdout).toMatch(/^nothing to free/);
    expect((await sandbox.run(['verify', '--read-data', ...pool])).code).toBe(0);
  });

  test('rules apply to each reference by itself, and to those named only', async () => {
    const rules = ['--keep-last', '1', '--dry-run', ...pool];
    const { remove } = (await sandbox.json(['rm', ...rules])) as unknown as {
      remove: { reference: string }[];
    };
    expect(new Set(remove.map(({ reference }) => reference))).toEqual(new Set(['app:1.0']));
    expect(await sandbox.json(['rm', 'app:first', ...rules])).toMatchObject({ remove: [] });
    expect(await sandbox.json(['rm', 'app:1*', ...rules])).toHaveProperty('remove.length', 2);
  });

  test('a rollback whose load fails says that the pool is rolled back', async () => {
    const result = await sandbox.run(['rollback', 'app:1.0', ...pool]);
    expect(result.code).toBe(5);
    expect(result.stderr).toMatch(
      /warning: app:1\.0: rolled back to [0-9a-f]{12}.*could not be loaded\nerror: /,
    );
  });
});

describe('verify and repair', () => {
  test('damage is 4, missing content 13; repair heals both from a copy', async () => {
    for (const name of ['sound', 'hurt']) await sandbox.json(['save', '-i', 'v0.tar', '--pool', name]);
    const packs = sandbox.path('hurt/packs');
    const [pack] = readdirSync(packs);
    const bytes = readFileSync(`${packs}/${pack}`);
    bytes[100]! ^= 1;
    rmSync(`${packs}/${pack}`);
    writeFileSync(`${packs}/${pack}`, bytes);
    expect((await sandbox.run(['verify', '--pool', 'hurt'])).code).toBe(0);
    const found = await sandbox.run(['verify', '--read-data', '--pool', 'hurt']);
    expect(found.code).toBe(4);
    expect(found.stdout).toMatch(/^damage: .*app:1\.0$/m);
    expect(found.stdout).toContain('DAMAGED');
    const document = await sandbox.run(['verify', '--read-data=100%', '--pool', 'hurt', '--json']);
    expect(document.code).toBe(4);
    expect(JSON.parse(document.stdout)).toMatchObject({ damaged: true, images_hit: ['app:1.0'] });
    expect((await sandbox.run(['load', 'app:1.0', '-o', 'x.tar', '--pool', 'hurt'])).code).toBe(4);

    rmSync(`${packs}/${pack}`);
    expect((await sandbox.run(['verify', 'app:1.0', '--pool', 'hurt'])).code).toBe(13);
    expect((await sandbox.run(['load', 'app:1.0', '-o', 'x.tar', '--pool', 'hurt'])).code).toBe(13);
    const repaired = await sandbox.run(['repair', '--from', 'sound', '--pool', 'hurt']);
    expect(repaired.code).toBe(0);
    expect(repaired.stdout).toContain('the pool is sound');
    expect((await sandbox.run(['verify', '--read-data', 'app:1.0', '--pool', 'hurt'])).code).toBe(0);
  });
});

describe('the pool itself', () => {
  test('init makes one, once', async () => {
    const made = await sandbox.json(['init', '--pool', 'fresh']);
    expect(made).toMatchObject({
      pool: sandbox.path('fresh'),
      pool_id: expect.stringMatching(/^[0-9a-f]{32}$/),
    });
    expect((await sandbox.run(['init', '--pool', 'fresh'])).code).toBe(1);
    expect((await sandbox.run(['ls', '--pool', 'fresh'])).stdout).toContain('dbup save IMAGE');
  });

  test('a cache directory that cannot be used costs nothing but speed', async () => {
    writeFileSync(sandbox.path('a-file'), '');
    const listed = await sandbox.run(['ls', '-q', '--cache-dir', 'a-file']);
    expect(listed).toMatchObject({ code: 0 });
    expect(listed.stdout).toContain('app:1.0');
    expect(await sandbox.json(['reindex', '--cache-dir', 'a-file'])).toMatchObject({ catalog_path: null });
  });

  test('a pool cut short by a sync is told from none', async () => {
    mkdirSync(sandbox.path('cut/packs'), { recursive: true });
    writeFileSync(sandbox.path(`cut/packs/${'0'.repeat(64)}`), '');
    expect((await sandbox.run(['ls', '--pool', 'cut'])).code).toBe(13);
    await sandbox.json(['init', '--pool', 'newer']);
    truncateSync(sandbox.path('newer/dbup-pool.json'), 10);
    expect((await sandbox.run(['ls', '--pool', 'newer'])).code).toBe(4);
  });
});

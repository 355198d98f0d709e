import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PACK_FEATURE } from '../../src/format/pack.js';
import { sha256Hex } from '../format/hand-made-pool.js';
import { ARCHIVE, tinySnapshot } from '../format/tiny-image.js';
import { runCommand } from '../support/run-command.js';

const POOLS = 'fixtures/pools';

/** Every command that opens a pool; `ARCHIVE` and `OUT` are files beside it, `SOUND` is another pool. */
const COMMANDS: readonly (readonly string[])[] = [
  ['ls'],
  ['log', 'hello:1'],
  ['show', 'hello:1'],
  ['stats'],
  ['verify'],
  ['verify', '--read-data'],
  ['load', 'hello:1', '-o', 'OUT'],
  ['estimate', '-i', 'ARCHIVE'],
  ['save', '-i', 'ARCHIVE'],
  ['tag', 'hello:1', 'b:1'],
  ['rollback', 'hello:1', '--to', 'hello:1', '--no-load'],
  ['rm', 'hello:1'],
  ['gc'],
  ['gc', '--dry-run'],
  ['gc', '--repack'],
  ['reindex'],
  ['repair', '--from', 'SOUND'],
];
/** What lists, names and forgets versions reads snapshots alone. */
const NEED_NO_PACKS = ['ls', 'log', 'tag', 'rollback', 'rm'];

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'dbup-newer-'));
  await writeFile(join(root, 'ARCHIVE'), ARCHIVE);
  await cp(join(POOLS, 'sound-hand-made'), join(root, 'SOUND'), { recursive: true });
});
afterAll(() => rm(root, { recursive: true, force: true }));

/** A fresh copy of a golden pool. */
async function pool(golden: string): Promise<string> {
  const directory = join(root, 'pool');
  await rm(directory, { recursive: true, force: true });
  await cp(join(POOLS, golden), directory, { recursive: true });
  return directory;
}

async function files(directory: string): Promise<string[]> {
  const names = await readdir(directory, { recursive: true });
  return names.filter((name) => /^(packs|snapshots)\//.test(name)).sort();
}

async function run(directory: string, words: readonly string[]) {
  const paths = words.map((word) => (/^[A-Z]+$/.test(word) ? join(root, word) : word));
  const env = { HOME: root, DBUP_POOL: directory, DBUP_CACHE_DIR: join(root, 'cache') };
  return runCommand(paths, env);
}

async function expectRefusal(directory: string, words: readonly string[]): Promise<void> {
  const before = await files(directory);
  const { exitCode, codes, hints } = await run(directory, words);
  expect({ exitCode, codes }, words.join(' ')).toEqual({ exitCode: 5, codes: ['POOL_FORMAT_UNSUPPORTED'] });
  expect(hints.join()).toContain('Update dbup on this machine');
  expect(await files(directory)).toEqual(before);
}

describe('a pool of a later dbup', () => {
  it.each(['newer-format', 'unknown-feature'])(
    '%s: every command refuses it, changes nothing and says what to do',
    async (golden) => {
      const directory = await pool(golden);
      for (const words of COMMANDS) await expectRefusal(directory, words);
    },
  );

  it.each(['newer-pack-version', 'unknown-pack-feature'])(
    '%s: whatever reads or writes content does',
    async (golden) => {
      const directory = await pool(golden);
      for (const words of COMMANDS.filter(([name]) => !NEED_NO_PACKS.includes(name!)))
        await expectRefusal(directory, words);
      expect((await run(directory, ['ls'])).exitCode).toBe(0);
    },
  );

  it('recipe-kind-9: whatever reads that version, or says what is needed, does', async () => {
    const directory = await pool('recipe-kind-9');
    for (const name of ['show', 'load', 'verify', 'stats', 'gc'])
      for (const words of COMMANDS.filter(([first]) => first === name)) await expectRefusal(directory, words);
  });

  it('a snapshot of a later dbup: it is not taken for damage, no version is taken for the current one, nothing is collected', async () => {
    const directory = await pool('sound-hand-made');
    const [name] = await readdir(join(directory, 'snapshots'));
    const bytes = tinySnapshot({ features: ['a-later-one'] });
    await rename(join(directory, 'snapshots', name!), join(directory, 'snapshots', sha256Hex(bytes)));
    await writeFile(join(directory, 'snapshots', sha256Hex(bytes)), bytes);
    await mkdir(join(directory, 'tmp'), { recursive: true });
    for (const words of COMMANDS.filter(([first]) =>
      ['show', 'load', 'gc', 'tag', 'rollback'].includes(first!),
    ))
      await expectRefusal(directory, words);
    const { exitCode } = await run(directory, ['save', '-i', 'ARCHIVE']);
    expect(exitCode).toBe(0);
    await expectRefusal(directory, ['load', 'hello:1', '-o', 'OUT']);
  });
});

describe('a golden pool', () => {
  it('is there for every feature that packs may have', async () => {
    const features = new Set<number>();
    for (const golden of await readdir(POOLS)) {
      if (!golden.startsWith('sound-')) continue;
      const packs = join(POOLS, golden, 'packs');
      for (const name of await readdir(packs)) {
        if (!/^[0-9a-f]{64}$/.test(name)) continue;
        const pack = await readFile(join(packs, name));
        const footerAt = pack.length - 32 - pack.readUInt32LE(pack.length - 32);
        const bits = pack.readUInt32LE(footerAt + 12);
        for (const bit of Object.values(PACK_FEATURE)) if (bits & bit) features.add(bit);
      }
    }
    expect([...features].sort()).toEqual(Object.values(PACK_FEATURE).sort());
  });

  it.each([
    ['delta', 'sound-delta-releases'],
    ['delta upon delta', 'sound-delta-chain'],
    ['deltas of two pools', 'sound-delta-merged'],
    ['sketches', 'sound-sketches'],
    ['filtered code', 'sound-x86-filter'],
    ['gzip recipes', 'sound-gzip'],
    ['checkpoints', 'sound-gzip-checkpoints'],
    ['list nodes', 'sound-three-levels'],
  ])('of %s is committed, passes a whole verification and survives gc', async (_, golden) => {
    const directory = await pool(golden);
    expect((await run(directory, ['verify', '--read-data'])).exitCode).toBe(0);
    expect((await run(directory, ['gc', '--repack'])).exitCode).toBe(0);
    expect((await run(directory, ['verify', '--read-data'])).exitCode).toBe(0);
  });
});

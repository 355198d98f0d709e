import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Catalog } from '../../../src/catalog/catalog.js';
import { nodeFileSystem } from '../../../src/store/file-system.js';
import { PoolLayout } from '../../../src/store/pool-layout.js';
import { tinyPool } from '../../format/tiny-image.js';
import type { FuzzTarget } from '../fuzz-target.js';
import { maybeMutated } from '../mutate.js';

interface Room {
  directory: string;
  layout: PoolLayout;
  cache: string;
  sound: Uint8Array;
  expected: string;
}
let room: Promise<Room> | null = null;

async function makeRoom(): Promise<Room> {
  const directory = mkdtempSync(join(tmpdir(), 'dbup-fuzz-'));
  for (const name of ['packs', 'snapshots', 'cache']) mkdirSync(join(directory, name));
  for (const [name, bytes] of tinyPool()) writeFileSync(join(directory, name), bytes);
  const layout = new PoolLayout(directory);
  const cache = join(directory, 'cache');
  const expected = await answers(layout, cache);
  return {
    directory,
    layout,
    cache,
    expected,
    sound: new Uint8Array(readFileSync(join(cache, 'catalog.sqlite'))),
  };
}

async function answers(layout: PoolLayout, cache: string): Promise<string> {
  const catalog = Catalog.open(nodeFileSystem, layout, cache);
  try {
    const { records: packs, unusable: badPacks } = await catalog.packs();
    const { records: snapshots, unusable: badSnapshots } = await catalog.snapshots();
    const footers = packs.map(({ name, footer }) => [
      name,
      footer.chunkCount,
      Buffer.from(footer.chunkIds).toString('hex'),
    ]);
    return JSON.stringify([footers, snapshots, badPacks.length, badSnapshots.length]);
  } finally {
    catalog.close();
  }
}

export const catalogTarget: FuzzTarget = {
  name: 'catalog-file',
  runs: 'the SQLite file of the catalog, changed anywhere: the answers stay those of the files of the pool',
  inputs: 2_000,
  shortInputs: 30,
  async make(random) {
    room ??= makeRoom();
    return maybeMutated(random, (await room).sound);
  },
  async run(bytes) {
    room ??= makeRoom();
    const { layout, cache, expected } = await room;
    for (const suffix of ['', '-wal', '-shm', '-journal'])
      rmSync(join(cache, `catalog.sqlite${suffix}`), { force: true });
    writeFileSync(join(cache, 'catalog.sqlite'), bytes);
    if ((await answers(layout, cache)) !== expected)
      throw new TypeError('a changed catalog changes the answer');
    return true;
  },
  async close() {
    if (room) rmSync((await room).directory, { recursive: true, force: true });
    room = null;
  },
};

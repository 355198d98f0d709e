import { cp, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { quietContext } from '../../src/core/context.js';
import { repair } from '../../src/operations/repair.js';
import { createPool } from '../../src/pool/create-pool.js';
import { SmallPool } from '../operations/small-pool.js';
import { dockerArchive, layerTar } from '../support/images.js';

it('repair keeps a pack it cannot read while a chunk that is needed is damaged elsewhere', async () => {
  await using here = await SmallPool.create();
  await createPool(here.directory);
  await using there = await here.copy();
  const layer = layerTar(1, 2, 150_000);
  await here.save(dockerArchive({ references: ['app:1'], layers: [layer] }));
  await there.save(dockerArchive({ references: ['other:1'], layers: [layer] }));
  const packs = join(here.directory, 'packs');
  const [ours] = await readdir(packs);
  const [theirs] = await readdir(join(there.directory, 'packs'));
  await cp(join(there.directory, 'packs', theirs!), join(packs, theirs!));
  await flip(join(packs, ours!), 5000);
  // In the footer: its blocks, with the last good copy of the layer, cannot be found any more.
  await flip(join(packs, theirs!), -40);
  await using empty = await SmallPool.create();
  await createPool(empty.directory);
  const result = await here.with('exclusive', (pool) => repair(pool, empty.directory, quietContext()));
  expect(result.damaged).toBe(true);
  expect(result.repaired).toEqual([]);
  expect((await readdir(packs)).sort()).toEqual([ours, theirs].sort());
});

async function flip(path: string, at: number): Promise<void> {
  const bytes = await readFile(path);
  const position = at < 0 ? bytes.length + at : at;
  bytes[position]! ^= 1;
  await writeFile(path, bytes);
}

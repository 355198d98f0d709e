import { readdir, readFile, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { quietContext } from '../../src/core/context.js';
import { type LoadSink, load } from '../../src/operations/load.js';
import { SmallPool } from '../operations/small-pool.js';
import { dockerArchive, layerTar } from '../support/images.js';
import { treeOf } from '../support/pool-room.js';

const LAYER = layerTar(1, 2, 150_000);
const APP = dockerArchive({ references: ['app:1'], layers: [LAYER] });

describe('load into its own pool', () => {
  it('is refused, whatever links lead there, and changes nothing', async () => {
    await using room = await SmallPool.create();
    await room.save(APP);
    const link = join(room.root, 'link');
    await symlink(join(room.directory, 'packs'), link);
    const before = await treeOf(room.directory);
    const [pack] = await readdir(join(room.directory, 'packs'));
    const file = (path: string): LoadSink => ({ kind: 'file', path, format: 'saved' });
    const sinks: LoadSink[] = [
      file(join(room.directory, 'packs', pack!)),
      file(join(room.directory, 'app.tar')),
      file(join(link, 'new', 'app.tar')),
      file(`${link}/../new.tar`),
      file(`${room.root}/absent/../pool/app.tar`),
      { kind: 'oci-directory', path: room.directory },
      { kind: 'oci-directory', path: join(link, 'layout') },
    ];
    for (const sink of sinks) {
      const loading = room.with('read', (pool) => load(pool, 'app:1', sink, {}, quietContext()));
      await expect(loading, JSON.stringify(sink)).rejects.toMatchObject({ code: 'USAGE' });
    }
    expect(await treeOf(room.directory)).toEqual(before);
  });

  it('is not taken for a place beside the pool whose name begins with the same letters', async () => {
    await using room = await SmallPool.create();
    await room.save(APP);
    const path = `${room.directory}-of-others/app.tar`;
    await room.with('read', (pool) =>
      load(pool, 'app:1', { kind: 'file', path, format: 'saved' }, {}, quietContext()),
    );
    expect(await readFile(path)).toEqual(Buffer.from(APP));
  });
});

import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { quietContext } from '../../src/core/context.js';
import { showVersion } from '../../src/operations/show.js';
import { stats } from '../../src/operations/stats.js';
import { formatBytes } from '../../src/ui/format-units.js';
import { archiveOf } from '../support/archive-layouts.js';
import { makeInput } from '../support/deflate-inputs.mjs';
import { GO_6, gzipBy, layoutOfLayers } from '../support/gzip-files.js';
import { dockerArchive } from '../support/images.js';
import { deflated, zipOf } from '../support/nested-files.js';
import { PoolRoom } from '../support/pool-room.js';
import { runCommand, runHere } from '../support/run-command.js';
import { concatBytes, noise, tarEnd, tarFile } from '../support/tar-builder.js';

const text = (seed: number, length: number): Uint8Array => makeInput('text', seed, length);
const CLASSES = Array.from({ length: 20 }, (_, i) => deflated(`app/C${i}.class`, text(i, 2000 + 400 * i)));
const OTHER = { name: 'odd', plain: noise(4, 50), deflate: Uint8Array.of(1, 1, 0, 254, 255, 9) };
const JAR = zipOf([...CLASSES, OTHER]);
const sum = (sizes: readonly number[]): number => sizes.reduce((total, size) => total + size, 0);
const OPENED = {
  streams: 20,
  compressedBytes: sum(CLASSES.map(({ deflate }) => deflate!.length)),
  plainBytes: sum(CLASSES.map(({ plain }) => plain.length)),
};
const NOTHING = { streams: 0, compressedBytes: 0, plainBytes: 0 };
const BASE = concatBytes([tarFile('base', noise(1, 3000)), tarEnd()]);
const APP = concatBytes([tarFile('lib/app.jar', JAR), tarFile('other', noise(2, 900)), tarEnd()]);

describe('compressed files that are held open', () => {
  it('are counted by show for each layer, and by stats for each distinct one', async () => {
    await using room = await PoolRoom.create();
    await room.saveBytes(dockerArchive({ references: ['app:1.0'], layers: [BASE, APP, APP] }));
    await room.saveBytes(dockerArchive({ references: ['also:1'], layers: [APP] }));
    await room.saveBytes(dockerArchive({ references: ['base:1'], layers: [BASE] }));
    await room.with('read', async (pool) => {
      const { images } = await showVersion(pool, 'app:1.0', quietContext());
      expect(images[0]!.layers.map(({ opened }) => opened)).toEqual([NOTHING, OPENED, OPENED]);
      const measured = await stats(pool, 'base:1', quietContext());
      expect([measured.pool.opened, measured.version!.opened]).toEqual([OPENED, NOTHING]);
      expect((await stats(pool, 'also:1', quietContext())).version!.opened).toEqual(OPENED);
    });
  });

  it('are counted in gzip layers too, and told in words and in JSON', async () => {
    await using room = await PoolRoom.create();
    const layers = [{ plain: APP, compressed: gzipBy(GO_6, APP) }];
    await room.saveBytes(archiveOf(layoutOfLayers(layers)));
    const env = { HOME: room.root, DBUP_POOL: room.pool, DBUP_CACHE_DIR: room.path('cache') };
    const run = async (...words: string[]) => (await runCommand(words, env)).stdout;
    const json = {
      streams: 20,
      compressed_bytes: OPENED.compressedBytes,
      plain_bytes: OPENED.plainBytes,
    };
    const shown = JSON.parse(await run('show', 'app:1.0', '--json'));
    expect(shown.images[0].layers[0].opened).toEqual(json);
    expect(JSON.parse(await run('stats', '--json')).pool.opened).toEqual(json);
    const { version } = JSON.parse(await run('stats', 'app:1.0', '--json'));
    expect(version.opened).toEqual(json);
    const told = `20 compressed files held open, ${formatBytes(OPENED.compressedBytes)} as ${formatBytes(OPENED.plainBytes)}`;
    for (const words of [['show', 'app:1.0'], ['stats'], ['stats', 'app:1.0']]) {
      const { stdout } = await runHere(words, env);
      expect(stdout, words.join(' ')).toContain(told);
    }
  });

  it('are not counted where that cannot be read', async () => {
    await using room = await PoolRoom.create();
    await room.saveBytes(dockerArchive({ references: ['app:1.0'], layers: [APP] }));
    for (const name of await readdir(join(room.pool, 'packs'))) await rm(join(room.pool, 'packs', name));
    await room.with('read', async (pool) => {
      const { images, complete } = await showVersion(pool, 'app:1.0', quietContext());
      expect([complete, images[0]!.layers[0]!.opened]).toEqual([false, null]);
      expect((await stats(pool, undefined, quietContext())).pool.opened).toBeNull();
    });
  });
});

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { quietContext } from '../../src/core/context.js';
import { protect } from '../../src/operations/protect.js';
import { save } from '../../src/operations/save.js';
import { openPool } from '../../src/pool/pool.js';
import { SmallPool } from '../operations/small-pool.js';
import { archiveOf } from '../support/archive-layouts.js';
import { makeInput } from '../support/deflate-inputs.mjs';
import { gzipBy, layoutOfLayers } from '../support/gzip-files.js';
import { dockerArchive, imageVersions, layerTar } from '../support/images.js';
import { concatBytes, tarEnd, tarFile } from '../support/tar-builder.js';

export const SHARE_PERCENT = 10;

/** Versions with deltas, images that share nothing, several packs, and parity. */
export async function plainPool(): Promise<SmallPool> {
  const pool = await SmallPool.create();
  for (const version of imageVersions('app:1.0', 3, 3, { base: 60_000, application: 30_000 }))
    await pool.save(version);
  await pool.save(dockerArchive({ references: ['other:1'], layers: [layerTar(9, 2, 8_000)] }));
  await cover(pool);
  return pool;
}

/** An OCI archive whose gzip layers are held open by recipes, one of them twice, and parity. */
export async function gzipPool(): Promise<SmallPool> {
  const pool = await SmallPool.create();
  await pool.save(dockerArchive({ references: ['plain:1'], layers: [layerTar(5, 1, 4_000)] }));
  const layers = [1, 2].map((seed) => {
    const plain = concatBytes([tarFile('usr/text', makeInput('text', seed, 40_000)), tarEnd()]);
    return { plain, compressed: gzipBy({ family: 'go', level: 6 }, plain) };
  });
  const path = join(pool.root, 'in.tar');
  await writeFile(path, archiveOf(layoutOfLayers(layers)));
  const open = await openPool(pool.directory, { access: 'append', cacheRoot: null, threads: 1 });
  try {
    await save(open, { kind: 'archive', path }, { as: 'zipped:1' }, quietContext());
  } finally {
    await open.close();
  }
  await cover(pool);
  return pool;
}

async function cover(pool: SmallPool): Promise<void> {
  await pool.with('append', (open) => protect(open, { sharePercent: SHARE_PERCENT }, quietContext()));
}

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { quietContext } from '../../src/core/context.js';
import { protect } from '../../src/operations/protect.js';
import { openPool } from '../../src/pool/pool.js';
import { randomTar } from '../support/tar-builder.js';
import { fails, type Maker, ok } from './golden-expectation.js';
import { dockerArchive } from './image-builder.js';
import { saveArchiveBytes } from './pool-run.js';

const IMAGES = [1, 2].map((i) =>
  dockerArchive({
    reference: `parity:${i}`,
    layers: [randomTar(50 + i, { members: 6, maxFileBytes: 3000 })],
  }),
);

/** Two packs, their snapshots and the descriptor, with its checksum, covered by one parity file. */
const protectedPool: Maker = async (directory) => {
  for (let i = 0; i < IMAGES.length; i++)
    await saveArchiveBytes(directory, IMAGES[i]!, { timeMs: Date.UTC(2026, 0, 1 + i) });
  const pool = await openPool(directory, { access: 'append', cacheRoot: null, threads: 1 });
  try {
    await protect(pool, { sharePercent: 20 }, quietContext());
  } finally {
    await pool.close();
  }
  return ok({ 'parity:1': IMAGES[0]!, 'parity:2': IMAGES[1]! });
};

/** A flipped digit of the creation time: only the checksum tells. */
const doubtfulDescriptor: Maker = async (directory) => {
  await protectedPool(directory);
  const path = join(directory, 'dbup-pool.json');
  const text = await readFile(path, 'utf8');
  await writeFile(path, text.replace(/"createdAt": "2/, '"createdAt": "3'));
  return fails('POOL_DAMAGED', 'open');
};

export const PARITY_POOLS: Readonly<Record<string, Maker>> = {
  'sound-parity': protectedPool,
  'descriptor-checksum-wrong': doubtfulDescriptor,
};

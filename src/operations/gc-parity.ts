import { listNames } from '../catalog/catalog.js';
import { type ParityFile, readParityFiles } from '../pool/parity-file.js';
import type { Pool } from '../pool/pool.js';
import { removeParityFiles } from './protect.js';

/** What gc did about parity, and what it left to do. */
export interface ParityLeft {
  removed: number;
  freedBytes: number;
  /** Parity files that stay and cover packs that are gone: they heal less than they could. */
  stale: number;
}

/** Removes parity files of which nothing is there any more that they cover. Those that cannot be read stay, for a repair. */
export async function removeDeadParity(pool: Pool): Promise<ParityLeft> {
  const { fs, layout } = pool;
  const { files } = await readParityFiles(pool);
  const packs = new Set(await listNames(fs, layout.packsDirectory));
  const snapshots = new Set(await listNames(fs, layout.snapshotsDirectory));
  const isDead = ({ set }: ParityFile): boolean =>
    !set.members.some(({ name }) => packs.has(name)) && !set.copies.some(({ name }) => snapshots.has(name));
  const dead = files.filter(isDead);
  await removeParityFiles(
    pool,
    dead.map(({ name }) => name),
  );
  const left = files.filter((file) => !dead.includes(file));
  return {
    removed: dead.length,
    freedBytes: dead.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    stale: left.filter(({ set }) => set.members.some(({ name }) => !packs.has(name))).length,
  };
}

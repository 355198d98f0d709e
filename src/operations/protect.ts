import { listNames } from '../catalog/catalog.js';
import type { OperationContext } from '../core/context.js';
import { DbupError, toDbupError } from '../core/errors.js';
import { ParityWorkers } from '../pool/parity-workers.js';
import { writeParityFile } from '../pool/parity-writer.js';
import type { Pool } from '../pool/pool.js';

import { type LeftOut, type ProtectPlan, planProtection } from './protect-plan.js';
import { unlinkIfThere } from './remove-packs.js';

/** What `dbup parity` takes where nothing else is said. */
export const DEFAULT_SHARE_PERCENT = 10;
export const MOST_SHARE_PERCENT = 100;

export interface ProtectResult {
  /** Part of each set that may be damaged; 0 when parity was removed. */
  sharePercent: number;
  /** Relative to the pool. */
  added: { file: string; sizeBytes: number }[];
  removed: string[];
  /** Parity files that stayed. */
  keptCount: number;
  /** Packs that parity covers now, and their bytes. */
  packsCovered: number;
  coveredBytes: number;
  /** Snapshots, and the descriptor, of which parity files hold copies. */
  copies: number;
  /** Bytes of all parity files. */
  parityBytes: number;
  /** Files that are not what their names say: no parity was made of them. */
  leftOut: LeftOut[];
}

/**
 * Makes parity files for everything in a pool that none of the wanted share covers yet, and then removes those of another
 * share, and those that lost what they cover. Done a second time it does nothing. Each pack is read and compared with
 * its name first. A pool that is open for appending is enough. Ended at any point, what was protected stays so.
 * @throws DbupError USAGE, DISK_FULL, INTERRUPTED
 */
export async function protect(
  pool: Pool,
  { sharePercent }: { sharePercent: number },
  context: OperationContext,
): Promise<ProtectResult> {
  if (!(Number.isInteger(sharePercent) && sharePercent >= 1 && sharePercent <= MOST_SHARE_PERCENT)) {
    throw new DbupError('USAGE', `parity for ${sharePercent} % cannot be made`, {
      hint: `Give a whole number of percent from 1 to ${MOST_SHARE_PERCENT}.`,
    });
  }
  try {
    const plan = await planProtection(pool, sharePercent, context);
    const added = await writeSets(pool, plan, sharePercent, context);
    // A set that is made anew of the same contents is the same file.
    const names = new Set(added.map(({ name }) => name));
    const removed = plan.remove.filter((name) => !names.has(name));
    await removeParityFiles(pool, removed);
    return resultOf(pool, plan, { sharePercent, added, removed });
  } catch (error) {
    throw toDbupError(error, `protecting the pool ${pool.layout.directory}`);
  }
}

/** Removes all parity files. */
export async function removeParity(pool: Pool): Promise<ProtectResult> {
  try {
    const removed = await listNames(pool.fs, pool.layout.parityDirectory);
    await removeParityFiles(pool, removed);
    const nothing = { kept: [], remove: [], sets: [], leftOut: [] };
    return await resultOf(pool, nothing, { sharePercent: 0, added: [], removed });
  } catch (error) {
    throw toDbupError(error, `removing parity from the pool ${pool.layout.directory}`);
  }
}

/** Removes parity files, durably. */
export async function removeParityFiles(pool: Pool, names: readonly string[]): Promise<void> {
  if (names.length === 0) return;
  for (const name of names) await unlinkIfThere(pool, pool.layout.parityPath(name));
  await pool.fs.syncDirectory(pool.layout.parityDirectory);
}

async function writeSets(
  pool: Pool,
  { sets }: ProtectPlan,
  sharePercent: number,
  context: OperationContext,
): Promise<{ name: string; sizeBytes: number }[]> {
  const { fs, layout } = pool;
  const workers = new ParityWorkers(pool.workers.threads);
  const task = 'computing parity';
  const bytesOf = ({ members }: ProtectPlan['sets'][number]): number =>
    members.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const totalBytes = sets.reduce((sum, set) => sum + bytesOf(set), 0);
  let doneBytes = 0;
  const added: { name: string; sizeBytes: number }[] = [];
  context.report({ type: 'start', task, subject: `${sharePercent} %`, totalBytes });
  try {
    for (const set of sets) {
      const onCovered = (setBytes: number): void =>
        context.report({ type: 'bytes', task, doneBytes: doneBytes + setBytes, totalBytes });
      const contents = { sharePercent, ...set };
      added.push(await writeParityFile({ fs, layout, workers, context }, contents, onCovered));
      doneBytes += bytesOf(set);
    }
  } finally {
    await workers.close();
  }
  context.report({ type: 'end', task });
  return added;
}

async function resultOf(
  { fs, layout }: Pool,
  { kept, sets, leftOut }: ProtectPlan,
  done: { sharePercent: number; added: readonly { name: string; sizeBytes: number }[]; removed: string[] },
): Promise<ProtectResult> {
  const all = [...kept.map(({ set }) => set), ...sets];
  const members = new Map(all.flatMap((set) => set.members.map(({ name, sizeBytes }) => [name, sizeBytes])));
  let parityBytes = 0;
  for (const name of await listNames(fs, layout.parityDirectory))
    parityBytes += (await fs.info(layout.parityPath(name)))?.sizeBytes ?? 0;
  return {
    sharePercent: done.sharePercent,
    added: done.added.map(({ name, sizeBytes }) => ({ file: `parity/${name}`, sizeBytes })),
    removed: done.removed.map((name) => `parity/${name}`),
    keptCount: kept.length,
    packsCovered: members.size,
    coveredBytes: [...members.values()].reduce((sum, sizeBytes) => sum + sizeBytes, 0),
    copies: new Set(all.flatMap((set) => set.copies.map(({ name }) => name))).size,
    parityBytes,
    leftOut,
  };
}

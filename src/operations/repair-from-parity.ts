import type { OperationContext } from '../core/context.js';
import { openCopy, type ParityFile, readParityFiles } from '../pool/parity-file.js';
import { absentMembers, ParityHealer } from '../pool/parity-healer.js';
import { ParityWorkers } from '../pool/parity-workers.js';
import { writeParityFile } from '../pool/parity-writer.js';
import type { Pool } from '../pool/pool.js';
import { DurableFile } from '../store/durable-file.js';
import { DEFAULT_SHARE_PERCENT, protect, removeParityFiles } from './protect.js';

/** What parity gave back. */
export interface Healed {
  /** Relative to the pool. */
  file: string;
  sizeBytes: number;
}

/** What is wanted of parity. */
export interface ParityWants {
  /** Names of packs that are damaged. */
  packs: ReadonlySet<string>;
  /** True when chunks are missing: packs that are gone may hold them. */
  absentPacks: boolean;
  /** Names of snapshots that are damaged. One that is gone was removed, as far as anybody can tell. */
  snapshots: ReadonlySet<string>;
}

/**
 * Gives back damaged packs and snapshots from the pool's own parity files, each compared with its name before it appears.
 * The pool must be open exclusively.
 */
export async function healFromParity(
  pool: Pool,
  wants: ParityWants,
  context: OperationContext,
): Promise<Healed[]> {
  if (wants.packs.size + wants.snapshots.size === 0 && !wants.absentPacks) return [];
  const { files } = await readParityFiles(pool);
  const healed = await healSnapshots(pool, files, wants.snapshots);
  const left = new Set(wants.packs);
  const workers = new ParityWorkers(pool.workers.threads);
  const parts = { fs: pool.fs, layout: pool.layout, workers, context };
  const task = 'healing from parity';
  context.report({ type: 'start', task, subject: `${left.size} packs` });
  try {
    for (const file of files) {
      const names = new Set(file.set.members.map(({ name }) => name).filter((name) => left.has(name)));
      if (wants.absentPacks) for (const name of await absentMembers(parts, file, context)) names.add(name);
      if (names.size === 0) continue;
      for (const { name, sizeBytes } of await new ParityHealer(parts, file).heal(names)) {
        left.delete(name);
        healed.push({ file: `packs/${name}`, sizeBytes });
      }
    }
  } finally {
    await workers.close();
  }
  context.report({ type: 'end', task });
  return healed;
}

async function healSnapshots(
  { fs, layout }: Pool,
  files: readonly ParityFile[],
  wanted: ReadonlySet<string>,
): Promise<Healed[]> {
  const left = new Set(wanted);
  const healed: Healed[] = [];
  for (const copy of files.flatMap(({ set }) => set.copies)) {
    if (copy.kind !== 'snapshot' || !left.has(copy.name)) continue;
    const bytes = openCopy(copy);
    if (!bytes || (await fs.info(layout.snapshotPath(copy.name)))?.isDirectory) continue;
    const file = await DurableFile.create(fs, layout.temporaryDirectory);
    try {
      await file.write(bytes);
      await file.commit(layout.snapshotsDirectory);
    } finally {
      await file.abort();
    }
    left.delete(copy.name);
    healed.push({ file: `snapshots/${copy.name}`, sizeBytes: bytes.length });
  }
  return healed;
}

/**
 * Makes damaged parity files again: the very same ones where all they covered is there, else others in their place.
 * @param names of the damaged ones
 */
export async function remakeParity(
  pool: Pool,
  names: ReadonlySet<string>,
  context: OperationContext,
): Promise<Healed[]> {
  const { files } = await readParityFiles(pool);
  const workers = new ParityWorkers(pool.workers.threads);
  const parts = { fs: pool.fs, layout: pool.layout, workers, context };
  const made: Healed[] = [];
  const left = new Set<string>();
  for (const name of names) {
    // A directory in the place of a file is not dbup's to remove.
    if (!(await pool.fs.info(pool.layout.parityPath(name)))?.isDirectory) left.add(name);
  }
  try {
    for (const file of files.filter(({ name }) => left.has(name))) {
      if ((await absentMembers(parts, file, context)).length > 0) continue;
      const { name, sizeBytes } = await writeParityFile(parts, file.set, () => {});
      left.delete(file.name);
      // Cut by another rule, or of packs that are damaged still, it is another file: it serves as well.
      if (name !== file.name) await removeParityFiles(pool, [file.name]);
      made.push({ file: `parity/${name}`, sizeBytes });
    }
  } finally {
    await workers.close();
  }
  if (left.size === 0) return made;
  const shares = files.map(({ set }) => set.sharePercent);
  await removeParityFiles(pool, [...left]);
  const { added } = await protect(pool, { sharePercent: shares[0] ?? DEFAULT_SHARE_PERCENT }, context);
  return [...made, ...added];
}

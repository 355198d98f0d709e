import type { OperationContext } from '../core/context.js';
import { toDbupError } from '../core/errors.js';
import { makeNamesDurable } from '../pool/make-names-durable.js';
import { PackRewriter } from '../pool/pack-rewriter.js';
import type { Pool } from '../pool/pool.js';
import { PackWriter } from '../store/pack-file.js';
import { removeDeadParity } from './gc-parity.js';
import { type GcGrounds, type GcPlan, listTemporaryFiles, takeGrounds } from './gc-plan.js';
import { assertNothingLost, chooseNeeded, confirmKeptCopies } from './gc-safety.js';
import { assertNoNewSnapshots, removePacks, unlinkIfThere } from './remove-packs.js';
import { type Rewriting, repack } from './repack.js';
import { DEFAULT_LEVEL } from './save-session.js';

export interface GcResult {
  packsRemoved: number;
  packsRewritten: number;
  packsWritten: number;
  /** Bytes of the new packs. */
  writtenBytes: number;
  /** What the pool is smaller by; below 0 when blocks stored plain again grew by more than what they leaned on. */
  freedBytes: number;
  /** Delta blocks that had stopped paying and are stored plain now. */
  deltasReleased: number;
  temporaryFilesRemoved: number;
  /** Parity files of which nothing was left that they covered. */
  parityFilesRemoved: number;
  /** Parity files that cover packs that are gone: `dbup parity` makes better ones. */
  parityFilesStale: number;
  /** Packs that were to be rewritten and turned out to be damaged: they stay as they are. */
  leftDamaged: { name: string; message: string }[];
}

/**
 * Does what a plan says: empties tmp/, removes the packs that hold garbage only, writes the new packs, and only when
 * they are durable removes the old ones, so that at every instant each needed chunk is in some pack of the directory.
 * Garbage goes first: on a full disk it makes the room that rewriting needs. Ended at any point it leaves a
 * valid pool; what it leaves behind is garbage for the next one. The pool must be open exclusively, the same that
 * the plan was made with, and a plan is good for one execution.
 * @throws DbupError POOL_DAMAGED when the copy that would remain of a chunk stored twice is damaged: nothing was
 * removed then; INPUT_CHANGED when snapshots have arrived since the plan: nothing more is removed then
 */
export async function executeGc(pool: Pool, plan: GcPlan, context: OperationContext): Promise<GcResult> {
  const grounds = takeGrounds(plan);
  if (grounds?.pool !== pool) {
    throw new TypeError('a gc plan is executed once, with the exclusively opened pool it was made with');
  }
  try {
    return await reclaim(grounds, plan, context);
  } catch (error) {
    throw toDbupError(error, `reclaiming space of the pool ${pool.layout.directory}`);
  }
}

async function reclaim(grounds: GcGrounds, plan: GcPlan, context: OperationContext): Promise<GcResult> {
  const { pool } = grounds;
  await confirmKeptCopies(grounds, plan, context);
  const temporary = await removeTemporaryFiles(pool);
  await assertNoNewSnapshots(grounds);
  // Snapshots that are gone must not come back without their packs, nor packs go for copies that may yet be lost.
  await makeNamesDurable(pool);
  await removePacks(
    grounds,
    plan.packs.remove.map(({ name }) => name),
    context,
  );
  const rewriting =
    plan.repackLevel === null
      ? await rewritePacks(grounds, plan, context)
      : await repack(grounds, plan, plan.repackLevel, context);
  await pool.catalog.packs();
  const parity = await removeDeadParity(pool);
  const { written, gone, deltasReleased, leftDamaged } = rewriting;
  const goneNames = new Set(gone);
  const removed = plan.packs.rewrite.filter(({ name }) => goneNames.has(name));
  const goneBytes = [...plan.packs.remove, ...removed].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const writtenBytes = written.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  return {
    packsRemoved: plan.packs.remove.length,
    packsRewritten: gone.length,
    packsWritten: written.length,
    writtenBytes,
    freedBytes: goneBytes + temporary.bytes + parity.freedBytes - writtenBytes,
    deltasReleased,
    temporaryFilesRemoved: temporary.count,
    parityFilesRemoved: parity.removed,
    parityFilesStale: parity.stale,
    leftDamaged,
  };
}

/** Durably, and with it what another gc has removed there and died before the disk was made to keep that. */
async function removeTemporaryFiles(pool: Pool): Promise<{ count: number; bytes: number }> {
  const { fs, layout } = pool;
  const files = await listTemporaryFiles(pool);
  for (const { path } of files) await unlinkIfThere(pool, path);
  if ((await fs.info(layout.temporaryDirectory))?.isDirectory)
    await fs.syncDirectory(layout.temporaryDirectory);
  return { count: files.length, bytes: files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) };
}

/** Writes what is needed of the packs chosen to new ones, and then removes them. */
async function rewritePacks(grounds: GcGrounds, plan: GcPlan, context: OperationContext): Promise<Rewriting> {
  const { pool, chunks, reach } = grounds;
  const { fs, layout, workers } = pool;
  const packs = new PackWriter(fs, layout, pool.packTargetBytes);
  const rewriter = new PackRewriter({ fs, layout, workers, chunks, packs, level: DEFAULT_LEVEL, context });
  const leftDamaged: GcResult['leftDamaged'] = [];
  const names = new Set(plan.packs.rewrite.map(({ name }) => name));
  const task = 'rewriting packs';
  const totalBytes = plan.packs.rewrite.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  let doneBytes = 0;
  context.report({ type: 'start', task, subject: `${names.size} packs`, totalBytes });
  const choose = chooseNeeded(chunks, (entry) => reach.has(entry));
  try {
    for (let packIndex = 0; packIndex < chunks.packs.length; packIndex++) {
      const { name, sizeBytes } = chunks.packs[packIndex]!;
      if (!names.has(name)) continue;
      const [damaged] = await rewriter.copyFrom(packIndex, choose);
      if (damaged) leftDamaged.push({ name, message: damaged.error.message });
      doneBytes += sizeBytes;
      context.report({ type: 'bytes', task, doneBytes, totalBytes });
    }
    await rewriter.finish();
  } catch (error) {
    await packs.abort();
    throw error;
  }
  context.report({ type: 'end', task });
  await assertNoNewSnapshots(grounds);
  // A new pack may be the very same file as the one it was made from.
  const written = new Set(packs.written.map(({ name }) => name));
  for (const { name } of leftDamaged) names.delete(name);
  const going = new Set([...names].filter((name) => !written.has(name)));
  if (going.size > 0) {
    await assertNothingLost(grounds, (entry) => reach.has(entry), { going, written }, context);
    await removePacks(grounds, [...going], context);
  }
  return { written: packs.written, gone: [...names], deltasReleased: 0, leftDamaged };
}

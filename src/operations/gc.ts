import { listNames } from '../catalog/catalog.js';
import { type OperationContext, throwIfInterrupted } from '../core/context.js';
import { DbupError, isSystemError, toDbupError } from '../core/errors.js';
import { type BlockAddress, scanBlocks } from '../pool/block-scan.js';
import { PackRewriter } from '../pool/pack-rewriter.js';
import type { Pool } from '../pool/pool.js';
import { PackWriter } from '../store/pack-file.js';
import { type GcGrounds, type GcPlan, listTemporaryFiles, type PackUse, takeGrounds } from './gc-plan.js';
import { DEFAULT_LEVEL, PACK_TARGET_BYTES } from './save-session.js';

export interface GcResult {
  packsRemoved: number;
  packsRewritten: number;
  packsWritten: number;
  /** Bytes of the new packs. */
  writtenBytes: number;
  /** What the pool is smaller by. */
  freedBytes: number;
  temporaryFilesRemoved: number;
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
  await removePacks(pool, namesOf(plan.packs.remove), context);
  const packs = new PackWriter(pool.fs, pool.layout, PACK_TARGET_BYTES);
  const leftDamaged: GcResult['leftDamaged'] = [];
  try {
    await rewritePacks(grounds, plan, packs, leftDamaged, context);
  } catch (error) {
    await packs.abort();
    throw error;
  }
  await assertNoNewSnapshots(grounds);
  // A new pack may be the very same file as the one it was made from.
  const written = new Set(packs.written.map(({ name }) => name));
  const left = new Set(leftDamaged.map(({ name }) => name));
  const rewritten = plan.packs.rewrite.filter(({ name }) => !written.has(name) && !left.has(name));
  await removePacks(pool, namesOf(rewritten), context);
  await pool.catalog.packs();
  const goneBytes = [...plan.packs.remove, ...rewritten].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const packsRewritten = plan.packs.rewrite.filter(({ name }) => !left.has(name)).length;
  return {
    packsRemoved: plan.packs.remove.length,
    packsRewritten,
    packsWritten: packs.written.length,
    writtenBytes: packs.writtenBytes,
    freedBytes: goneBytes + temporary.bytes - packs.writtenBytes,
    temporaryFilesRemoved: temporary.count,
    leftDamaged,
  };
}

/** Of a chunk stored twice the copy in the chunk table remains. It must be good before the other may go. */
async function confirmKeptCopies(
  grounds: GcGrounds,
  { packs }: GcPlan,
  context: OperationContext,
): Promise<void> {
  const { pool, chunks } = grounds;
  const going = new Set([...packs.remove, ...packs.rewrite].map(({ name }) => name));
  const addresses = new Map<string, BlockAddress>();
  chunks.packs.forEach(({ name, footer }, packIndex) => {
    if (!going.has(name)) return;
    for (let chunk = 0; chunk < footer.chunkCount; chunk++) {
      const entry = chunks.table.find(footer.chunkIds, chunk * 32);
      if (!grounds.reach.has(entry)) continue;
      const kept = chunks.table.location(entry);
      if (kept.packIndex !== packIndex) addresses.set(`${kept.packIndex}:${kept.blockIndex}`, kept);
    }
  });
  const { layout, workers } = pool;
  for await (const block of scanBlocks({ layout, workers, chunks, context }, addresses.values())) {
    if (block.damage === null && block.badChunks.length === 0) continue;
    const pack = chunks.packs[block.packIndex]!.name;
    throw new DbupError(
      'POOL_DAMAGED',
      `pack ${pack.slice(0, 12)} is damaged, and another pack that would be removed has good copies of its chunks`,
      {
        hint: 'Nothing was removed. Run `dbup verify --read-data`, then `dbup repair --from OTHER_POOL`.',
        details: { pack },
        ...(block.damage && { cause: block.damage }),
      },
    );
  }
}

async function removeTemporaryFiles(pool: Pool): Promise<{ count: number; bytes: number }> {
  const files = await listTemporaryFiles(pool);
  for (const { path } of files) await unlinkIfThere(pool, path);
  return { count: files.length, bytes: files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) };
}

async function rewritePacks(
  grounds: GcGrounds,
  plan: GcPlan,
  packs: PackWriter,
  leftDamaged: GcResult['leftDamaged'],
  context: OperationContext,
): Promise<void> {
  const { pool, chunks, reach } = grounds;
  const { fs, layout, workers } = pool;
  const rewriter = new PackRewriter({ fs, layout, workers, chunks, packs, level: DEFAULT_LEVEL, context });
  const isLiveHere = (packIndex: number, blockIndex: number, chunk: number, offsetBytes: number): boolean => {
    const entry = chunks.table.find(chunks.packs[packIndex]!.footer.chunkIds, chunk * 32);
    if (!reach.has(entry)) return false;
    const place = chunks.table.location(entry);
    return (
      place.packIndex === packIndex && place.blockIndex === blockIndex && place.offsetBytes === offsetBytes
    );
  };
  const names = new Set(plan.packs.rewrite.map(({ name }) => name));
  const task = 'rewriting packs';
  const totalBytes = plan.packs.rewrite.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  let doneBytes = 0;
  context.report({ type: 'start', task, subject: `${names.size} packs`, totalBytes });
  for (let packIndex = 0; packIndex < chunks.packs.length; packIndex++) {
    const { name, sizeBytes } = chunks.packs[packIndex]!;
    if (!names.has(name)) continue;
    const damage = await rewriter.copyFrom(packIndex, isLiveHere);
    if (damage) leftDamaged.push({ name, message: damage.message });
    doneBytes += sizeBytes;
    context.report({ type: 'bytes', task, doneBytes, totalBytes });
  }
  await rewriter.finish();
  context.report({ type: 'end', task });
}

/** rsync takes no lock: a snapshot it has just brought may need what the plan calls garbage. */
async function assertNoNewSnapshots({ pool, snapshotIds }: GcGrounds): Promise<void> {
  const names = await listNames(pool.fs, pool.layout.snapshotsDirectory);
  if (names.every((name) => snapshotIds.has(name))) return;
  throw new DbupError('INPUT_CHANGED', 'snapshots have arrived in the pool while gc was running', {
    hint: 'At most packs that nothing needed before were removed: repeat the sync, and run `dbup gc` when it has ended.',
  });
}

function namesOf(packs: readonly PackUse[]): string[] {
  return packs.map(({ name }) => name);
}

async function removePacks(pool: Pool, names: readonly string[], context: OperationContext): Promise<void> {
  if (names.length === 0) return;
  for (const name of names) {
    throwIfInterrupted(context.signal);
    await unlinkIfThere(pool, pool.layout.packPath(name));
  }
  await pool.fs.syncDirectory(pool.layout.packsDirectory);
}

async function unlinkIfThere(pool: Pool, path: string): Promise<void> {
  try {
    await pool.fs.unlink(path);
  } catch (error) {
    if (!isSystemError(error, 'ENOENT')) throw error;
  }
}

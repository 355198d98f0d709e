import type { OperationContext } from '../core/context.js';
import { DbupError } from '../core/errors.js';
import { wrongBase } from '../pool/base-plan.js';
import { BlockBases, NO_BASE } from '../pool/block-bases.js';
import { DELTA_DAMAGED } from '../pool/block-job.js';
import { type ScannedBlock, scanBlocks } from '../pool/block-scan.js';
import { type BlockAddress, buildChunkCatalog, type ChunkCatalog } from '../pool/chunk-catalog.js';
import type { ChunkChoice } from '../pool/pack-rewriter.js';
import type { GcGrounds, GcPlan } from './gc-plan.js';

/** Whether an entry of the chunk table is needed. */
export type Needs = (entry: number) => boolean;

/** Of a chunk stored twice the copy in the chunk table remains. It must be good before the other may go. */
export async function confirmKeptCopies(
  { pool, chunks, reach }: GcGrounds,
  { packs }: GcPlan,
  context: OperationContext,
): Promise<void> {
  const going = new Set([...packs.remove, ...packs.rewrite].map(({ name }) => name));
  const addresses = new Map<string, BlockAddress>();
  chunks.packs.forEach(({ name, footer }, packIndex) => {
    if (!going.has(name)) return;
    for (let chunk = 0; chunk < footer.chunkCount; chunk++) {
      const entry = chunks.table.find(footer.chunkIds, chunk * 32);
      if (!reach.has(entry)) continue;
      const kept = chunks.table.location(entry);
      if (kept.packIndex !== packIndex) addresses.set(`${kept.packIndex}:${kept.blockIndex}`, kept);
    }
  });
  const { layout, workers } = pool;
  for await (const block of scanBlocks({ layout, workers, chunks, context }, addresses.values())) {
    if (block.damage === null && block.badChunks.length === 0) continue;
    const culprit = block.badBase ?? block.damage?.details.base;
    const pack = culprit ? (culprit as { pack: string }).pack : chunks.packs[block.packIndex]!.name;
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

/** Chooses of each needed chunk the one copy that the chunk table names. */
export function chooseNeeded({ table, packs }: ChunkCatalog, needs: Needs): ChunkChoice {
  return (packIndex, blockIndex, chunk, offsetBytes) => {
    const entry = table.find(packs[packIndex]!.footer.chunkIds, chunk * 32);
    if (!needs(entry)) return false;
    const place = table.location(entry);
    return (
      place.packIndex === packIndex && place.blockIndex === blockIndex && place.offsetBytes === offsetBytes
    );
  };
}

/** Of packs that are to go, by their place in the chunk catalog, those with the last copy of something needed. */
export async function packsStillNeeded(
  { pool, chunks }: GcGrounds,
  needs: Needs,
  going: ReadonlySet<string>,
): Promise<Set<number>> {
  const { records, unusable } = await pool.catalog.packs();
  const after = buildChunkCatalog(
    records.filter(({ name }) => !going.has(name)),
    unusable,
  );
  const needed = new Set<number>();
  for (let entry = 0; entry < chunks.table.count; entry++) {
    const packIndex = chunks.table.packIndex(entry);
    if (!going.has(chunks.packs[packIndex]!.name) || !needs(entry)) continue;
    if (after.table.find(chunks.table.id(entry)) < 0) needed.add(packIndex);
  }
  return needed;
}

/**
 * The last look before packs go whose chunks have moved: every needed chunk must be found without them, with
 * everything it leans on as far as that was there before, and every delta block written must decode.
 * @throws DbupError INTERNAL when something would be lost, POOL_DAMAGED when that cannot be seen, as something that was
 * there before cannot be read; none of these packs was removed then
 */
export async function assertNothingLost(
  { pool, chunks: before }: GcGrounds,
  needs: Needs,
  { going, written }: { going: ReadonlySet<string>; written: ReadonlySet<string> },
  context: OperationContext,
): Promise<void> {
  const { records, unusable } = await pool.catalog.packs();
  const left = records.filter(({ name }) => !going.has(name) || written.has(name));
  const after = buildChunkCatalog(left, unusable);
  const wasWhole = wholenessOf(before);
  const isWhole = wholenessOf(after);
  for (let entry = 0; entry < before.table.count; entry++) {
    if (!needs(entry)) continue;
    const kept = after.table.find(before.table.id(entry));
    if (kept < 0 || (!isWhole(kept) && wasWhole(entry))) throw wouldLose(before.table.id(entry));
  }
  const { layout, workers } = pool;
  const deltas = after.packs.flatMap(({ name, footer }, packIndex) =>
    written.has(name)
      ? footer.blocks.flatMap(({ baseCount }, blockIndex) =>
          baseCount > 0 ? [{ packIndex, blockIndex }] : [],
        )
      : [],
  );
  for await (const block of scanBlocks({ layout, workers, chunks: after, context }, deltas)) {
    const [bad] = block.badChunks;
    if (!block.damage && bad === undefined) continue;
    const unreadable = diskFaultOf(after, block);
    if (unreadable) throw unreadable;
    const { footer } = after.packs[block.packIndex]!;
    const chunk = footer.blocks[block.blockIndex]!.firstChunk + (bad ?? 0);
    throw wouldLose(footer.chunkIds.subarray(chunk * 32, chunk * 32 + 32), block.damage);
  }
}

/**
 * Says that the disk is to blame for a block that does not decode: it does not give the stored bytes, or not those of a
 * base. Null where all bytes are as they were written, and do not make the chunks.
 */
function diskFaultOf({ packs }: ChunkCatalog, block: ScannedBlock): DbupError | null {
  const { damage, badBase, packIndex, blockIndex } = block;
  const { name, footer } = packs[packIndex]!;
  const leaning = { packName: name, blockOffsetBytes: footer.blocks[blockIndex]!.offsetBytes };
  const fault = badBase ? wrongBase(leaning, badBase) : damage;
  if (fault?.code !== 'POOL_DAMAGED') return null;
  const { code } = (fault.cause ?? {}) as NodeJS.ErrnoException;
  if (fault.details.base === undefined && code === DELTA_DAMAGED) return null;
  return new DbupError(fault.code, fault.message, {
    hint: `No pack was removed after it was rewritten. ${fault.hint}`,
    details: fault.details,
    cause: fault,
  });
}

/** Whether everything that an entry leans on is there. */
function wholenessOf(chunks: ChunkCatalog): (entry: number) => boolean {
  const bases = new BlockBases(chunks);
  const known = new Map<number, boolean>();
  const isWhole = (entry: number): boolean => {
    const [block] = bases.leaningBlocksOf(entry);
    if (!block) return true;
    const key = bases.keyOf(block);
    let whole = known.get(key);
    if (whole !== undefined) return whole;
    whole = true;
    bases.forEach(block, (base) => {
      if (base === NO_BASE || !isWhole(base)) whole = false;
    });
    known.set(key, whole);
    return whole;
  };
  return isWhole;
}

function wouldLose(id: Uint8Array, cause?: DbupError | null): DbupError {
  const chunk = Buffer.from(id).toString('hex');
  return new DbupError(
    'INTERNAL',
    `chunk ${chunk.slice(0, 12)} would be lost with the packs that are to go`,
    {
      hint: 'No pack was removed after it was rewritten. This is a defect of dbup, or of the disk: run `dbup verify --read-data`.',
      details: { chunk },
      ...(cause && { cause }),
    },
  );
}

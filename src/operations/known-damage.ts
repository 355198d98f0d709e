import type { OperationContext } from '../core/context.js';
import { scanBlocks } from '../pool/block-scan.js';
import { type ChunkCatalog, openChunkCatalog } from '../pool/chunk-catalog.js';
import type { Pool } from '../pool/pool.js';
import { blockEntry } from '../pool/stored-block.js';

/**
 * The blocks that a check on this machine found damaged and that still are, as they are read once more: what they hold is to
 * be stored again. @returns a question by pack and place; null when there are none
 */
async function knownDamage(
  pool: Pool,
  context: OperationContext,
): Promise<((pack: string, blockOffsetBytes: number) => boolean) | null> {
  const known = pool.checks.damagedBlocks();
  if (known.length === 0) return null;
  const chunks = await openChunkCatalog(pool.catalog);
  const addresses = known.flatMap(({ pack, blockOffsetBytes }) => {
    const packIndex = chunks.packs.findIndex(({ name }) => name === pack);
    const blocks = chunks.packs[packIndex]?.footer.blocks ?? [];
    const blockIndex = blocks.findIndex(({ offsetBytes }) => offsetBytes === blockOffsetBytes);
    return blockIndex < 0 ? [] : [{ packIndex, blockIndex }];
  });
  const damaged = new Set<string>();
  const { layout, workers } = pool;
  for await (const block of scanBlocks({ layout, workers, chunks, context }, addresses)) {
    if (block.damage === null && block.badChunks.length === 0) continue;
    damaged.add(`${chunks.packs[block.packIndex]!.name}:${blockEntry(chunks, block).offsetBytes}`);
  }
  if (damaged.size === 0) return null;
  const message = `${damaged.size} block(s) of the pool are damaged; what is needed of them is stored again`;
  context.report({ type: 'warning', message, hint: 'Afterwards `dbup repair` removes what is damaged.' });
  return (pack, blockOffsetBytes) => damaged.has(`${pack}:${blockOffsetBytes}`);
}

/** The chunks that a save may rely on: what is unusable, lacks a base or was found damaged is stored again. */
export async function openWhatIsWhole(pool: Pool, context: OperationContext): Promise<ChunkCatalog> {
  const avoid = await knownDamage(pool, context);
  const options = { onlyWhole: true, ...(avoid && { avoid }) };
  const chunks = await openChunkCatalog(pool.catalog, new Set(), options);
  for (const { error } of chunks.unusablePacks) {
    context.report({
      type: 'warning',
      message: error.message,
      hint: 'What it held counts as absent and is stored again.',
    });
  }
  return chunks;
}

import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { quietContext } from '../../src/core/context.js';
import { BLOCK_CODEC } from '../../src/format/block-entry.js';
import { BLOCK_KIND } from '../../src/format/pack.js';
import { BlockCache } from '../../src/pool/block-cache.js';
import { scanBlocks } from '../../src/pool/block-scan.js';
import { type ChunkCatalog, openChunkCatalog } from '../../src/pool/chunk-catalog.js';
import type { Pool } from '../../src/pool/pool.js';
import { loneRegion } from '../../src/pool/shared-arena.js';
import { chunkListsOf, readStoredBlock } from '../../src/pool/stored-block.js';
import { PackWriter } from '../../src/store/pack-file.js';
import type { SmallPool } from '../operations/small-pool.js';

/** A block as tests look at it. */
export interface SeenBlock {
  pack: string;
  kind: number;
  codec: number;
  depth: number;
  storedBytes: number;
  plainBytes: number;
  offsetBytes: number;
  /** 64 hex digits each. */
  chunkIds: string[];
  baseIds: string[];
}

/**
 * Saves an archive; then each block of file bytes in the packs it made becomes a delta against the file bytes in `basePacks`,
 * whatever the save itself made of it. The deltas are as deep as the bases' blocks and one more.
 * @returns the packs that are new
 */
export async function saveAsDelta(
  pool: SmallPool,
  archive: Uint8Array,
  basePacks: readonly string[],
): Promise<string[]> {
  const before = new Set(await packNames(pool));
  await pool.save(archive);
  const fresh = (await packNames(pool)).filter((name) => !before.has(name));
  const made: string[] = [];
  for (const name of fresh)
    made.push(...(await pool.with('exclusive', (open) => recodePack(open, name, basePacks))));
  return made;
}

/** Codes blocks of a pack against other packs in a new pack, which takes its place. @returns the new pack's name */
export async function recodePack(pool: Pool, name: string, basePacks: readonly string[]): Promise<string[]> {
  const { fs, layout, workers } = pool;
  const chunks = await openChunkCatalog(pool.catalog);
  const cache = new BlockCache(layout, chunks, workers);
  const packIndex = chunks.packs.findIndex((pack) => pack.name === name);
  const { blocks } = chunks.packs[packIndex]!.footer;
  const writer = new PackWriter(fs, layout, Number.POSITIVE_INFINITY);
  const parts = { fs, layout, workers, chunks, context: quietContext(), cache };
  const bases = dataChunksOf(chunks, basePacks);
  for await (const block of scanBlocks(
    parts,
    blocks.map((_, blockIndex) => ({ packIndex, blockIndex })),
  )) {
    const { kind, plainBytes } = blocks[block.blockIndex]!;
    if (kind !== BLOCK_KIND.data) {
      await writer.add(await readStoredBlock(parts, block));
      continue;
    }
    const region = loneRegion(plainBytes);
    region.bytes.set(block.plain);
    const leases = bases.map((id) => cache.lease(id));
    await Promise.all(leases.map(({ ready }) => ready));
    const coded = await workers.encodeDelta(region, plainBytes, 3, leases);
    for (const { release } of leases) release();
    if (coded.codec !== BLOCK_CODEC.delta) throw new Error('the test data is not alike enough for a delta');
    const baseIds = coded.usedBases.map((number) => bases[number]!);
    const depth = 1 + Math.max(...baseIds.map((id) => depthOf(chunks, id)));
    await writer.add({
      ...{ stored: coded.stored, codec: coded.codec, xxh64: coded.xxh64, kind, plainBytes, depth, baseIds },
      ...chunkListsOf(chunks, block),
    });
  }
  await writer.finishPack();
  await rm(layout.packPath(name));
  return writer.written.map((pack) => pack.name);
}

/** Every block of a pool, packs in the order of their names. */
export async function blocksOf(pool: SmallPool): Promise<SeenBlock[]> {
  const { packs } = await pool.with('read', (open) => openChunkCatalog(open.catalog));
  const hex = (ids: Uint8Array, first: number, count: number): string[] =>
    Array.from({ length: count }, (_, i) =>
      Buffer.from(ids.subarray((first + i) * 32, (first + i + 1) * 32)).toString('hex'),
    );
  return packs.flatMap(({ name, footer }) =>
    footer.blocks.map((block) => ({
      pack: name,
      ...{ kind: block.kind, codec: block.codec, depth: block.depth, offsetBytes: block.offsetBytes },
      ...{ storedBytes: block.storedBytes, plainBytes: block.plainBytes },
      chunkIds: hex(footer.chunkIds, block.firstChunk, block.chunkCount),
      baseIds: hex(footer.baseIds, block.firstBase, block.baseCount),
    })),
  );
}

/** Every base of every delta block has a copy in a block of less depth: what the format asks for. */
export function wrongBases(blocks: readonly SeenBlock[]): string[] {
  const depths = new Map<string, number>();
  for (const { chunkIds, depth } of blocks)
    for (const id of chunkIds) depths.set(id, Math.min(depth, depths.get(id) ?? depth));
  return blocks.flatMap(({ baseIds, depth }) =>
    baseIds.filter((id) => !((depths.get(id) ?? Number.POSITIVE_INFINITY) < depth)),
  );
}

export async function packNames(pool: SmallPool): Promise<string[]> {
  const names = await readdir(join(pool.directory, 'packs')).catch(() => []);
  return names.sort();
}

function dataChunksOf({ packs }: ChunkCatalog, names: readonly string[]): Uint8Array[] {
  return packs
    .filter(({ name }) => names.includes(name))
    .flatMap(({ footer }) =>
      footer.blocks
        .filter(({ kind }) => kind === BLOCK_KIND.data)
        .flatMap(({ firstChunk, chunkCount }) =>
          Array.from({ length: chunkCount }, (_, i) =>
            footer.chunkIds.slice((firstChunk + i) * 32, (firstChunk + i + 1) * 32),
          ),
        ),
    );
}

function depthOf({ table, packs }: ChunkCatalog, id: Uint8Array): number {
  const { packIndex, blockIndex } = table.location(table.find(id));
  return packs[packIndex]!.footer.blocks[blockIndex]!.depth;
}

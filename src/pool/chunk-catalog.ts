import type { Catalog, PackRecord, UnusableFile } from '../catalog/catalog.js';
import { type ChunkLocation, ChunkTable, PENDING_PACK } from '../catalog/chunk-table.js';
import { LIMITS } from '../core/limits.js';

/** Every chunk of the pool and where it lies. */
export interface ChunkCatalog {
  table: ChunkTable;
  packs: PackRecord[];
  /** Pack files that cannot be used; their chunks count as absent. */
  unusablePacks: UnusableFile[];
}

/** A block of a pack of the chunk catalog. */
export interface BlockAddress {
  packIndex: number;
  blockIndex: number;
}

/**
 * Reads the footers of all packs into one table.
 * @param lastResort names of packs of which a chunk is used only when no other pack holds it
 */
export async function openChunkCatalog(
  catalog: Catalog,
  lastResort: ReadonlySet<string> = new Set(),
): Promise<ChunkCatalog> {
  const { records, unusable } = await catalog.packs();
  return buildChunkCatalog(records, unusable, lastResort);
}

/**
 * Puts the chunks of packs into one table; `records` is sorted in place. Of several copies the one in the block of
 * least depth is used, so that whatever delta block leans on the chunk was given a greater one; among those, that of the
 * pack whose name sorts first.
 */
export function buildChunkCatalog(
  records: PackRecord[],
  unusable: UnusableFile[],
  lastResort: ReadonlySet<string> = new Set(),
): ChunkCatalog {
  // The same order everywhere: which copy of a twice-stored chunk is used must not depend on the file system.
  const byName = records.sort((a, b) => (a.name < b.name ? -1 : 1));
  const preferred = byName.filter(({ name }) => !lastResort.has(name));
  const packs = [...preferred, ...byName.filter(({ name }) => lastResort.has(name))];
  const table = new ChunkTable(packs.reduce((sum, { footer }) => sum + footer.chunkCount, 0));
  addPacks(table, packs, 0, preferred.length);
  addPacks(table, packs, preferred.length, packs.length);
  return { table, packs, unusablePacks: unusable };
}

/** Adds the packs from `start` to `end`, the blocks of all of them depth by depth. */
function addPacks(table: ChunkTable, packs: readonly PackRecord[], start: number, end: number): void {
  const depths = packs.map(({ footer }) => new Set(footer.blocks.map(({ depth }) => depth)));
  for (let depth = 0; depth <= LIMITS.deltaDepth; depth++) {
    for (let packIndex = start; packIndex < end; packIndex++) {
      if (!depths[packIndex]!.has(depth)) continue;
      const { chunkIds, chunkBytes, blocks } = packs[packIndex]!.footer;
      const words = new Uint32Array(chunkIds.buffer, chunkIds.byteOffset, chunkIds.byteLength / 4);
      table.addPack(packIndex, words, chunkBytes, blocks, depth);
    }
  }
}

/** True when some chunk is in more than one pack. */
export function hasSpareCopies({ table, packs }: ChunkCatalog): boolean {
  return packs.reduce((sum, { footer }) => sum + footer.chunkCount, 0) > table.count;
}

/** Where a chunk lies, or null when no pack of the pool holds it (or none that is finished). */
export function locateChunk(chunks: ChunkCatalog, id: Uint8Array): ChunkLocation | null {
  const entry = chunks.table.find(id);
  if (entry < 0 || chunks.table.packIndex(entry) === PENDING_PACK) return null;
  return chunks.table.location(entry);
}

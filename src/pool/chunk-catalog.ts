import type { Catalog, PackRecord, UnusableFile } from '../catalog/catalog.js';
import { type ChunkLocation, ChunkTable, PENDING_PACK } from '../catalog/chunk-table.js';

/** Every chunk of the pool and where it lies. */
export interface ChunkCatalog {
  table: ChunkTable;
  packs: PackRecord[];
  /** Pack files that cannot be used; their chunks count as absent. */
  unusablePacks: UnusableFile[];
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

/** Puts the chunks of packs into one table; `records` is sorted in place. */
export function buildChunkCatalog(
  records: PackRecord[],
  unusable: UnusableFile[],
  lastResort: ReadonlySet<string> = new Set(),
): ChunkCatalog {
  const rank = ({ name }: PackRecord): number => (lastResort.has(name) ? 1 : 0);
  // The same order everywhere: which copy of a twice-stored chunk is used must not depend on the file system.
  const packs = records.sort((a, b) => rank(a) - rank(b) || (a.name < b.name ? -1 : 1));
  const table = new ChunkTable(packs.reduce((sum, { footer }) => sum + footer.chunkCount, 0));
  packs.forEach(({ footer }, packIndex) => {
    const { chunkIds, chunkBytes, blocks } = footer;
    const words = new Uint32Array(chunkIds.buffer, chunkIds.byteOffset, chunkIds.byteLength / 4);
    table.addPack(packIndex, words, chunkBytes, blocks);
  });
  return { table, packs, unusablePacks: unusable };
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

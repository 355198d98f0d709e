import type { Catalog, PackRecord, UnusableFile } from '../catalog/catalog.js';
import { type ChunkLocation, ChunkTable, PENDING_PACK } from '../catalog/chunk-table.js';
import { LIMITS } from '../core/limits.js';
import type { BlockEntry } from '../format/block-entry.js';
import type { PackFooter } from '../format/pack.js';

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

export interface ChunkCatalogOptions {
  /** For writers: leave out what lacks something it leans on, so that it is stored again; readers want it listed, to name what is missing. */
  onlyWhole?: boolean;
  /** With `onlyWhole`: blocks to leave out as well. */
  avoid?: (pack: string, blockOffsetBytes: number) => boolean;
}

/**
 * Reads the footers of all packs into one table.
 * @param lastResort names of packs of which a chunk is used only when no other pack holds it
 */
export async function openChunkCatalog(
  catalog: Catalog,
  lastResort: ReadonlySet<string> = new Set(),
  options: ChunkCatalogOptions = {},
): Promise<ChunkCatalog> {
  const { records, unusable } = await catalog.packs();
  return buildChunkCatalog(records, unusable, lastResort, options);
}

/**
 * Puts the chunks of packs into one table; `records` is sorted in place. Of several copies the one in the block of
 * least depth is used, so that whatever delta block leans on the chunk was given a greater one; among those, that of the
 * pack whose name sorts first. A delta block that lacks a base is no copy while there is another: gc leaves such
 * blocks behind where nothing needed them, and a copy of a pool that was cut off has them.
 */
export function buildChunkCatalog(
  records: PackRecord[],
  unusable: UnusableFile[],
  lastResort: ReadonlySet<string> = new Set(),
  { onlyWhole = false, avoid }: ChunkCatalogOptions = {},
): ChunkCatalog {
  // The same order everywhere: which copy of a twice-stored chunk is used must not depend on the file system.
  const byName = records.sort((a, b) => (a.name < b.name ? -1 : 1));
  const preferred = byName.filter(({ name }) => !lastResort.has(name));
  const packs = [...preferred, ...byName.filter(({ name }) => lastResort.has(name))];
  const table = new ChunkTable(packs.reduce((sum, { footer }) => sum + footer.chunkCount, 0));
  const filling = new TableFilling(table, packs, avoid ?? (() => false));
  filling.addWhole(0, preferred.length);
  // What leans on a pack of the last resort is as good as that; from the start, to find it now.
  if (preferred.length < packs.length) filling.addWhole(0, packs.length);
  if (!onlyWhole) filling.addRest();
  return { table, packs, unusablePacks: unusable };
}

/** Fills a chunk table block by block, what others lean on first. */
class TableFilling {
  readonly #table: ChunkTable;
  readonly #packs: readonly PackRecord[];
  readonly #depths: ReadonlySet<number>[];
  readonly #avoid: (pack: string, blockOffsetBytes: number) => boolean;

  constructor(
    table: ChunkTable,
    packs: readonly PackRecord[],
    avoid: (pack: string, blockOffsetBytes: number) => boolean,
  ) {
    this.#avoid = avoid;
    this.#table = table;
    this.#packs = packs;
    this.#depths = packs.map(({ footer }) => new Set(footer.blocks.map(({ depth }) => depth)));
  }

  /** Adds the packs from `start` to `end` depth by depth, but for blocks that lack a base. */
  addWhole(start: number, end: number): void {
    this.#add(start, end, ({ name, footer }, blockIndex) => {
      const block = footer.blocks[blockIndex]!;
      return this.#isWhole(footer, block) && !this.#avoid(name, block.offsetBytes);
    });
  }

  /** Adds what was left out: a chunk that no other block holds is found there, and what it lacks can be named. */
  addRest(): void {
    this.#add(0, this.#packs.length, ({ footer }) => footer.baseIds.length > 0);
  }

  #add(start: number, end: number, isWanted: (pack: PackRecord, blockIndex: number) => boolean): void {
    for (let depth = 0; depth <= LIMITS.deltaDepth; depth++) {
      for (let packIndex = start; packIndex < end; packIndex++) {
        if (!this.#depths[packIndex]!.has(depth)) continue;
        const pack = this.#packs[packIndex]!;
        const { footer } = pack;
        const { chunkIds, chunkBytes, blocks } = footer;
        const words = new Uint32Array(chunkIds.buffer, chunkIds.byteOffset, chunkIds.byteLength / 4);
        this.#table.addPack(packIndex, words, chunkBytes, blocks, depth, (blockIndex) =>
          isWanted(pack, blockIndex),
        );
      }
    }
  }

  #isWhole({ baseIds }: PackFooter, { depth, firstBase, baseCount }: BlockEntry): boolean {
    for (let base = firstBase; base < firstBase + baseCount; base++) {
      const entry = this.#table.find(baseIds, base * 32);
      if (entry < 0) return false;
      const { packIndex, blockIndex } = this.#table.location(entry);
      if (this.#packs[packIndex]!.footer.blocks[blockIndex]!.depth >= depth) return false;
    }
    return true;
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

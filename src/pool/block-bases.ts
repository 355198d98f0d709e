import { PENDING_PACK } from '../catalog/chunk-table.js';
import type { BlockEntry } from '../format/block-entry.js';
import type { BlockAddress, ChunkCatalog } from './chunk-catalog.js';

/** Stands for a base that no usable pack holds. */
export const NO_BASE = -1;
/** No pack has as many blocks: its footer would be longer than a footer may be. */
const MAX_BLOCKS = 2 ** 22;
const NONE: readonly BlockAddress[] = [];

/** Which blocks of a pool lean on which chunks. */
export class BlockBases {
  readonly #chunks: ChunkCatalog;
  /** By pack: whether any block of it leans on others. */
  readonly #packLeans: boolean[];
  /** By entry: delta blocks with a copy that another reader may use as well as the one the chunk table names. */
  readonly #twins = new Map<number, BlockAddress[]>();

  /**
   * @param everyCopy for a deleter: of a chunk that several delta blocks of one depth hold, count them all. Which of
   * them a reader uses depends on the names of packs, and those change when packs are rewritten.
   */
  constructor(chunks: ChunkCatalog, { everyCopy = false } = {}) {
    this.#chunks = chunks;
    this.#packLeans = chunks.packs.map(({ footer }) => footer.baseIds.length > 0);
    if (everyCopy) this.#findTwins();
  }

  /** The delta blocks that hold an entry of the chunk table; none for a chunk that leans on nothing. */
  leaningBlocksOf(entry: number): readonly BlockAddress[] {
    const packIndex = this.#chunks.table.packIndex(entry);
    // Most chunks lie in packs without a delta: this is asked for each of them.
    if (packIndex === PENDING_PACK || this.#packLeans[packIndex] !== true) return NONE;
    const { blockIndex } = this.#chunks.table.location(entry);
    const address = { packIndex, blockIndex };
    if (this.#entry(address).baseCount === 0) return NONE;
    const twins = this.#twins.get(entry);
    return twins ? [address, ...twins] : [address];
  }

  /** A number that names a block of the pool. */
  keyOf({ packIndex, blockIndex }: BlockAddress): number {
    return packIndex * MAX_BLOCKS + blockIndex;
  }

  /** Every base of a block in order: its entry or {@link NO_BASE}, and its id, a view. */
  forEach(address: BlockAddress, visit: (entry: number, id: Uint8Array) => void): void {
    const { baseIds } = this.#chunks.packs[address.packIndex]!.footer;
    const { depth, firstBase, baseCount } = this.#entry(address);
    for (let base = firstBase; base < firstBase + baseCount; base++) {
      const id = baseIds.subarray(base * 32, base * 32 + 32);
      visit(this.#find(id, depth), id);
    }
  }

  /** A base must lie in a block of less depth: so no chunk can come to lean on itself, whatever packs there are. */
  #find(id: Uint8Array, depth: number): number {
    const entry = this.#chunks.table.find(id);
    if (entry < 0) return NO_BASE;
    return this.depthOf(entry) < depth ? entry : NO_BASE;
  }

  /** The depth of the block that holds an entry. */
  depthOf(entry: number): number {
    const { packIndex, blockIndex } = this.#chunks.table.location(entry);
    return packIndex === PENDING_PACK ? 0 : this.#entry({ packIndex, blockIndex }).depth;
  }

  #findTwins(): void {
    const { packs, table } = this.#chunks;
    packs.forEach(({ footer }, packIndex) => {
      if (this.#packLeans[packIndex] !== true) return;
      footer.blocks.forEach(({ firstChunk, chunkCount, baseCount, depth }, blockIndex) => {
        if (baseCount === 0) return;
        for (let chunk = firstChunk; chunk < firstChunk + chunkCount; chunk++) {
          const entry = table.find(footer.chunkIds, chunk * 32);
          const place = table.location(entry);
          if (place.packIndex === packIndex && place.blockIndex === blockIndex) continue;
          if (this.depthOf(entry) !== depth) continue;
          this.#twins.set(entry, [...(this.#twins.get(entry) ?? []), { packIndex, blockIndex }]);
        }
      });
    });
  }

  #entry({ packIndex, blockIndex }: BlockAddress): BlockEntry {
    return this.#chunks.packs[packIndex]!.footer.blocks[blockIndex]!;
  }
}

import type { ChunkCatalog } from './chunk-catalog.js';

/**
 * How much of each pack and each block some chunks take up. Of a chunk that two packs hold only the copy that
 * the chunk table names counts. Stored bytes of a block are shared out by plain bytes, a pack's footer and frame by
 * chunks: the parts of a pack add up to its size.
 */
export class PoolUse {
  readonly #chunks: ChunkCatalog;
  /** Number of the first block of each pack, counted through all packs. */
  readonly #firstBlocks: Uint32Array;
  readonly #plainBytes: Uint32Array;
  readonly #chunkCounts: Uint32Array;

  /** @param counts whether an entry of the chunk table is one of the chunks */
  constructor(chunks: ChunkCatalog, counts: (entry: number) => boolean) {
    const { packs, table } = chunks;
    this.#chunks = chunks;
    this.#firstBlocks = new Uint32Array(packs.length + 1);
    packs.forEach(({ footer }, i) => {
      this.#firstBlocks[i + 1] = this.#firstBlocks[i]! + footer.blocks.length;
    });
    this.#plainBytes = new Uint32Array(this.#firstBlocks[packs.length]!);
    this.#chunkCounts = new Uint32Array(this.#plainBytes.length);
    for (let entry = 0; entry < table.count; entry++) {
      if (!counts(entry)) continue;
      const { packIndex, blockIndex, sizeBytes } = table.location(entry);
      const block = this.#firstBlocks[packIndex]! + blockIndex;
      this.#plainBytes[block] = this.#plainBytes[block]! + sizeBytes;
      this.#chunkCounts[block] = this.#chunkCounts[block]! + 1;
    }
  }

  /** Plain bytes of all the chunks. */
  get plainBytes(): number {
    return this.#plainBytes.reduce((sum, bytes) => sum + bytes, 0);
  }

  /** Stored bytes of all the chunks. */
  get storedBytes(): number {
    let sum = 0;
    for (let packIndex = 0; packIndex < this.#chunks.packs.length; packIndex++)
      sum += this.packBytes(packIndex);
    return sum;
  }

  /** How many of the chunks a block holds. */
  blockChunks(packIndex: number, blockIndex: number): number {
    return this.#chunkCounts[this.#firstBlocks[packIndex]! + blockIndex]!;
  }

  /** Stored bytes of a pack that the chunks take up; 0 when it holds none of them. */
  packBytes(packIndex: number): number {
    const { sizeBytes, footer } = this.#chunks.packs[packIndex]!;
    let storedBytes = 0;
    let chunkCount = 0;
    let blocksBytes = 0;
    footer.blocks.forEach((block, i) => {
      const at = this.#firstBlocks[packIndex]! + i;
      storedBytes += (block.storedBytes * this.#plainBytes[at]!) / block.plainBytes;
      chunkCount += this.#chunkCounts[at]!;
      blocksBytes += block.storedBytes;
    });
    if (chunkCount === 0) return 0;
    return Math.round(storedBytes + ((sizeBytes - blocksBytes) * chunkCount) / footer.chunkCount);
  }
}

import { BlockBases, NO_BASE } from './block-bases.js';
import type { BlockAddress, ChunkCatalog } from './chunk-catalog.js';

/** What a chunk takes in a footer. */
const CHUNK_ENTRY_BYTES = 36;

interface LeaningBlock {
  address: BlockAddress;
  bases: number[];
  /** Chunks of the block that are needed. */
  needed: number;
}

/**
 * Which delta blocks keep which chunks in the pool as their bases. A block that is to be stored plain can be released:
 * what then nothing needs any more is garbage, also what that leaned on in its turn.
 */
export class BasePins {
  readonly #chunks: ChunkCatalog;
  readonly #isNamed: (entry: number) => boolean;
  readonly #bases: BlockBases;
  /** Delta blocks that hold something needed. */
  readonly #blocks = new Map<number, LeaningBlock>();
  /** By entry: how many delta blocks have it for a base. */
  readonly #pins = new Map<number, number>();
  /** Blocks that lean on nothing any more, whoever comes to need a chunk of theirs. */
  readonly #released = new Set<number>();

  /** @param isNamed whether an entry of the chunk table is needed for its own bytes */
  constructor(chunks: ChunkCatalog, isNamed: (entry: number) => boolean) {
    this.#chunks = chunks;
    this.#isNamed = isNamed;
    this.#bases = new BlockBases(chunks, { everyCopy: true });
    for (let entry = 0; entry < chunks.table.count; entry++) if (isNamed(entry)) this.#need(entry);
  }

  /** True for an entry that is needed for its own bytes or as a base. */
  has(entry: number): boolean {
    return this.#isNamed(entry) || this.#pins.has(entry);
  }

  /** True for a block that leans on bases which are kept for it. */
  leans(address: BlockAddress): boolean {
    return this.#blocks.has(this.#bases.keyOf(address));
  }

  /** The delta blocks that hold something needed, those of the greatest depth first. */
  blocks(): BlockAddress[] {
    const depth = ({ packIndex, blockIndex }: BlockAddress): number =>
      this.#chunks.packs[packIndex]!.footer.blocks[blockIndex]!.depth;
    return [...this.#blocks.values()]
      .map(({ address }) => address)
      .sort((a, b) => depth(b) - depth(a) || a.packIndex - b.packIndex || a.blockIndex - b.blockIndex);
  }

  /** Stored bytes that nothing but this block keeps in the pool, estimated as `PoolUse` shares them out. */
  pinnedBytes(address: BlockAddress): number {
    const key = this.#bases.keyOf(address);
    const block = this.#blocks.get(key);
    if (!block) return 0;
    const freed: number[] = [];
    this.#letGo(key, freed);
    // What it leans on comes back with it.
    this.#put(block);
    return Math.round(freed.reduce((sum, entry) => sum + this.#storedBytes(entry), 0));
  }

  /** Says that a block will lean on nothing. */
  release(address: BlockAddress): void {
    const key = this.#bases.keyOf(address);
    this.#released.add(key);
    this.#letGo(key, []);
  }

  /** Says that a pack stays as it is: the blocks of it that were released go on leaning on their bases. */
  restorePack(packIndex: number): void {
    this.#chunks.packs[packIndex]!.footer.blocks.forEach((_, blockIndex) => {
      const address = { packIndex, blockIndex };
      if (!this.#released.delete(this.#bases.keyOf(address))) return;
      const needed = this.#neededOf(address);
      if (needed > 0) this.#put(this.#leaning(address, needed));
    });
  }

  /** How many chunks of a delta block are needed of which it holds a copy that counts. */
  #neededOf({ packIndex, blockIndex }: BlockAddress): number {
    const { footer } = this.#chunks.packs[packIndex]!;
    const { firstChunk, chunkCount } = footer.blocks[blockIndex]!;
    const entries = new Set<number>();
    for (let chunk = firstChunk; chunk < firstChunk + chunkCount; chunk++) {
      const entry = this.#chunks.table.find(footer.chunkIds, chunk * 32);
      const isHere = (block: BlockAddress): boolean =>
        block.packIndex === packIndex && block.blockIndex === blockIndex;
      if (this.has(entry) && this.#bases.leaningBlocksOf(entry).some(isHere)) entries.add(entry);
    }
    return entries.size;
  }

  /** One more of the chunks of its block is needed. */
  #need(entry: number): void {
    for (const address of this.#bases.leaningBlocksOf(entry)) {
      const key = this.#bases.keyOf(address);
      if (this.#released.has(key)) continue;
      const known = this.#blocks.get(key);
      if (known) known.needed++;
      else this.#put(this.#leaning(address, 1));
    }
  }

  #leaning(address: BlockAddress, needed: number): LeaningBlock {
    const bases: number[] = [];
    this.#bases.forEach(address, (base) => {
      if (base !== NO_BASE) bases.push(base);
    });
    return { address, bases, needed };
  }

  #put(block: LeaningBlock): void {
    this.#blocks.set(this.#bases.keyOf(block.address), block);
    for (const base of block.bases) {
      const pins = this.#pins.get(base) ?? 0;
      this.#pins.set(base, pins + 1);
      if (pins === 0 && !this.#isNamed(base)) this.#need(base);
    }
  }

  /** Takes a block out, and each that held nothing but bases for it. */
  #letGo(key: number, freed: number[]): void {
    const block = this.#blocks.get(key);
    if (!block) return;
    this.#blocks.delete(key);
    for (const base of block.bases) {
      const pins = this.#pins.get(base)! - 1;
      if (pins > 0) {
        this.#pins.set(base, pins);
        continue;
      }
      this.#pins.delete(base);
      if (this.#isNamed(base)) continue;
      freed.push(base);
      for (const address of this.#bases.leaningBlocksOf(base)) {
        const below = this.#blocks.get(this.#bases.keyOf(address));
        if (below && --below.needed === 0) this.#letGo(this.#bases.keyOf(address), freed);
      }
    }
  }

  #storedBytes(entry: number): number {
    const { packIndex, blockIndex, sizeBytes } = this.#chunks.table.location(entry);
    const block = this.#chunks.packs[packIndex]!.footer.blocks[blockIndex]!;
    return (block.storedBytes * sizeBytes) / block.plainBytes + CHUNK_ENTRY_BYTES;
  }
}

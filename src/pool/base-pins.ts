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

  /** Says that a block will lean on nothing, whatever may need its chunks. */
  release(address: BlockAddress): void {
    const key = this.#bases.keyOf(address);
    this.#released.add(key);
    this.#letGo(key, []);
  }

  /** One more of the chunks of its block is needed. */
  #need(entry: number): void {
    for (const address of this.#bases.leaningBlocksOf(entry)) {
      const key = this.#bases.keyOf(address);
      if (this.#released.has(key)) continue;
      const known = this.#blocks.get(key);
      if (known) {
        known.needed++;
        continue;
      }
      const block: LeaningBlock = { address, bases: [], needed: 1 };
      this.#bases.forEach(address, (base) => {
        if (base !== NO_BASE) block.bases.push(base);
      });
      this.#put(block);
    }
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

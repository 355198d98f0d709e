import { DbupError } from '../core/errors.js';
import type { PoolLayout } from '../store/pool-layout.js';
import {
  type BaseBlock,
  type BaseFault,
  findBadBase,
  planBases,
  unreadableBase,
  wrongBase,
} from './base-plan.js';
import { DELTA_DAMAGED } from './block-job.js';
import type { BlockWorkers } from './block-workers.js';
import type { BlockAddress, ChunkCatalog } from './chunk-catalog.js';
import type { RegionPool } from './region-pool.js';
import type { SharedRegion } from './shared-arena.js';

/** Blocks read for their bases before it is their turn. Only those that lean on nothing: others would multiply. */
const BASE_BLOCKS_AHEAD = 2;

/** A whole block in memory, held until it is released. */
export interface BlockLease {
  region: SharedRegion;
  ready: Promise<void>;
  release(): void;
}

/** What decoding a block and looking at its chunks showed. */
export interface DecodedBlock {
  /** Numbers of the chunks of the block that are not what their id says; none where they were not looked at. */
  badChunks: number[];
  /** Set when there are such chunks and a base of the block is to blame. */
  badBase: BaseFault | null;
}

/** Decodes blocks into memory of the caller's; what a delta block leans on is leased for as long as that takes. */
export class BlockDecoder {
  readonly #layout: PoolLayout;
  readonly #chunks: ChunkCatalog;
  readonly #workers: BlockWorkers;
  readonly #lease: (address: BlockAddress) => BlockLease;
  readonly #heldBytes: number;
  readonly #regions: RegionPool;

  /** @param heldBytes memory of leased blocks that one delta block may hold; of what is more, its bases are copied */
  constructor(
    parts: { layout: PoolLayout; chunks: ChunkCatalog; workers: BlockWorkers },
    lease: (address: BlockAddress) => BlockLease,
    heldBytes: number,
    regions: RegionPool,
  ) {
    this.#layout = parts.layout;
    this.#chunks = parts.chunks;
    this.#workers = parts.workers;
    this.#lease = lease;
    this.#heldBytes = heldBytes;
    this.#regions = regions;
  }

  /**
   * @param checkChunks whether to compare each chunk with its id
   * @throws DbupError POOL_DAMAGED; POOL_INCOMPLETE when the pack or a base is not there
   */
  async decode(address: BlockAddress, into: SharedRegion, checkChunks: boolean): Promise<DecodedBlock> {
    const { footer } = this.#chunks.packs[address.packIndex]!;
    if (footer.blocks[address.blockIndex]!.baseCount > 0)
      return this.#decodeDelta(address, into, checkChunks);
    return { badChunks: await this.#run(address, into, checkChunks, []), badBase: null };
  }

  async #decodeDelta(address: BlockAddress, into: SharedRegion, checkChunks: boolean): Promise<DecodedBlock> {
    const held: { release(): void }[] = [];
    try {
      const bases = await this.#gather(address, held);
      try {
        const badChunks = await this.#run(address, into, checkChunks, bases);
        const badBase = badChunks.length > 0 ? findBadBase(this.#chunks, address, bases) : null;
        return { badChunks, badBase };
      } catch (error) {
        if (!isUndecodable(error)) throw error;
        const badBase = findBadBase(this.#chunks, address, bases);
        throw badBase ? wrongBase(this.#nameOf(address), badBase) : error;
      }
    } finally {
      for (const what of held) what.release();
    }
  }

  /** The bytes of a block's bases in order. @param held gets what is to be released when they have served */
  async #gather(address: BlockAddress, held: { release(): void }[]): Promise<Uint8Array[]> {
    const blocks = planBases(this.#chunks, address);
    const bases: Uint8Array[] = [];
    const ahead: BlockLease[] = [];
    let next = 0;
    let heldBytes = 0;
    let copies: CopiedBases | null = null;
    try {
      for (const block of blocks) {
        while (next < blocks.length && mayBegin(blocks[next]!, ahead.length))
          ahead.push(this.#lease(blocks[next++]!));
        const lease = ahead[0]!;
        await this.#ready(address, block, lease);
        const pieces = block.bases.map(({ offsetBytes, sizeBytes }) =>
          lease.region.bytes.subarray(offsetBytes, offsetBytes + sizeBytes),
        );
        ahead.shift();
        const isHeld = heldBytes + lease.region.bytes.length <= this.#heldBytes;
        if (!isHeld && !copies) {
          copies = new CopiedBases(this.#regions, blocks);
          held.push(copies);
        }
        const copied = isHeld ? null : copies;
        block.bases.forEach(({ number }, i) => {
          bases[number] = copied?.add(pieces[i]!) ?? pieces[i]!;
        });
        if (isHeld) {
          held.push(lease);
          heldBytes += lease.region.bytes.length;
        } else lease.release();
      }
    } finally {
      for (const { release } of ahead) release();
    }
    return bases;
  }

  async #ready(
    address: BlockAddress,
    { packIndex, blockIndex }: BaseBlock,
    lease: BlockLease,
  ): Promise<void> {
    try {
      await lease.ready;
    } catch (error) {
      if (!(error instanceof DbupError)) throw error;
      const { name, footer } = this.#chunks.packs[packIndex]!;
      const base = { pack: name, blockOffsetBytes: footer.blocks[blockIndex]!.offsetBytes };
      throw unreadableBase(this.#nameOf(address), base, error);
    }
  }

  #run(
    { packIndex, blockIndex }: BlockAddress,
    into: SharedRegion,
    checkChunks: boolean,
    bases: readonly Uint8Array[],
  ): Promise<number[]> {
    const { name, footer } = this.#chunks.packs[packIndex]!;
    const block = footer.blocks[blockIndex]!;
    const end = block.firstChunk + block.chunkCount;
    // Copies: a view would carry the whole footer over to the thread.
    const chunks = checkChunks && {
      ids: new Uint8Array(footer.chunkIds.subarray(block.firstChunk * 32, end * 32)),
      sizes: footer.chunkBytes.slice(block.firstChunk, end),
    };
    return this.#workers.decode(this.#layout.packPath(name), name, block, into, {
      bases,
      ...(chunks && { chunks }),
    });
  }

  #nameOf({ packIndex, blockIndex }: BlockAddress): { packName: string; blockOffsetBytes: number } {
    const { name, footer } = this.#chunks.packs[packIndex]!;
    return { packName: name, blockOffsetBytes: footer.blocks[blockIndex]!.offsetBytes };
  }
}

function mayBegin({ depth }: BaseBlock, begun: number): boolean {
  return begun === 0 || (depth === 0 && begun < BASE_BLOCKS_AHEAD);
}

/** Copies of bases in one shared memory, which has room for all of a delta block: at most `LIMITS.deltaBaseBytes`. */
class CopiedBases {
  readonly #regions: RegionPool;
  readonly #region: SharedRegion;
  #fillBytes = 0;

  constructor(regions: RegionPool, blocks: readonly BaseBlock[]) {
    const sizes = blocks.flatMap(({ bases }) => bases.map(({ sizeBytes }) => sizeBytes));
    this.#regions = regions;
    this.#region = regions.take(sizes.reduce((sum, size) => sum + size, 0));
  }

  add(piece: Uint8Array): Uint8Array {
    const copy = this.#region.bytes.subarray(this.#fillBytes, this.#fillBytes + piece.length);
    copy.set(piece);
    this.#fillBytes += piece.length;
    return copy;
  }

  release(): void {
    this.#regions.give(this.#region);
  }
}

/** The stored bytes have their checksum and do not decode: they, or the base, are not what was written. */
function isUndecodable(error: unknown): boolean {
  return (
    error instanceof DbupError && (error.cause as NodeJS.ErrnoException | undefined)?.code === DELTA_DAMAGED
  );
}

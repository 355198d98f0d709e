import { DbupError } from '../core/errors.js';
import type { BlockEntry } from '../format/block-entry.js';
import type { PoolLayout } from '../store/pool-layout.js';
import type { SpillPlace } from '../store/spill-file.js';
import { BaseCopies } from './base-copies.js';
import {
  type BaseBlock,
  type BaseFault,
  findBadBase,
  planBases,
  unreadableBase,
  wrongBase,
} from './base-plan.js';
import { DELTA_DAMAGED, type DecodeAnswer } from './block-job.js';
import { type BlockLease, leaseInTurn } from './block-lease.js';
import type { BlockSpill } from './block-spill.js';
import type { BlockWorkers } from './block-workers.js';
import type { BlockAddress, ChunkCatalog } from './chunk-catalog.js';
import { ChunkMaker, type WantedChunk } from './chunk-maker.js';
import type { RegionPool } from './region-pool.js';
import type { SharedRegion } from './shared-arena.js';

/** Of blocks less deep, the whole block is decoded for a chunk: it mostly serves for others as well. */
const LEAST_LIGHT_DEPTH = 4;
/** Chunks that are wanted together are made without their blocks where these lean on deltas themselves, or are as short as this. */
const BRIEF_STORED_BYTES = 32 * 1024;

/** What decoding a block and looking at its chunks showed. */
export interface DecodedBlock {
  /** Numbers of the chunks of the block that are not what their id says; none where they were not looked at. */
  badChunks: number[];
  /** Set when there are such chunks and a base of the block is to blame. */
  badBase: BaseFault | null;
}

/** Decodes blocks, and chunks of them, into memory of the caller's; what a delta block leans on is leased for as long as that takes. */
export class BlockDecoder {
  readonly #layout: PoolLayout;
  readonly #chunks: ChunkCatalog;
  readonly #workers: BlockWorkers;
  readonly #lease: (address: BlockAddress) => BlockLease;
  readonly #heldBytes: number;
  readonly #regions: RegionPool;
  readonly #maker: ChunkMaker;
  readonly #spill: BlockSpill | null;

  /**
   * @param parts.spill where decoded blocks are put aside
   * @param heldBytes memory of leased blocks that one delta block may hold; of what is more, its bases are copied
   */
  constructor(
    parts: { layout: PoolLayout; chunks: ChunkCatalog; workers: BlockWorkers; spill?: BlockSpill | null },
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
    this.#spill = parts.spill ?? null;
    this.#maker = new ChunkMaker(parts, lease, regions);
  }

  /**
   * @param checkChunks whether to compare each chunk with its id
   * @throws DbupError POOL_DAMAGED; POOL_INCOMPLETE when the pack or a base is not there
   */
  async decode(address: BlockAddress, into: SharedRegion, checkChunks: boolean): Promise<DecodedBlock> {
    if (!checkChunks && (await this.#spill?.restore(address, into))) return { badChunks: [], badBase: null };
    const { depth } = this.#entryOf(address);
    if (depth === 0) return { badChunks: await this.#run(address, into, checkChunks, []), badBase: null };
    return this.#decodeDelta(address, into, checkChunks);
  }

  /** True for a block of which a chunk is better made by {@link makeChunks}. */
  isLight(address: BlockAddress): boolean {
    return this.#entryOf(address).depth >= LEAST_LIGHT_DEPTH && this.#maker.takesApart(address);
  }

  /** True for a block of which some chunks are better made by {@link makeChunks}, together with those of others. */
  isBrief(address: BlockAddress): boolean {
    const { depth, storedBytes } = this.#entryOf(address);
    const isBrief = depth > 1 || storedBytes <= BRIEF_STORED_BYTES;
    return isBrief && this.#maker.takesApart(address);
  }

  /**
   * Makes chunks of delta blocks without decoding these, unless something is wrong.
   * @returns of each what is wrong with it, if anything is: DbupError POOL_DAMAGED or POOL_INCOMPLETE
   */
  makeChunks(chunks: readonly WantedChunk[]): Promise<(DbupError | null)[]> {
    return this.#maker.make(chunks);
  }

  async #decodeDelta(address: BlockAddress, into: SharedRegion, checkChunks: boolean): Promise<DecodedBlock> {
    const held: { release(): void }[] = [];
    try {
      const bases = await this.#gather(address, planBases(this.#chunks, address), held);
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

  /** The bytes of what a block leans on, by number. @param held gets what is to be released when they have served */
  async #gather(
    address: BlockAddress,
    blocks: readonly BaseBlock[],
    held: { release(): void }[],
  ): Promise<Uint8Array[]> {
    const bases: Uint8Array[] = [];
    const copies = new BaseCopies(this.#regions);
    held.push(copies);
    const [light, whole] = partition(blocks, (block) => this.isLight(block));
    await this.#gatherAlone(address, light, copies, bases);
    let heldBytes = 0;
    for (const { block, lease } of leaseInTurn(whole, this.#lease)) {
      held.push(lease);
      await this.#ready(address, block, lease.ready);
      const { bytes } = lease.region;
      heldBytes += bytes.length;
      const isHeld = heldBytes <= this.#heldBytes;
      for (const { number, offsetBytes, sizeBytes } of block.bases) {
        const piece = bytes.subarray(offsetBytes, offsetBytes + sizeBytes);
        bases[number] = isHeld ? piece : copies.add(piece);
      }
      if (isHeld) continue;
      held.pop()!.release();
      heldBytes -= bytes.length;
    }
    return bases;
  }

  /** The bases in blocks of which chunks are made alone: of a long way to what leans on nothing, only what is needed is made. */
  async #gatherAlone(
    address: BlockAddress,
    blocks: readonly BaseBlock[],
    copies: BaseCopies,
    bases: Uint8Array[],
  ): Promise<void> {
    const chunks = blocks.flatMap((block) =>
      block.bases.map(({ number, id, offsetBytes, sizeBytes }) => {
        const { packIndex, blockIndex } = block;
        const place = { packIndex, blockIndex, offsetBytes, sizeBytes };
        return { block, number, id, place, into: copies.take(sizeBytes) };
      }),
    );
    const errors = await this.#maker.make(chunks);
    for (const [i, { block, number, into }] of chunks.entries()) {
      if (errors[i]) throw this.#leansOn(address, block, errors[i]);
      bases[number] = into.bytes;
    }
  }

  async #ready(address: BlockAddress, base: BlockAddress, ready: Promise<void>): Promise<void> {
    try {
      await ready;
    } catch (error) {
      throw error instanceof DbupError ? this.#leansOn(address, base, error) : error;
    }
  }

  /** What is wrong with a base, said of the block that leans on it. */
  #leansOn(address: BlockAddress, { packIndex, blockIndex }: BlockAddress, error: DbupError): DbupError {
    const { name, footer } = this.#chunks.packs[packIndex]!;
    const base = { pack: name, blockOffsetBytes: footer.blocks[blockIndex]!.offsetBytes };
    return unreadableBase(this.#nameOf(address), base, error);
  }

  async #run(
    address: BlockAddress,
    into: SharedRegion,
    checkChunks: boolean,
    bases: readonly Uint8Array[],
  ): Promise<number[]> {
    const { name, footer } = this.#chunks.packs[address.packIndex]!;
    const block = this.#entryOf(address);
    const end = block.firstChunk + block.chunkCount;
    // Copies: a view would carry the whole footer over to the thread.
    const chunks = checkChunks && {
      ids: new Uint8Array(footer.chunkIds.subarray(block.firstChunk * 32, end * 32)),
      sizes: footer.chunkBytes.slice(block.firstChunk, end),
    };
    const decode = (spill: SpillPlace | null): Promise<DecodeAnswer> =>
      this.#workers.decode(this.#layout.packPath(name), name, block, into, {
        bases,
        spill,
        ...(chunks && { chunks }),
      });
    const answer = this.#spill ? this.#spill.decode(address, block, decode) : decode(null);
    return (await answer).badChunks;
  }

  #entryOf({ packIndex, blockIndex }: BlockAddress): BlockEntry {
    return this.#chunks.packs[packIndex]!.footer.blocks[blockIndex]!;
  }

  #nameOf({ packIndex, blockIndex }: BlockAddress): { packName: string; blockOffsetBytes: number } {
    const { name, footer } = this.#chunks.packs[packIndex]!;
    return { packName: name, blockOffsetBytes: footer.blocks[blockIndex]!.offsetBytes };
  }
}

function partition<Item>(items: readonly Item[], isFirst: (item: Item) => boolean): [Item[], Item[]] {
  return [items.filter(isFirst), items.filter((item) => !isFirst(item))];
}

/** The stored bytes have their checksum and do not decode: they, or the base, are not what was written. */
function isUndecodable(error: unknown): boolean {
  return (
    error instanceof DbupError && (error.cause as NodeJS.ErrnoException | undefined)?.code === DELTA_DAMAGED
  );
}

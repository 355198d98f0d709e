import type { ChunkLocation } from '../catalog/chunk-table.js';
import { addDifference, type FlatDelta } from '../compress/delta/flat-delta.js';
import { cutOut } from '../compress/delta/flat-delta-builder.js';
import { DbupError } from '../core/errors.js';
import { sha256 } from '../hash/sha256.js';
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
import { planAssembly } from './delta-assembly.js';
import { DeltaChains } from './delta-chains.js';
import type { RegionPool } from './region-pool.js';
import type { SharedRegion } from './shared-arena.js';

/** Blocks read for their bases before it is their turn. Only those that lean on nothing: others would multiply. */
const BASE_BLOCKS_AHEAD = 2;

/** Chunks of blocks less deep are taken from the whole block, which mostly serves for others as well. */
const LEAST_LIGHT_DEPTH = 4;

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

/** Decodes blocks, and chunks of them, into memory of the caller's; what a delta block leans on is leased for as long as that takes. */
export class BlockDecoder {
  readonly #layout: PoolLayout;
  readonly #chunks: ChunkCatalog;
  readonly #workers: BlockWorkers;
  readonly #lease: (address: BlockAddress) => BlockLease;
  readonly #heldBytes: number;
  readonly #regions: RegionPool;
  readonly #chains: DeltaChains;

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
    this.#chains = new DeltaChains(parts);
  }

  /**
   * @param checkChunks whether to compare each chunk with its id
   * @throws DbupError POOL_DAMAGED; POOL_INCOMPLETE when the pack or a base is not there
   */
  async decode(address: BlockAddress, into: SharedRegion, checkChunks: boolean): Promise<DecodedBlock> {
    const { footer } = this.#chunks.packs[address.packIndex]!;
    const { depth } = footer.blocks[address.blockIndex]!;
    if (depth === 0) return { badChunks: await this.#run(address, into, checkChunks, []), badBase: null };
    return this.#decodeDelta(address, into, checkChunks);
  }

  /** True for a chunk that may be had without the block around it: see {@link decodeChunk}. */
  isLight({ packIndex, blockIndex }: BlockAddress): boolean {
    const { depth } = this.#chunks.packs[packIndex]!.footer.blocks[blockIndex]!;
    return depth >= LEAST_LIGHT_DEPTH && this.#chains.mayFlatten({ packIndex, blockIndex });
  }

  /**
   * Makes one chunk of a delta block, from what its chain of deltas comes down to where they are small, else from the whole block.
   * @param into begins with the chunk when it resolves
   * @throws DbupError like {@link decode}
   */
  async decodeChunk(chunk: ChunkLocation, id: Uint8Array, into: SharedRegion): Promise<void> {
    const { offsetBytes, sizeBytes } = chunk;
    const flat = await this.#chains.flatten(chunk);
    if (flat && (await this.#assemble(chunk, cutOut(flat, offsetBytes, sizeBytes), id, into))) return;
    const lease = this.#lease(chunk);
    try {
      await lease.ready;
      into.bytes.set(lease.region.bytes.subarray(offsetBytes, offsetBytes + sizeBytes));
    } finally {
      lease.release();
    }
  }

  /** False when that cannot be done, or does not give the chunk: then the whole block tells what is wrong, if anything is. */
  async #assemble(
    { packIndex, blockIndex, sizeBytes }: ChunkLocation,
    flat: FlatDelta,
    id: Uint8Array,
    into: SharedRegion,
  ): Promise<boolean> {
    const plan = planAssembly(this.#chunks, flat);
    if (!plan) return false;
    const { name, footer } = this.#chunks.packs[packIndex]!;
    const held: { release(): void }[] = [];
    try {
      const bases = await this.#gather({ packIndex, blockIndex }, plan.blocks, held);
      const block = { ...footer.blocks[blockIndex]!, plainBytes: sizeBytes };
      const { assembly } = plan;
      const chunks = { ids: new Uint8Array(id), sizes: Uint32Array.of(sizeBytes) };
      const path = this.#layout.packPath(name);
      const bad = await this.#workers.decode(path, name, block, into, { bases, assembly, chunks });
      return bad.length === 0 || guessRight(flat, id, into.bytes.subarray(0, sizeBytes));
    } finally {
      for (const what of held) what.release();
    }
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
    const whole = blocks.filter((block) => !this.isLight(block));
    let copies: CopiedBases | null = null;
    const copied = (): CopiedBases => {
      copies ??= new CopiedBases(this.#regions, blocks);
      if (!held.includes(copies)) held.push(copies);
      return copies;
    };
    for (const block of blocks) {
      if (!whole.includes(block)) await this.#gatherAlone(address, block, copied(), bases);
    }
    const ahead: BlockLease[] = [];
    let next = 0;
    let heldBytes = 0;
    try {
      for (const block of whole) {
        while (next < whole.length && mayBegin(whole[next]!, ahead.length))
          ahead.push(this.#lease(whole[next++]!));
        const lease = ahead[0]!;
        await this.#ready(address, block, lease.ready);
        const pieces = block.bases.map(({ offsetBytes, sizeBytes }) =>
          lease.region.bytes.subarray(offsetBytes, offsetBytes + sizeBytes),
        );
        ahead.shift();
        const isHeld = heldBytes + lease.region.bytes.length <= this.#heldBytes;
        block.bases.forEach(({ number }, i) => {
          bases[number] = isHeld ? pieces[i]! : copied().add(pieces[i]!);
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

  /** The bases in a block of which chunks are made alone: of a long way to what leans on nothing, only what is needed is made. */
  async #gatherAlone(
    address: BlockAddress,
    block: BaseBlock,
    copies: CopiedBases,
    bases: Uint8Array[],
  ): Promise<void> {
    const { packIndex, blockIndex } = block;
    for (const { number, offsetBytes, sizeBytes, id } of block.bases) {
      const region = copies.take(sizeBytes);
      const chunk = { packIndex, blockIndex, offsetBytes, sizeBytes };
      await this.#ready(address, block, this.decodeChunk(chunk, id, region));
      bases[number] = region.bytes;
    }
  }

  async #ready(
    address: BlockAddress,
    { packIndex, blockIndex }: BaseBlock,
    ready: Promise<void>,
  ): Promise<void> {
    try {
      await ready;
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

/** Tries for each guess whether the chunk is right when that is taken the other way round; false when it never is. */
function guessRight({ guesses }: FlatDelta, id: Uint8Array, place: Uint8Array): boolean {
  const bytes = new Uint8Array(place);
  for (const { at, sizeBytes, step } of guesses) {
    addDifference(bytes, at, sizeBytes, step, true);
    if (Buffer.compare(sha256(bytes), id) === 0) {
      place.set(bytes);
      return true;
    }
    bytes.set(place.subarray(at, at + sizeBytes), at);
  }
  return false;
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
    const { bytes } = this.take(piece.length);
    bytes.set(piece);
    return bytes;
  }

  /** Room for the next one. */
  take(sizeBytes: number): SharedRegion {
    const { memory, buffer, offsetBytes, bytes } = this.#region;
    const at = this.#fillBytes;
    this.#fillBytes += sizeBytes;
    return { memory, buffer, offsetBytes: offsetBytes + at, bytes: bytes.subarray(at, at + sizeBytes) };
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

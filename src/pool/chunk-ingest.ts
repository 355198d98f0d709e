import { type ChunkTable, PENDING_PACK } from '../catalog/chunk-table.js';
import type { Chunker } from '../chunk/chunker.js';
import type { ChunkerParameters } from '../chunk/chunker-parameters.js';
import { type OperationContext, throwIfInterrupted } from '../core/context.js';
import type { BlockKind } from '../format/pack.js';
import { sha256 } from '../hash/sha256.js';
import type { PackWriter } from '../store/pack-file.js';
import type { ChunkOrigin } from './base-finder.js';
import type { BlockCoder, SealedBlock } from './block-coder.js';
import type { BlockWorkers } from './block-workers.js';
import type { Opening } from './opening.js';
import { loneRegion, SharedArena, type SharedRegion } from './shared-arena.js';
import type { StreamGuide } from './stream-guide.js';

const SLAB_FRESH_BYTES = 512 * 1024;
const SLABS = 12;
/** Blocks waiting for a compressor or for the pack before the reader has to wait. */
const MAX_OPEN_BYTES = 8 * 1024 * 1024;
const MIN_OPEN_BLOCKS = 2;
/** Of each, where deltas are coded: that takes the memory, and so much time that reading need not be far ahead. */
const LEANING_SLABS_SHARE = 0.5;
const LEANING_OPEN_SHARE = 0.75;
/** Besides open blocks and what slabs under way may fill: one being filled of each kind, and one begun. */
const FILLING_BLOCKS = 4;
/** Read buffers: one is worked on while the other is filled. */
const WINDOWS = 2;
export const WINDOW_BYTES = 1024 * 1024;

/** A stretch of the arena in which a stream's bytes are cut into chunks. */
export type Slab = SharedRegion;

/** The stream that a slab's chunks are of. */
export interface SlabStream {
  kind: BlockKind;
  guide: StreamGuide | null;
  /** Where in the stream the slab begins. */
  atBytes: number;
  /** Told of every chunk in order. `id` is 32 bytes that the receiver may keep. */
  tell: (id: Uint8Array, sizeBytes: number) => void;
}

/**
 * The way of chunks into the pool: slabs are hashed in worker threads, answers are taken in the order of
 * submission, unknown chunks are gathered into blocks, blocks are compressed in worker threads and written
 * to packs in order. The same input therefore makes the same packs. Known content costs one hash.
 *
 * The first failure stays: every later call rethrows it.
 */
export class ChunkIngest {
  readonly chunker: Chunker;
  readonly chunkerParameters: ChunkerParameters;
  /** What opens compressed files in layers; null when they stay closed. */
  readonly opening: Opening | null;
  readonly #table: ChunkTable;
  readonly #workers: BlockWorkers;
  readonly #packs: PackWriter;
  readonly #coder: BlockCoder;
  readonly #context: OperationContext;
  readonly #arena: SharedArena;
  /** Two buffers for the reader of the source: from them, bytes reach their slab the fast way. */
  readonly windows: readonly Uint8Array[];
  readonly #blockBytes: number;
  readonly #maxOpenBlocks: number;
  readonly #freeSlabs: Slab[] = [];
  readonly #freeStaging: SharedRegion[] = [];
  readonly #staging = new Map<BlockKind, SealedBlock>();
  #hashed: Promise<void> = Promise.resolve();
  #packed: Promise<void> = Promise.resolve();
  #openBlocks = 0;
  #failure: unknown;
  #wake: (() => void) | null = null;
  /** Plain bytes that were not in the pool. */
  newPlainBytes = 0;
  /** Chunks of which that is so, and those that were met before, here or in the pool. */
  newChunks = 0;
  knownChunks = 0;
  knownChunkBytes = 0;

  constructor(parts: {
    chunker: ChunkerParameters;
    table: ChunkTable;
    workers: BlockWorkers;
    packs: PackWriter;
    coder: BlockCoder;
    opening: Opening | null;
    /** Plain bytes of a full block. */
    blockBytes: number;
    context: OperationContext;
  }) {
    this.chunkerParameters = parts.chunker;
    this.opening = parts.opening;
    this.#table = parts.table;
    this.#workers = parts.workers;
    this.#packs = parts.packs;
    this.#coder = parts.coder;
    this.#context = parts.context;
    this.#blockBytes = parts.blockBytes;
    const { findsBases } = parts.coder;
    const slabs = Math.floor(SLABS * (findsBases ? LEANING_SLABS_SHARE : 1));
    const openBytes = MAX_OPEN_BYTES * (findsBases ? LEANING_OPEN_SHARE : 1);
    this.#maxOpenBlocks = Math.max(MIN_OPEN_BLOCKS, Math.floor(openBytes / parts.blockBytes));
    const slabBytes = SLAB_FRESH_BYTES + parts.chunker.maxBytes;
    // Enough that none is ever missing: a block elsewhere has no sketches, and which one that is would be chance.
    const slabBlocks = Math.ceil((slabs * slabBytes) / parts.blockBytes);
    const stagingRegions = this.#maxOpenBlocks + slabBlocks + FILLING_BLOCKS;
    const slack = 64 * (slabs + stagingRegions + WINDOWS);
    this.#arena = new SharedArena(
      slabs * slabBytes + stagingRegions * parts.blockBytes + WINDOWS * WINDOW_BYTES + slack,
    );
    this.chunker = this.#arena.createChunker(parts.chunker);
    this.windows = Array.from({ length: WINDOWS }, () => this.#arena.allocate(WINDOW_BYTES)!.bytes);
    for (let i = 0; i < slabs; i++) this.#freeSlabs.push(this.#arena.allocate(slabBytes)!);
    for (let i = 0; i < stagingRegions; i++) this.#freeStaging.push(this.#arena.allocate(parts.blockBytes)!);
  }

  /** False when the pool has nothing that new chunks could be deltas of. */
  get findsBases(): boolean {
    return this.#coder.findsBases;
  }

  /** Copies `bytes` into a slab from `at` on. */
  copyIntoSlab(slab: Slab, at: number, bytes: Uint8Array): void {
    this.#arena.copy(slab.bytes, at, bytes);
  }

  /** Waits for a free slab; this is where a fast source is held back. */
  async takeSlab(): Promise<Slab> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure;
      throwIfInterrupted(this.#context.signal);
      if (this.#openBlocks < this.#maxOpenBlocks) {
        const slab = this.#freeSlabs.pop();
        if (slab) return slab;
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Gives a slab back unused. */
  returnSlab(slab: Slab): void {
    this.#freeSlabs.push(slab);
    this.#notify();
  }

  /** Hands over a slab whose chunks end at `ends` (from its start). It is not the caller's any more. */
  submit(slab: Slab, ends: Uint32Array, stream: SlabStream): void {
    const hashing = this.#workers.hashChunks(slab, ends);
    hashing.catch(() => {});
    this.#hashed = this.#hashed.then(async () => {
      try {
        const ids = await hashing;
        if (this.#failure === undefined) this.#takeChunks(slab, ends, ids, stream);
      } catch (error) {
        this.#fail(error);
      }
      this.returnSlab(slab);
    });
  }

  /** Waits until every submitted chunk has been told to its sink. */
  async settled(): Promise<void> {
    await this.#hashed;
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Stores one chunk made by dbup itself (a recipe, a list node). @returns its id */
  addChunk(bytes: Uint8Array, kind: BlockKind): Uint8Array {
    const id = sha256(bytes);
    this.#take(id, bytes, kind, null);
    return id;
  }

  /** Writes out everything; when it resolves, every chunk taken is in a finished, durable pack. */
  async finish(): Promise<void> {
    await this.#hashed;
    for (const kind of [...this.#staging.keys()].sort()) this.#seal(kind);
    await this.#packed;
    if (this.#failure !== undefined) throw this.#failure;
    await this.#packs.finishPack();
  }

  /** Waits for the threads to let go of the memory, writing nothing more. Never throws. */
  async abandon(): Promise<void> {
    this.#fail(new Error('abandoned'));
    await this.#hashed;
    await this.#packed;
    await this.#packs.abort();
  }

  #takeChunks(slab: Slab, ends: Uint32Array, ids: Uint8Array, stream: SlabStream): void {
    const { kind, guide, atBytes, tell } = stream;
    let start = 0;
    for (let i = 0; i < ends.length; i++) {
      const end = ends[i]!;
      const id = ids.subarray(i * 32, i * 32 + 32);
      const origin = guide && { guide, atBytes: atBytes + start, sizeBytes: end - start };
      this.#take(id, slab.bytes.subarray(start, end), kind, origin);
      tell(id, end - start);
      start = end;
    }
  }

  #take(id: Uint8Array, bytes: Uint8Array, kind: BlockKind, origin: ChunkOrigin | null): void {
    const place = { packIndex: PENDING_PACK, blockIndex: 0, offsetBytes: 0, sizeBytes: bytes.length };
    if (!this.#table.add(id, 0, place)) {
      this.knownChunks++;
      this.knownChunkBytes += bytes.length;
      if (origin) origin.guide.addKnown(origin.atBytes, this.#table.find(id));
      return;
    }
    this.newChunks++;
    this.newPlainBytes += bytes.length;
    let block = this.#staging.get(kind);
    if (block && block.plainBytes + bytes.length > block.region.bytes.length) {
      this.#seal(kind);
      block = undefined;
    }
    if (!block) {
      block = this.#newStaging(kind, bytes.length);
      this.#staging.set(kind, block);
    }
    this.#arena.copy(block.region.bytes, block.plainBytes, bytes);
    block.plainBytes += bytes.length;
    block.chunkIds.push(id);
    block.chunkBytes.push(bytes.length);
    block.origins.push(origin);
  }

  #newStaging(kind: BlockKind, minimumBytes: number): SealedBlock {
    this.#coder.prepare();
    const free = minimumBytes > this.#blockBytes ? undefined : this.#freeStaging.pop();
    const region = free ?? loneRegion(Math.max(minimumBytes, this.#blockBytes));
    return { kind, region, plainBytes: 0, chunkIds: [], chunkBytes: [], origins: [], horizon: new Map() };
  }

  #seal(kind: BlockKind): void {
    const block = this.#staging.get(kind);
    if (!block) return;
    this.#staging.delete(kind);
    this.#openBlocks++;
    for (const origin of block.origins) {
      if (origin) block.horizon.set(origin.guide, origin.guide.knownCount);
    }
    const coding = this.#coder.code(block);
    coding.catch(() => {});
    this.#packed = this.#packed.then(async () => {
      try {
        const coded = await coding;
        if (this.#failure === undefined) await this.#packs.add(coded);
      } catch (error) {
        this.#fail(error);
      }
      if (block.region.memory) this.#freeStaging.push(block.region);
      this.#openBlocks--;
      this.#notify();
    });
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    this.#notify();
  }

  #notify(): void {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }
}

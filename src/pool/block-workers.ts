import { availableParallelism } from 'node:os';
import { DbupError } from '../core/errors.js';
import type { BlockEntry } from '../format/block-entry.js';
import { WorkerPool } from '../stream/worker-pool.js';
import { GzipWorkers } from './gzip-workers.js';
import type { SharedRegion } from './shared-arena.js';

/** Hash the chunks of a stretch of shared memory; `ends` are offsets from `offsetBytes`. */
export interface HashJob {
  type: 'hash';
  buffer: SharedArrayBuffer;
  offsetBytes: number;
  ends: Uint32Array;
}

/** Compress `sizeBytes` of `buffer` as one block. */
export interface CompressJob {
  type: 'compress';
  buffer: SharedArrayBuffer;
  offsetBytes: number;
  sizeBytes: number;
  level: number;
}

/** The code of a worker's error: a delta block is sound as it is stored, and cannot be decoded with the base it was given. */
export const DELTA_DAMAGED = 'DELTA_DAMAGED';

/** Ids, 32 bytes each, and lengths of the chunks of a block. */
export interface ChunksToCheck {
  ids: Uint8Array;
  sizes: Uint32Array;
}

/** Pieces of memory that make up a base one after the other. */
export interface BaseMemory {
  buffers: SharedArrayBuffer[];
  /** For each piece: the number of its buffer, where it begins there, its length. */
  pieces: Uint32Array;
}

/** Read a block of a pack and decode it into `buffer` from `bufferOffsetBytes` on; with `chunks`, also compare each chunk with its id. */
export interface DecodeJob {
  type: 'decode';
  path: string;
  offsetBytes: number;
  storedBytes: number;
  plainBytes: number;
  xxh64: bigint;
  codec: number;
  buffer: SharedArrayBuffer;
  bufferOffsetBytes: number;
  base?: BaseMemory;
  chunks?: ChunksToCheck;
}

/** Sketch the chunks that lie one after the other from `offsetBytes` on in a memory that kernels can work in. */
export interface SketchJob {
  type: 'sketch';
  memory: WebAssembly.Memory;
  offsetBytes: number;
  chunkBytes: Uint32Array;
}

/** Bytes of a base, and the chunk that they are to be, 32 bytes. */
export interface BasePiece {
  buffer: SharedArrayBuffer;
  offsetBytes: number;
  sizeBytes: number;
  id: Uint8Array;
}

/** Code `sizeBytes` of `buffer` as one block, against bases where that is smaller. */
export interface DeltaJob {
  type: 'encodeDelta';
  buffer: SharedArrayBuffer;
  offsetBytes: number;
  sizeBytes: number;
  level: number;
  bases: BasePiece[];
}

/** SHA-256 of a range of a file. */
export interface HashFileJob {
  type: 'hashFile';
  path: string;
  offsetBytes: number;
  sizeBytes: number;
}

export type BlockJob = HashJob | SketchJob | CompressJob | DeltaJob | DecodeJob | HashFileJob;

export interface CompressAnswer {
  storedBytes: number;
  codec: number;
  xxh64: bigint;
}

export interface DeltaAnswer extends CompressAnswer {
  /** Numbers of the bases that the block is a delta of; none unless it is one. */
  usedBases: number[];
}

export interface CompressedBlock {
  /** A view of the region that held the plain bytes. */
  stored: Uint8Array;
  codec: number;
  xxh64: bigint;
}

/** The threads that hash, compress and decode. */
export class BlockWorkers {
  readonly #pool: WorkerPool<BlockJob>;
  /** What proves gzip files and makes them again: long work that nobody else should wait behind. */
  readonly gzip: GzipWorkers;

  constructor(threads: number = Math.max(1, Math.min(8, availableParallelism()))) {
    this.#pool = new WorkerPool(new URL('./block-worker.js', import.meta.url), threads);
    this.gzip = new GzipWorkers(threads);
  }

  get threads(): number {
    return this.#pool.size;
  }

  /** @returns 32 bytes a chunk */
  hashChunks({ buffer, offsetBytes }: SharedRegion, ends: Uint32Array): Promise<Uint8Array> {
    return this.#pool.run({ type: 'hash', buffer, offsetBytes, ends });
  }

  /** Compresses the first `sizeBytes` of a region in place: the plain bytes are gone when it resolves. */
  async compress(region: SharedRegion, sizeBytes: number, level: number): Promise<CompressedBlock> {
    const { buffer, offsetBytes } = region;
    const job: CompressJob = { type: 'compress', buffer, offsetBytes, sizeBytes, level };
    const { storedBytes, codec, xxh64 } = await this.#pool.run<CompressAnswer>(job);
    return { stored: region.bytes.subarray(0, storedBytes), codec, xxh64 };
  }

  /** Sketches of the chunks at the beginning of a region, six words each; null where no kernel reaches the region. */
  async sketch({ memory, offsetBytes }: SharedRegion, chunkBytes: Uint32Array): Promise<Uint32Array | null> {
    return memory && this.#pool.run({ type: 'sketch', memory, offsetBytes, chunkBytes });
  }

  /**
   * Like {@link compress}, or as a delta against bases where that is clearly smaller. The bases must stay where
   * they are until it resolves; one that is not what its id says is not used.
   */
  async encodeDelta(
    region: SharedRegion,
    sizeBytes: number,
    level: number,
    leases: readonly { bytes: Uint8Array; id: Uint8Array }[],
  ): Promise<CompressedBlock & { usedBases: number[] }> {
    const { buffer, offsetBytes } = region;
    const bases = leases.map(({ bytes, id }) => ({
      buffer: bytes.buffer as SharedArrayBuffer,
      offsetBytes: bytes.byteOffset,
      sizeBytes: bytes.length,
      id,
    }));
    const job: DeltaJob = { type: 'encodeDelta', buffer, offsetBytes, sizeBytes, level, bases };
    // Coding a delta takes tens of MB: half of the threads keep them.
    const threads = Math.max(1, this.threads >> 1);
    const { storedBytes, codec, xxh64, usedBases } = await this.#pool.run<DeltaAnswer>(job, threads);
    return { stored: region.bytes.subarray(0, storedBytes), codec, xxh64, usedBases };
  }

  /**
   * Decodes a block. `bases` are those of a delta block, in shared memory, and must stay as they are until this resolves.
   * @returns the numbers of the chunks (of `chunks`) whose bytes are not what their id says
   * @throws DbupError POOL_DAMAGED naming pack and block, its cause with the code DELTA_DAMAGED where bases may be
   * to blame; POOL_INCOMPLETE when the pack is gone
   */
  async decode(
    path: string,
    packName: string,
    block: BlockEntry,
    into: SharedRegion,
    { bases = [], chunks }: { bases?: readonly Uint8Array[]; chunks?: ChunksToCheck } = {},
  ): Promise<number[]> {
    const { offsetBytes, storedBytes, plainBytes, codec } = block;
    const job: DecodeJob = {
      type: 'decode',
      path,
      offsetBytes,
      storedBytes,
      plainBytes,
      xxh64: block.xxh64,
      codec,
      buffer: into.buffer,
      bufferOffsetBytes: into.offsetBytes,
    };
    try {
      const base = bases.length > 0 && baseMemory(bases);
      return await this.#pool.run({ ...job, ...(base && { base }), ...(chunks && { chunks }) });
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      const details = { pack: packName, blockOffsetBytes: offsetBytes };
      if (code === 'ENOENT') {
        throw new DbupError('POOL_INCOMPLETE', `pack ${packName.slice(0, 12)} is gone`, {
          hint: 'Sync the pool again.',
          details,
        });
      }
      if (code !== 'DAMAGED' && code !== DELTA_DAMAGED && code !== 'EIO') throw error;
      throw new DbupError(
        'POOL_DAMAGED',
        `pack ${packName.slice(0, 12)}, block at ${offsetBytes}: ${message}`,
        {
          hint: 'Run `dbup verify --read-data` to see what else is hit, then `dbup repair --from OTHER_POOL`.',
          details,
          cause: error,
        },
      );
    }
  }

  /** SHA-256 of a range of a file, 64 hex digits. @throws Error with code TRUNCATED when the file ends before */
  hashFile(path: string, offsetBytes: number, sizeBytes: number): Promise<string> {
    return this.#pool.run({ type: 'hashFile', path, offsetBytes, sizeBytes });
  }

  async close(): Promise<void> {
    await Promise.all([this.#pool.close(), this.gzip.close()]);
  }
}

/** Tells a thread where bases lie; bases that are neighbours in memory become one piece. */
function baseMemory(bases: readonly Uint8Array[]): BaseMemory {
  const buffers: SharedArrayBuffer[] = [];
  const pieces: number[] = [];
  for (const { buffer, byteOffset, length } of bases) {
    const shared = buffer as SharedArrayBuffer;
    let number = buffers.indexOf(shared);
    if (number < 0) number = buffers.push(shared) - 1;
    const last = pieces.length - 3;
    if (pieces[last] === number && pieces[last + 1]! + pieces[last + 2]! === byteOffset)
      pieces[last + 2]! += length;
    else pieces.push(number, byteOffset, length);
  }
  return { buffers, pieces: Uint32Array.from(pieces) };
}

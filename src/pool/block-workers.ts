import { availableParallelism } from 'node:os';
import type { DeltaOps } from '../compress/delta/delta-ops.js';
import type { DeltaProgram } from '../compress/delta/delta-program.js';
import { DbupError } from '../core/errors.js';
import { BLOCK_CODEC, type BlockEntry } from '../format/block-entry.js';
import type { BlockingReads } from '../store/file-system.js';
import type { SpillPlace } from '../store/spill-file.js';
import { WorkerPool, type WorkerShare } from '../stream/worker-pool.js';
import {
  type BaseMemory,
  type BlockJob,
  type ChunksToCheck,
  type ChunkToMake,
  type CompressAnswer,
  type CompressJob,
  DELTA_DAMAGED,
  type DecodeAnswer,
  type DecodeJob,
  type DeltaOpsJob,
  type FoundDelta,
  type MadeChunk,
  type StoreDeltaJob,
} from './block-job.js';
import type { BlockJobs } from './block-jobs.js';
import { GzipWorkers } from './gzip-workers.js';
import type { SharedRegion } from './shared-arena.js';

export interface CompressedBlock {
  /** A view of the region that held the plain bytes. */
  stored: Uint8Array;
  codec: number;
  xxh64: bigint;
}

/** A chunk to be made: `sizeBytes` at the beginning of `into`, of what {@link BlockWorkers.makeChunks} says. */
export interface ChunkSource {
  into: SharedRegion;
  sizeBytes: number;
  from: DeltaProgram | Uint8Array;
  id: Uint8Array;
}

interface DecodeOptions {
  /** Of a delta block, in shared memory, to stay as they are until it is decoded. */
  bases?: readonly Uint8Array[];
  chunks?: ChunksToCheck;
  /** Where the decoded block is written, too. */
  spill?: SpillPlace | null;
}

/** Bytes hashed and decoded in the thread that asks, before others are started: some 20 ms of its time. */
const HERE_BYTES = 16 * 1024 * 1024;
/** Further threads are started when there is work for them. */
const THREADS_AT_ONCE = 2;
/** The decoder of deltas takes three times the largest block: here it stays small. */
const HERE_DELTA_BYTES = 256 * 1024;

/** Chunks made in one job: each is little work, less than it takes to hand it over. */
const CHUNKS_TOGETHER = 16;

const PAYLOAD_STEP_BYTES = 2 * 1024 * 1024;

/** What coding a block takes of a thread's time, by hashing chunks or decoding. */
const CODING_WEIGHT = 16;
/** What may wait before threads that look for deltas compress as well, for which they need more memory. */
const MOST_WAITING_WEIGHT = CODING_WEIGHT;
/** A file is hashed in one thread: so many bytes take as long as a short job. */
const HASHED_BYTES = 2 * 1024 * 1024;

/** The threads that hash, compress and decode. */
export class BlockWorkers {
  readonly #pool: WorkerPool<BlockJob>;
  /** Does the first jobs in this thread: to start others takes longer than a small image. */
  #here: Promise<BlockJobs> | null = null;
  #hereBytes = HERE_BYTES;
  #searches = false;
  readonly #payloads: SharedArrayBuffer[] = [];
  /** What proves gzip files and makes them again: long work that nobody else should wait behind. */
  readonly gzip: GzipWorkers;

  readonly #reads: BlockingReads | undefined;

  /** @param reads in place of the system's own; then all work is done in the thread that asks */
  constructor(threads: number = Math.max(1, Math.min(8, availableParallelism())), reads?: BlockingReads) {
    this.#reads = reads;
    this.#pool = new WorkerPool(new URL('./block-worker.js', import.meta.url), threads);
    this.gzip = new GzipWorkers(threads);
  }

  get threads(): number {
    return this.#pool.size;
  }

  /** Those that look for deltas, and do nothing else for them. */
  get searchingThreads(): number {
    return Math.max(1, this.threads >> 1);
  }

  /** Says how much there will be to do: threads are then started beside what comes before it. */
  expect(sizeBytes: number): void {
    if (sizeBytes > HERE_BYTES && !this.#reads) this.#pool.start(THREADS_AT_ONCE);
  }

  /** Says that deltas will be looked for. */
  willSearch(): void {
    this.#searches = true;
  }

  /** @returns 32 bytes a chunk */
  hashChunks({ buffer, offsetBytes }: SharedRegion, ends: Uint32Array): Promise<Uint8Array> {
    return this.#run({ type: 'hash', buffer, offsetBytes, ends });
  }

  /** Compresses the first `sizeBytes` of a region in place: the plain bytes are gone when it resolves. */
  async compress(region: SharedRegion, sizeBytes: number, level: number): Promise<CompressedBlock> {
    const { buffer, offsetBytes } = region;
    const job: CompressJob = { type: 'compress', buffer, offsetBytes, sizeBytes, level };
    const { storedBytes, codec, xxh64 } = await this.#run<CompressAnswer>(job);
    return { stored: region.bytes.subarray(0, storedBytes), codec, xxh64 };
  }

  /** Sketches of the chunks at the beginning of a region, six words each; null where no kernel reaches the region. */
  async sketch({ memory, offsetBytes }: SharedRegion, chunkBytes: Uint32Array): Promise<Uint32Array | null> {
    return memory && this.#run({ type: 'sketch', memory, offsetBytes, chunkBytes });
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
    const given = leases.map(({ bytes, id }) => ({
      buffer: bytes.buffer as SharedArrayBuffer,
      offsetBytes: bytes.byteOffset,
      sizeBytes: bytes.length,
      id,
    }));
    const payload = this.#takePayload(sizeBytes);
    const block = { buffer, offsetBytes, sizeBytes, level, payload };
    this.willSearch();
    try {
      const found = await this.#run<FoundDelta | null>({ type: 'encodeDelta', ...block, bases: given });
      if (!found) return { ...(await this.compress(region, sizeBytes, level)), usedBases: [] };
      const { payloadAt, payloadBytes, usedBases } = found;
      const bases = usedBases.map((number) => given[number]!);
      const job: StoreDeltaJob = { type: 'storeDelta', ...block, payloadAt, payloadBytes, bases };
      const { storedBytes, codec, xxh64 } = await this.#run<CompressAnswer>(job);
      const stored = region.bytes.subarray(0, storedBytes);
      return { stored, codec, xxh64, usedBases: codec === BLOCK_CODEC.delta ? usedBases : [] };
    } finally {
      this.#payloads.push(payload);
    }
  }

  /**
   * Decodes a block. `bases` are those of a delta block, in shared memory, and must stay as they are until this resolves.
   * @throws DbupError POOL_DAMAGED naming pack and block, its cause with the code DELTA_DAMAGED where bases may be
   * to blame; POOL_INCOMPLETE when the pack is gone
   */
  async decode(
    path: string,
    packName: string,
    block: BlockEntry,
    into: SharedRegion,
    { bases = [], chunks, spill }: DecodeOptions = {},
  ): Promise<DecodeAnswer> {
    const { offsetBytes, storedBytes, plainBytes, codec, xxh64 } = block;
    const base = bases.length > 0 && baseMemory(bases);
    const job: DecodeJob = {
      type: 'decode',
      ...{ path, offsetBytes, storedBytes, plainBytes, xxh64, codec },
      buffer: into.buffer,
      bufferOffsetBytes: into.offsetBytes,
      ...(base && { base }),
      ...(chunks && { chunks }),
      ...(spill && { spill }),
    };
    return this.#read(job, packName);
  }

  /** Reads a block that was put aside. @returns false when that could not be done, or the bytes are others */
  restore(place: SpillPlace, xxh64: bigint, { buffer, offsetBytes }: SharedRegion): Promise<boolean> {
    return this.#run({ type: 'restore', place, xxh64, buffer, bufferOffsetBytes: offsetBytes });
  }

  /**
   * What a delta block says; null when it is no tolerant copy, or when its streams have more than `mostStreamBytes`.
   * @throws DbupError like {@link decode}
   */
  async deltaOps(
    path: string,
    packName: string,
    { offsetBytes, storedBytes, plainBytes, xxh64 }: BlockEntry,
    baseBytes: number,
    mostStreamBytes: number,
  ): Promise<DeltaOps | null> {
    const place = { path, offsetBytes, storedBytes, plainBytes, xxh64 };
    return this.#read({ type: 'deltaOps', ...place, baseBytes, mostStreamBytes }, packName);
  }

  /**
   * Makes chunks, each of what was copied to the beginning of a region, by a program, whose memory is gone then, or of what was kept
   * when it was made before.
   */
  async makeChunks(chunks: readonly ChunkSource[]): Promise<MadeChunk[]> {
    const jobs: Promise<MadeChunk[]>[] = [];
    for (let first = 0; first < chunks.length; first += CHUNKS_TOGETHER) {
      const some = chunks.slice(first, first + CHUNKS_TOGETHER);
      jobs.push(this.#run({ type: 'makeChunks', chunks: some.map(chunkToMake) }));
    }
    return (await Promise.all(jobs)).flat();
  }

  async #read<Result>(job: DecodeJob | DeltaOpsJob, packName: string): Promise<Result> {
    const { offsetBytes } = job;
    try {
      return await this.#run(job);
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
    return this.#run({ type: 'hashFile', path, offsetBytes, sizeBytes });
  }

  async close(): Promise<void> {
    (await this.#here)?.close();
    await Promise.all([this.#pool.close(), this.gzip.close()]);
  }

  /** Memory for a delta on its way between threads, used again and again; what is never written takes none. */
  #takePayload(sizeBytes: number): SharedArrayBuffer {
    const free = this.#payloads.pop();
    if (free && free.byteLength >= sizeBytes) return free;
    return new SharedArrayBuffer(Math.ceil(sizeBytes / PAYLOAD_STEP_BYTES) * PAYLOAD_STEP_BYTES);
  }

  /**
   * To look for deltas takes memory, and most of the time: half of the threads do it, and what else is done for deltas,
   * which takes memory, too, is left to the others.
   */
  #shareOf(job: BlockJob): WorkerShare {
    const { type } = job;
    const searching = this.searchingThreads;
    if (type === 'encodeDelta') return { to: searching, weight: CODING_WEIGHT };
    if (type === 'hashFile') return { weight: 1 + job.sizeBytes / HASHED_BYTES };
    const others = { from: Math.min(searching, this.threads - 1) };
    if (type === 'compress')
      return {
        ...(this.#searches && { ...others, sharedFrom: MOST_WAITING_WEIGHT }),
        weight: CODING_WEIGHT,
      };
    if (type === 'storeDelta') return { ...others, weight: CODING_WEIGHT };
    const share = this.#searches ? others : {};
    if (type === 'makeChunks')
      return { ...share, handOver: job.chunks.flatMap(({ from }) => memoryOf(from)) };
    return type === 'decode' || type === 'restore' || type === 'deltaOps' ? share : {};
  }

  async #run<Result>(job: BlockJob): Promise<Result> {
    const bytes = bytesHere(job);
    if (bytes > this.#hereBytes && !this.#reads) return this.#pool.run(job, this.#shareOf(job));
    this.#hereBytes -= bytes;
    this.#here ??= import('./block-jobs.js').then(({ BlockJobs }) => new BlockJobs(this.#reads));
    return (await this.#here).run(job) as Result;
  }
}

/** What is of no use here once a thread has it. */
function memoryOf(from: DeltaProgram | Uint8Array): ArrayBuffer[] {
  if (from instanceof Uint8Array) return [];
  return [from.steps, from.literals, from.scratch].map(({ buffer }) => buffer as ArrayBuffer);
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

/** The id is a copy: a view would carry over to the thread all that it is a view of. */
function chunkToMake({ into: { buffer, offsetBytes }, sizeBytes, from, id }: ChunkSource): ChunkToMake {
  return { buffer, bufferOffsetBytes: offsetBytes, sizeBytes, from, id: new Uint8Array(id) };
}

function bytesToMakeHere(chunks: readonly ChunkToMake[]): number {
  if (chunks.some(({ sizeBytes }) => sizeBytes > HERE_DELTA_BYTES)) return Number.POSITIVE_INFINITY;
  return chunks.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}

/** The bytes of a job that this thread may do; of those that take long, it does none. */
function bytesHere(job: BlockJob): number {
  if (job.type === 'hash') return job.ends.at(-1) ?? 0;
  if (job.type === 'hashFile') return job.sizeBytes;
  if (job.type === 'deltaOps') return job.plainBytes;
  if (job.type === 'restore') return job.place.sizeBytes;
  if (job.type === 'makeChunks') return bytesToMakeHere(job.chunks);
  if (job.type !== 'decode' || (job.base && job.plainBytes > HERE_DELTA_BYTES))
    return Number.POSITIVE_INFINITY;
  return job.plainBytes;
}

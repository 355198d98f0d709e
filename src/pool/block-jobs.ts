import { createSketcher, SKETCH_FEATURES } from '../chunk/sketch/sketcher.js';
import type { DeltaOps } from '../compress/delta/delta-ops.js';
import { countSteps, runDeltaProgram } from '../compress/delta/delta-program.js';
import { ZstdCompressor, ZstdDecompressor } from '../compress/zstd.js';
import { BLOCK_CODEC } from '../format/block-entry.js';
import { Sha256Stream, sha256Into } from '../hash/sha256.js';
import { xxh64 } from '../hash/xxh64.js';
import { type BlockingReads, nodeBlockingReads } from '../store/file-system.js';
import { readSpilled, writeSpilled } from '../store/spill-file.js';
import {
  type BaseMemory,
  type BlockJob,
  type ChunksToCheck,
  type ChunkToMake,
  DELTA_DAMAGED,
  type DecodeAnswer,
  type DecodeJob,
  type DeltaOpsJob,
  type HashFileJob,
  type HashJob,
  type MadeChunk,
  type RestoreJob,
  type SketchJob,
} from './block-job.js';
import { compressBlock, findDelta, storeDelta } from './encode-block.js';
import { threadDeltaDecoder, threadX86Filter } from './thread-kernels.js';

const OPEN_FILES = 32;
/** Small enough that what was read is still in the cache when it is hashed: two threads take two thirds of the time of 256 KiB. */
const READ_BYTES = 128 * 1024;
/** What is outgrown is memory until the next garbage collection: it is done seldom. */
const SCRATCH_STEP_BYTES = 2 * 1024 * 1024;

const decompressor = new ZstdDecompressor();
let scratch = new Uint8Array(0);
let workspace = new Uint8Array(0);
/** Of chunks that took so many steps, most are headers of a tar, wanted for their names first and as bases then. */
const LEAST_KEPT_STEPS = 1024;
const KEEPER_TABLE_LOG = 14;
let keeper: ZstdCompressor | undefined;

/** Does what a block job asks for, in a worker thread or in the main one. */
export class BlockJobs {
  /** Pack files being read; they never change, so a descriptor stays good. Oldest first. */
  readonly #openFiles = new Map<string, number>();
  readonly #reads: BlockingReads;

  constructor(reads: BlockingReads = nodeBlockingReads) {
    this.#reads = reads;
  }

  /** @throws Error with a `code` */
  run(job: BlockJob): unknown {
    switch (job.type) {
      case 'hash':
        return hashChunks(job);
      case 'sketch':
        return sketchChunks(job);
      case 'compress':
        return compressBlock(job);
      case 'encodeDelta':
        return findDelta(job);
      case 'storeDelta':
        return storeDelta(job);
      case 'decode':
        return decodeBlock(job, (into, position) => this.#readPack(job.path, into, position));
      case 'restore':
        return restoreBlock(job);
      case 'makeChunks':
        return job.chunks.map(makeChunk);
      case 'deltaOps':
        return listDelta(job, (into, position) => this.#readPack(job.path, into, position));
      case 'hashFile':
        return hashFile(job, this.#reads);
    }
  }

  close(): void {
    for (const fd of this.#openFiles.values()) this.#reads.close(fd);
    this.#openFiles.clear();
  }

  #readPack(path: string, into: Uint8Array, position: number): void {
    const fd = this.#openFile(path);
    for (let done = 0; done < into.length; ) {
      const count = this.#reads.read(fd, into.subarray(done), position + done);
      if (count === 0) throw damaged('the file ends before it');
      done += count;
    }
  }

  #openFile(path: string): number {
    const open = this.#openFiles.get(path);
    if (open !== undefined) return open;
    for (const [oldest, fd] of this.#openFiles) {
      if (this.#openFiles.size < OPEN_FILES) break;
      this.#reads.close(fd);
      this.#openFiles.delete(oldest);
    }
    const fd = this.#reads.open(path, false);
    this.#openFiles.set(path, fd);
    return fd;
  }
}

function hashChunks(job: HashJob): Uint8Array {
  const ids = Buffer.alloc(job.ends.length * 32);
  let start = 0;
  for (let i = 0; i < job.ends.length; i++) {
    const end = job.ends[i]!;
    sha256Into(new Uint8Array(job.buffer, job.offsetBytes + start, end - start), ids, i * 32);
    start = end;
  }
  return ids;
}

/** Sketches of chunks that lie one after the other. */
function sketchChunks({ memory, offsetBytes, chunkBytes }: SketchJob): Uint32Array {
  const sketches = new Uint32Array(chunkBytes.length * SKETCH_FEATURES);
  const sketcher = createSketcher(memory);
  let at = offsetBytes;
  chunkBytes.forEach((sizeBytes, i) => {
    sketcher.sketch(at, sizeBytes, sketches.subarray(i * SKETCH_FEATURES, (i + 1) * SKETCH_FEATURES));
    at += sizeBytes;
  });
  return sketches;
}

type PackRead = (into: Uint8Array, position: number) => void;

/** The stored bytes of a block, checked; valid until the next call. */
function readStored(
  { offsetBytes, storedBytes, xxh64: checksum }: { offsetBytes: number; storedBytes: number; xxh64: bigint },
  read: PackRead,
): Uint8Array {
  if (scratch.length < storedBytes) {
    scratch = new Uint8Array(Math.ceil(storedBytes / SCRATCH_STEP_BYTES) * SCRATCH_STEP_BYTES);
  }
  const stored = scratch.subarray(0, storedBytes);
  read(stored, offsetBytes);
  if (xxh64(stored) !== checksum) throw damaged('its checksum is wrong');
  return stored;
}

function listDelta(job: DeltaOpsJob, read: PackRead): DeltaOps | null {
  const stored = readStored(job, read);
  try {
    const { plainBytes, baseBytes, mostStreamBytes } = job;
    return threadDeltaDecoder().listOps(stored, plainBytes, baseBytes, mostStreamBytes);
  } catch (error) {
    throw damaged(`the delta says: ${(error as Error).message}`, DELTA_DAMAGED);
  }
}

function makeChunk({ buffer, bufferOffsetBytes, sizeBytes, from, id }: ChunkToMake): MadeChunk {
  const chunk = new Uint8Array(buffer, bufferOffsetBytes, sizeBytes);
  const isKept = from instanceof Uint8Array;
  const neededBytes = isKept ? sizeBytes : sizeBytes + from.scratch.length;
  if (workspace.length < neededBytes)
    workspace = new Uint8Array(Math.ceil(neededBytes / SCRATCH_STEP_BYTES) * SCRATCH_STEP_BYTES);
  const made = workspace.subarray(0, sizeBytes);
  if (isKept) decompress(made, from);
  else {
    made.set(chunk);
    workspace.set(from.scratch, sizeBytes);
    runDeltaProgram(workspace, from);
  }
  chunk.set(made);
  const idMade = Buffer.alloc(32);
  sha256Into(made, idMade, 0);
  const isRight = idMade.equals(id);
  const isWorthKeeping = isRight && !isKept && countSteps(from) >= LEAST_KEPT_STEPS;
  return { isRight, kept: isWorthKeeping ? shorten(made) : null };
}

/** The bytes in an eighth of them, for {@link decompress}; null where that is too little. */
function shorten(bytes: Uint8Array): Uint8Array | null {
  keeper ??= new ZstdCompressor(1, { tableLog: KEEPER_TABLE_LOG });
  const frame = keeper.compress(bytes);
  return frame.length <= bytes.length / 8 ? frame.slice() : null;
}

/** Reads, checks and decodes one block into shared memory. */
function decodeBlock(job: DecodeJob, read: PackRead): DecodeAnswer {
  const plain = new Uint8Array(job.buffer, job.bufferOffsetBytes, job.plainBytes);
  fillBlock(plain, readStored(job, read), job);
  const spilledXxh64 = job.spill ? writeSpilled(job.spill, plain) : null;
  return { badChunks: job.chunks ? badChunksOf(plain, job.chunks) : [], spilledXxh64 };
}

function badChunksOf(plain: Uint8Array, { ids, sizes }: ChunksToCheck): number[] {
  const id = Buffer.alloc(32);
  const bad: number[] = [];
  let at = 0;
  sizes.forEach((size, i) => {
    sha256Into(plain.subarray(at, at + size), id, 0);
    if (!id.equals(ids.subarray(i * 32, i * 32 + 32))) bad.push(i);
    at += size;
  });
  return bad;
}

function restoreBlock({ place, xxh64, buffer, bufferOffsetBytes }: RestoreJob): boolean {
  return readSpilled(place, xxh64, new Uint8Array(buffer, bufferOffsetBytes, place.sizeBytes));
}

function fillBlock(plain: Uint8Array, stored: Uint8Array, { codec, base }: DecodeJob): void {
  if (codec === BLOCK_CODEC.raw) plain.set(stored);
  else if (codec === BLOCK_CODEC.delta) decodeDelta(plain, stored, base!);
  else if (codec === BLOCK_CODEC.zstdX86) decompressX86(plain, stored);
  else decompress(plain, stored);
}

function decompress(plain: Uint8Array, stored: Uint8Array): void {
  let sizeBytes: number;
  try {
    sizeBytes = decompressor.decompressInto(plain, stored);
  } catch (error) {
    throw damaged(`zstd says: ${(error as Error).message}`);
  }
  if (sizeBytes !== plain.length) throw damaged(`it holds ${sizeBytes} bytes instead of ${plain.length}`);
}

function decompressX86(plain: Uint8Array, stored: Uint8Array): void {
  const filter = threadX86Filter();
  decompress(filter.buffer(plain.length), stored);
  filter.undoInto(plain);
}

function viewsOf({ buffers, pieces }: BaseMemory): Uint8Array[] {
  const views: Uint8Array[] = [];
  for (let i = 0; i < pieces.length; i += 3) {
    views.push(new Uint8Array(buffers[pieces[i]!]!, pieces[i + 1]!, pieces[i + 2]!));
  }
  return views;
}

function decodeDelta(plain: Uint8Array, stored: Uint8Array, base: BaseMemory): void {
  try {
    threadDeltaDecoder().decodeInto(plain, stored, viewsOf(base));
  } catch (error) {
    throw damaged(`the delta says: ${(error as Error).message}`, DELTA_DAMAGED);
  }
}

function hashFile(job: HashFileJob, reads: BlockingReads): string {
  const fd = reads.open(job.path, true);
  try {
    const hash = new Sha256Stream();
    const buffer = new Uint8Array(Math.min(READ_BYTES, job.sizeBytes));
    for (let done = 0; done < job.sizeBytes; ) {
      const piece = buffer.subarray(0, Math.min(buffer.length, job.sizeBytes - done));
      const count = reads.read(fd, piece, job.offsetBytes + done);
      if (count === 0) throw Object.assign(new Error(`${job.path} ended too early`), { code: 'TRUNCATED' });
      hash.update(piece.subarray(0, count));
      done += count;
    }
    return hash.hex();
  } finally {
    reads.close(fd);
  }
}

function damaged(reason: string, code = 'DAMAGED'): Error {
  return Object.assign(new Error(reason), { code });
}

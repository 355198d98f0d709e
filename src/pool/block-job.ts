import type { DeltaProgram } from '../compress/delta/delta-program.js';
import type { SpillPlace } from '../store/spill-file.js';

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

/** Read a block of a pack and decode it into `buffer` from `bufferOffsetBytes` on; with `chunks`, also compare each chunk with its id; with `spill`, also write it there. */
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
  spill?: SpillPlace;
}

export interface DecodeAnswer {
  /** Numbers of the chunks that are not what their id says. */
  badChunks: number[];
  /** Of the block, where it was written to its place in the spill file. */
  spilledXxh64: bigint | null;
}

/** Read a block that was put aside into `buffer` from `bufferOffsetBytes` on; answered by whether it is there, and as it was. */
export interface RestoreJob {
  type: 'restore';
  place: SpillPlace;
  xxh64: bigint;
  buffer: SharedArrayBuffer;
  bufferOffsetBytes: number;
}

/** A chunk to be made of what was copied into `buffer` from `bufferOffsetBytes` on, or of a chunk that was kept. */
export interface ChunkToMake {
  buffer: SharedArrayBuffer;
  bufferOffsetBytes: number;
  sizeBytes: number;
  /** A {@link MadeChunk.kept} in its place stands for all it does. */
  from: DeltaProgram | Uint8Array;
  /** Of the chunk, 32 bytes. */
  id: Uint8Array;
}

/** Make some chunks; answered by a {@link MadeChunk} for each. */
export interface MakeChunksJob {
  type: 'makeChunks';
  chunks: ChunkToMake[];
}

/** What became of a chunk. */
export interface MadeChunk {
  /** Whether it is what its id says. */
  isRight: boolean;
  /** The chunk in few bytes, where it took long to make and is likely to be wanted again; else null. */
  kept: Uint8Array | null;
}

/** Read a delta block and list what it says. */
export interface DeltaOpsJob {
  type: 'deltaOps';
  path: string;
  offsetBytes: number;
  storedBytes: number;
  plainBytes: number;
  xxh64: bigint;
  baseBytes: number;
  /** Of all streams together; of more, none are wanted. */
  mostStreamBytes: number;
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

/** Look for a delta of the `sizeBytes` of `buffer`, which stay as they are; its payload is put into `payload`. */
export interface DeltaJob {
  type: 'encodeDelta';
  buffer: SharedArrayBuffer;
  offsetBytes: number;
  sizeBytes: number;
  level: number;
  bases: BasePiece[];
  /** As long as the block. */
  payload: SharedArrayBuffer;
}

/** What {@link DeltaJob} found. */
export interface FoundDelta {
  payloadAt: number;
  payloadBytes: number;
  /** Numbers of the bases that it is a delta of. */
  usedBases: number[];
}

/** Store `sizeBytes` of `buffer` as one block: as the delta it is said to be when it is, and when that is clearly smaller. */
export interface StoreDeltaJob {
  type: 'storeDelta';
  buffer: SharedArrayBuffer;
  offsetBytes: number;
  sizeBytes: number;
  level: number;
  payload: SharedArrayBuffer;
  payloadAt: number;
  payloadBytes: number;
  /** Those the payload needs, in their order. */
  bases: BasePiece[];
}

/** SHA-256 of a range of a file. */
export interface HashFileJob {
  type: 'hashFile';
  path: string;
  offsetBytes: number;
  sizeBytes: number;
}

export type BlockJob =
  | HashJob
  | SketchJob
  | CompressJob
  | DeltaJob
  | StoreDeltaJob
  | DecodeJob
  | RestoreJob
  | MakeChunksJob
  | DeltaOpsJob
  | HashFileJob;

export interface CompressAnswer {
  storedBytes: number;
  codec: number;
  xxh64: bigint;
}

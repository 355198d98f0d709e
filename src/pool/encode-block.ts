import { DeltaEncoder, DICTIONARY_LEVEL } from '../compress/delta/delta-encoder.js';
import { ZstdCompressor } from '../compress/zstd.js';
import { BLOCK_CODEC } from '../format/block-entry.js';
import { sha256Into } from '../hash/sha256.js';
import { xxh64 } from '../hash/xxh64.js';
import type {
  BasePiece,
  CompressAnswer,
  CompressJob,
  DeltaJob,
  FoundDelta,
  StoreDeltaJob,
} from './block-job.js';
import { threadDeltaDecoder, threadX86Filter } from './thread-kernels.js';

/** A block that zstd does not shrink by a fiftieth is stored raw: decoding it would cost more than it saves. */
const WORTHWHILE_RATIO = 0.98;
/** A delta must be so much smaller than the block on its own: reading it costs reading its bases too. */
const WORTHWHILE_DELTA_RATIO = 0.9;
/** A delta of so small a part of its plain bytes is taken without trying the block on its own. */
const CLEAR_DELTA_RATIO = 1 / 10;
/** Else samples say what the block would take on its own: by this factor too much, or less, in three of four blocks. */
const SAMPLED_TOO_LARGE = 1.25;
const SAMPLES = 8;
/** Short enough for the compressor of short input. */
const SAMPLE_BYTES = 31 * 1024;
const LEAST_SAMPLED_BYTES = 4 * SAMPLES * SAMPLE_BYTES;
/** Below it time counts more than the 3 % that the x86 filter takes off: it costs a seventh of zstd's level 3. */
const LEAST_FILTER_LEVEL = 3;
/** In a footer. */
const BASE_ID_BYTES = 32;

const compressors = new Map<number, ZstdCompressor>();
/** Made when the first delta is: their kernels take memory. */
const encoders = new Map<number, DeltaEncoder>();

/** Compresses a block in place. */
export function compressBlock(job: Omit<CompressJob, 'type'>): CompressAnswer {
  const plain = new Uint8Array(job.buffer, job.offsetBytes, job.sizeBytes);
  return storedIn(plain, compress(plain, job.level));
}

/** Looks for a delta, which is not compared with the block yet; null when there is none that could be worth its bases. */
export function findDelta(job: DeltaJob): FoundDelta | null {
  const { buffer, offsetBytes, sizeBytes, level, bases } = job;
  const encoder = encoders.get(level) ?? new DeltaEncoder(level, compressorOf(level));
  encoders.set(level, encoder);
  encoder.fill(bases.map(viewOf), new Uint8Array(buffer, offsetBytes, sizeBytes));
  const pieceBytes = Uint32Array.from(bases, (base) => base.sizeBytes);
  const delta = encoder.encode(pieceBytes, sizeBytes, new Uint8Array(job.payload));
  if (!delta) return null;
  const { payload, usedPieces } = delta;
  // On its own the block takes no more than its plain bytes.
  if (costOf(payload, usedPieces.length) > sizeBytes * WORTHWHILE_DELTA_RATIO) return null;
  return { payloadAt: payload.byteOffset, payloadBytes: payload.length, usedBases: usedPieces };
}

/** Stores a block in place, as a delta when that is clearly smaller. The delta is decoded before it counts. */
export function storeDelta(job: StoreDeltaJob): CompressAnswer {
  const { bases, level } = job;
  const plain = new Uint8Array(job.buffer, job.offsetBytes, job.sizeBytes);
  const payload = new Uint8Array(job.payload, job.payloadAt, job.payloadBytes);
  const costBytes = costOf(payload, bases.length);
  const own = seemsClearlySmaller(costBytes, plain, level) ? null : compress(plain, level);
  if (own && costBytes > own.stored.length * WORTHWHILE_DELTA_RATIO) return storedIn(plain, own);
  if (!isRight(plain, payload, bases)) return storedIn(plain, compress(plain, level));
  return storedIn(plain, { stored: payload, codec: BLOCK_CODEC.delta });
}

/** True when the block need not be compressed on its own to see that a delta of so many bytes is smaller. */
function seemsClearlySmaller(costBytes: number, plain: Uint8Array, level: number): boolean {
  if (costBytes <= plain.length * CLEAR_DELTA_RATIO) return true;
  if (level >= DICTIONARY_LEVEL || plain.length < LEAST_SAMPLED_BYTES) return false;
  let ownBytes = 0;
  for (let i = 0; i < SAMPLES; i++) {
    const at = Math.floor(((plain.length - SAMPLE_BYTES) * (i + 0.5)) / SAMPLES);
    ownBytes += compressorOf(level).compress(plain.subarray(at, at + SAMPLE_BYTES)).length;
  }
  const share = ownBytes / (SAMPLES * SAMPLE_BYTES * SAMPLED_TOO_LARGE);
  return costBytes <= plain.length * share * WORTHWHILE_DELTA_RATIO;
}

function costOf(payload: Uint8Array, baseCount: number): number {
  return payload.length + baseCount * BASE_ID_BYTES;
}

/** True when the bases are what their ids say and the payload with them gives the block. */
function isRight(plain: Uint8Array, payload: Uint8Array, bases: readonly BasePiece[]): boolean {
  const id = Buffer.alloc(32);
  for (const base of bases) {
    sha256Into(viewOf(base), id, 0);
    if (!id.equals(base.id)) return false;
  }
  try {
    return threadDeltaDecoder().gives(plain, payload, bases.map(viewOf));
  } catch {
    return false;
  }
}

function viewOf({ buffer, offsetBytes, sizeBytes }: BasePiece): Uint8Array {
  return new Uint8Array(buffer, offsetBytes, sizeBytes);
}

interface Coded {
  stored: Uint8Array;
  codec: number;
}

/** A block on its own; what is stored is `plain` or valid until the next call. */
function compress(plain: Uint8Array, level: number): Coded {
  const filtered = level < LEAST_FILTER_LEVEL ? null : filterCode(plain);
  const frame = compressorOf(level).compress(filtered ?? plain);
  if (frame.length > plain.length * WORTHWHILE_RATIO) return { stored: plain, codec: BLOCK_CODEC.raw };
  return { stored: frame, codec: filtered ? BLOCK_CODEC.zstdX86 : BLOCK_CODEC.zstd };
}

function compressorOf(level: number): ZstdCompressor {
  const compressor = compressors.get(level) ?? new ZstdCompressor(level);
  compressors.set(level, compressor);
  return compressor;
}

function filterCode(plain: Uint8Array): Uint8Array | null {
  return threadX86Filter().apply(plain);
}

/** The plain bytes have served: what is stored takes their place, so that nothing is allocated a block. */
function storedIn(plain: Uint8Array, { stored, codec }: Coded): CompressAnswer {
  if (stored !== plain) plain.set(stored);
  return { storedBytes: stored.length, codec, xxh64: xxh64(stored) };
}

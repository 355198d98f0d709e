import { DeltaDecoder } from '../compress/delta/delta-decoder.js';
import { DeltaEncoder } from '../compress/delta/delta-encoder.js';
import { X86Filter } from '../compress/x86/x86-filter.js';
import { ZstdCompressor } from '../compress/zstd.js';
import { BLOCK_CODEC } from '../format/block-entry.js';
import { sha256Into } from '../hash/sha256.js';
import { xxh64 } from '../hash/xxh64.js';
import type { BasePiece, CompressAnswer, CompressJob, DeltaAnswer, DeltaJob } from './block-job.js';

/** A block that zstd does not shrink by a fiftieth is stored raw: decoding it would cost more than it saves. */
const WORTHWHILE_RATIO = 0.98;
/** A delta must be so much smaller than the block on its own: reading it costs reading its bases too. */
const WORTHWHILE_DELTA_RATIO = 0.9;
/** A delta of so small a part of its plain bytes is taken without trying the block on its own. */
const CLEAR_DELTA_RATIO = 1 / 10;
/** Below it time counts more than the 3 % that the x86 filter takes off: it costs a seventh of zstd's level 3. */
const LEAST_FILTER_LEVEL = 3;
/** In a footer. */
const BASE_ID_BYTES = 32;

const compressors = new Map<number, ZstdCompressor>();
/** Made when the first delta is: their kernels take memory. */
const encoders = new Map<number, DeltaEncoder>();
let decoder: DeltaDecoder | undefined;
let filter: X86Filter | undefined;

/** Compresses a block in place. */
export function compressBlock(job: Omit<CompressJob, 'type'>): CompressAnswer {
  const plain = new Uint8Array(job.buffer, job.offsetBytes, job.sizeBytes);
  return storedIn(plain, compress(plain, job.level));
}

/** Codes a block in place, as a delta when that is clearly smaller. A delta is decoded again before it counts. */
export function encodeDelta(job: DeltaJob): DeltaAnswer {
  const plain = new Uint8Array(job.buffer, job.offsetBytes, job.sizeBytes);
  const delta = tryDelta(plain, job);
  if (!delta || !isRight(plain, delta.payload, delta.usedPieces, job.bases)) {
    return { ...storedIn(plain, compress(plain, job.level)), usedBases: [] };
  }
  const { payload, usedPieces: usedBases } = delta;
  const costBytes = payload.length + usedBases.length * BASE_ID_BYTES;
  if (costBytes > plain.length * CLEAR_DELTA_RATIO) {
    const own = compress(plain, job.level);
    if (costBytes > own.stored.length * WORTHWHILE_DELTA_RATIO) {
      return { ...storedIn(plain, own), usedBases: [] };
    }
  }
  return { ...storedIn(plain, { stored: payload, codec: BLOCK_CODEC.delta }), usedBases };
}

function tryDelta(
  plain: Uint8Array,
  { level, bases }: DeltaJob,
): { payload: Uint8Array; usedPieces: number[] } | null {
  const encoder = encoders.get(level) ?? new DeltaEncoder(level, compressorOf(level));
  encoders.set(level, encoder);
  encoder.fill(bases.map(viewOf), plain);
  const pieceBytes = Uint32Array.from(bases, ({ sizeBytes }) => sizeBytes);
  return encoder.encode(pieceBytes, plain.length);
}

/** True when the bases are what their ids say and the payload with them gives the block. */
function isRight(
  plain: Uint8Array,
  payload: Uint8Array,
  usedBases: readonly number[],
  bases: readonly BasePiece[],
): boolean {
  const used = usedBases.map((number) => bases[number]!);
  const id = Buffer.alloc(32);
  for (const base of used) {
    sha256Into(viewOf(base), id, 0);
    if (!id.equals(base.id)) return false;
  }
  decoder ??= new DeltaDecoder();
  try {
    return decoder.gives(plain, payload, used.map(viewOf));
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
  filter ??= new X86Filter();
  return filter.apply(plain);
}

/** The plain bytes have served: what is stored takes their place, so that nothing is allocated a block. */
function storedIn(plain: Uint8Array, { stored, codec }: Coded): CompressAnswer {
  if (stored !== plain) plain.set(stored);
  return { storedBytes: stored.length, codec, xxh64: xxh64(stored) };
}

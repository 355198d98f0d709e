import { ZstdCompressor } from '../zstd.js';
import { dropUnused, OP_NUMBERS, pickPieces } from './base-pieces.js';
import {
  DELTA_FORMS,
  DELTA_STREAMS,
  hasDictionaryMagic,
  LONGEST_HEADER_BYTES,
  LONGEST_NUMBER_BYTES,
  writeNumber,
} from './delta-format.js';
import { ALIGNMENT_SLACK_BYTES, KernelMemory } from './kernel-memory.js';
import { DELTA_ENCODE_WASM_BASE64 } from './kernels/delta-encode-wasm.generated.js';

/** A payload, and the base pieces it needs, in their order. The payload is valid until the next call, or lies where the caller said. */
export interface EncodedDelta {
  payload: Uint8Array;
  usedPieces: number[];
}

/** Where the caller puts what is to be coded. */
export interface DeltaBuffers {
  base: Uint8Array;
  plain: Uint8Array;
}

interface EncodeKernel {
  search(
    base: number,
    baseBytes: number,
    plain: number,
    plainBytes: number,
    table: number,
    tableBits: number,
    strideBytes: number,
    ops: number,
    opLimit: number,
  ): number;
  writeOps(ops: number, count: number, literals: number, copies: number, shifts: number, ends: number): void;
  writeBytes(gaps: number, differences: number, literals: number, limit: number, ends: number): number;
}

/** The kernel's own static data lies below. */
const RESERVED_BYTES = 64 * 1024;
/** Six u32: where streams end. */
const ENDS_AT = RESERVED_BYTES - 64;
const OP_BYTES = 12;
/** What `search` returns when it found more copies than there is room for. */
const TOO_MANY = 0xffffffff;

/** The streams are small beside the plain bytes. Level 9 makes them 0.3 % smaller, in a quarter more time; 6 and 5 make them 1 and 2 % larger. */
const LEAST_STREAM_LEVEL = 7;
/** At the usual levels: streams are short, and tables for long ones take 10 MB (0.1 % smaller, measured). */
const STREAM_TABLE_LOG = 18;
const SOLID_STREAM_TABLE_LOG = 20;
/** From this level on, zstd with the base as its dictionary is tried where it may win; it takes most of the time. */
export const DICTIONARY_LEVEL = 9;
const LEAST_DICTIONARY_LEVEL = 12;

/** One byte of so many is looked at, to tell text; tars of text have their padding. */
const TEXT_SAMPLE_BYTES = 61;
const MOST_ZEROS_IN_TEXT = 1 / 8;

/** Base bytes are looked up at every fourth position, or at every eighth … when the table would be too large. */
const LEAST_STRIDE_BYTES = 4;
const MOST_TABLE_BITS = 21;
const LEAST_TABLE_BITS = 10;

const PAYLOAD_STEP_BYTES = 2 ** 21 + 2 ** 10;

/** A delta whose copies cover less of the plain bytes than this gains nothing worth its bases. */
const LEAST_COPIED_SHARE = 1 / 16;

let compiledModule: WebAssembly.Module | undefined;

/** Codes plain bytes as copies from base bytes. One a thread, reused; the same input always gives the same payload. */
export class DeltaEncoder {
  readonly #memory: KernelMemory<EncodeKernel>;
  readonly #compressor: ZstdCompressor;
  readonly #dictionaryLevel: number;
  readonly #blockCompressor: ZstdCompressor;
  #layout = layoutOf(0, 0);
  #payload = new Uint8Array(0);

  /**
   * @param level zstd's, 1 to 22: how hard to try
   * @param blockCompressor whose tables a dictionary may use, too
   */
  constructor(level: number, blockCompressor: ZstdCompressor) {
    compiledModule ??= new WebAssembly.Module(Buffer.from(DELTA_ENCODE_WASM_BASE64, 'base64'));
    this.#memory = new KernelMemory(compiledModule);
    const tableLog = level < DICTIONARY_LEVEL ? STREAM_TABLE_LOG : SOLID_STREAM_TABLE_LOG;
    this.#compressor = new ZstdCompressor(Math.max(level, LEAST_STREAM_LEVEL), { tableLog });
    this.#dictionaryLevel = level < DICTIONARY_LEVEL ? 0 : Math.max(level, LEAST_DICTIONARY_LEVEL);
    this.#blockCompressor = blockCompressor;
  }

  /** Views of the encoder's memory for the next {@link encode}, to be filled by the caller; valid until the next call. */
  buffers(baseBytes: number, plainBytes: number): DeltaBuffers {
    this.#layout = layoutOf(baseBytes, plainBytes);
    this.#memory.ensure(this.#layout.end);
    return {
      base: this.#memory.view(this.#layout.base, baseBytes),
      plain: this.#memory.view(this.#layout.plain, plainBytes),
    };
  }

  /** Calls {@link buffers} and fills both, out of shared memory much faster than `TypedArray.set` would. */
  fill(pieces: readonly Uint8Array[], plain: Uint8Array): void {
    this.buffers(
      pieces.reduce((sum, { length }) => sum + length, 0),
      plain.length,
    );
    let at = this.#layout.base;
    for (const piece of pieces) {
      this.#memory.copyIn(at, piece);
      at += piece.length;
    }
    this.#memory.copyIn(this.#layout.plain, plain);
  }

  /**
   * Codes the first `plainBytes` of the plain buffer against the pieces in the base buffer. The payload decodes
   * together with the pieces listed in `usedPieces`, one after the other; it is smaller than the plain bytes.
   *
   * @param pieceBytes how long each base piece is, in order; together as much as {@link buffers} was told
   * @param into memory for the payload: a longer one counts as none
   * @returns null when the base is of little use. Whether the payload beats what zstd makes of the plain bytes alone is
   *   for the caller to see.
   */
  encode(pieceBytes: Uint32Array, plainBytes: number, into?: Uint8Array): EncodedDelta | null {
    const { base, baseBytes, plain, table, tableBits, strideBytes, ops, opLimit } = this.#layout;
    if (
      pieceBytes.reduce((sum, size) => sum + size, 0) !== baseBytes ||
      plainBytes !== this.#layout.plainBytes
    ) {
      throw new RangeError('the buffers were laid out for other lengths');
    }
    const { kernel } = this.#memory;
    const count =
      kernel.search(base, baseBytes, plain, plainBytes, table, tableBits, strideBytes, ops, opLimit) >>> 0;
    if (count === TOO_MANY) return null;
    const found = this.#memory.numbers(ops, count * OP_NUMBERS);
    if (copiedBytes(found) < plainBytes * LEAST_COPIED_SHARE) return null;
    const streams = this.#writeStreams(found, pieceBytes);
    if (streams === null) return null;
    const tolerant = this.#pack(streams, into ?? this.#ownPayload());
    if (tolerant === null) return null;
    return this.#tryDictionary(tolerant, pieceBytes);
  }

  /** The six streams, views of kernel memory; null when there are more differences than plain bytes can pay for. */
  #writeStreams(found: Uint32Array, pieceBytes: Uint32Array): DeltaStreams | null {
    const { ops, opLimit, table, plainBytes } = this.#layout;
    const count = found.length / OP_NUMBERS;
    const differenceLimit = differenceLimitOf(plainBytes);
    const numberRoom = opLimit * LONGEST_NUMBER_BYTES;
    const gapRoom = gapRoomOf(plainBytes);
    // The table's memory was touched: what is mostly longest comes first, so that little more is.
    const literals = table;
    const literalLengths = literals + plainBytes;
    const copyLengths = literalLengths + numberRoom;
    const shifts = copyLengths + numberRoom;
    const gaps = shifts + numberRoom;
    const differences = gaps + gapRoom;
    const starts = [literalLengths, copyLengths, shifts, gaps, differences, literals];
    const { kernel } = this.#memory;
    if (!kernel.writeBytes(gaps, differences, literals, differenceLimit, ENDS_AT + 12)) return null;
    const usedPieces = dropUnused(found, pieceBytes);
    kernel.writeOps(ops, count, literalLengths, copyLengths, shifts, ENDS_AT);
    const ends = this.#memory.numbers(ENDS_AT, DELTA_STREAMS);
    const bytes = starts.map((start, i) => this.#memory.view(start, ends[i]! - start));
    return bytes.reduce((sum, { length }) => sum + length, 0) > plainBytes ? null : { bytes, usedPieces };
  }

  #ownPayload(): Uint8Array {
    const room = this.#layout.plainBytes + LONGEST_HEADER_BYTES;
    if (this.#payload.length < room) {
      // In large steps: what is outgrown is memory until the next garbage collection.
      this.#payload = new Uint8Array(Math.ceil(room / PAYLOAD_STEP_BYTES) * PAYLOAD_STEP_BYTES);
    }
    return this.#payload;
  }

  #pack({ bytes, usedPieces }: DeltaStreams, payload: Uint8Array): EncodedDelta | null {
    // The header's length is known when all streams are coded: they are put behind the longest, and the header before.
    const header = new Uint8Array(LONGEST_HEADER_BYTES);
    header[0] = DELTA_FORMS.tolerantCopy;
    let headerEnd = 1;
    let end = LONGEST_HEADER_BYTES;
    for (const stream of bytes) {
      const frame = stream.length === 0 ? stream : this.#compressor.compress(stream);
      const stored = frame.length < stream.length ? frame : stream;
      if (end + stored.length > payload.length) return null;
      headerEnd = writeNumber(header, headerEnd, stream.length);
      headerEnd = writeNumber(header, headerEnd, stored.length);
      payload.set(stored, end);
      end += stored.length;
    }
    const begin = LONGEST_HEADER_BYTES - headerEnd;
    payload.set(header.subarray(0, headerEnd), begin);
    if (end - begin >= this.#layout.plainBytes) return null;
    return { payload: payload.subarray(begin, end), usedPieces };
  }

  /** In text, lines are moved and words reused: zstd's search, which weighs what each match costs, may do better. */
  #tryDictionary({ payload, usedPieces }: EncodedDelta, pieceBytes: Uint32Array): EncodedDelta {
    const { base, baseBytes, plain: plainAt, plainBytes } = this.#layout;
    const plain = this.#memory.view(plainAt, plainBytes);
    if (this.#dictionaryLevel === 0 || !looksLikeText(plain)) return { payload, usedPieces };
    const dictionary = Buffer.concat(pickPieces(this.#memory.view(base, baseBytes), pieceBytes, usedPieces));
    if (hasDictionaryMagic(dictionary)) return { payload, usedPieces };
    const frame = this.#blockCompressor.compressUsing(dictionary, plain, this.#dictionaryLevel);
    if (frame.length + 1 >= payload.length) return { payload, usedPieces };
    payload[0] = DELTA_FORMS.dictionary;
    payload.set(frame, 1);
    return { payload: payload.subarray(0, 1 + frame.length), usedPieces };
  }
}

interface DeltaStreams {
  bytes: Uint8Array[];
  usedPieces: number[];
}

/** Code and data have zero bytes all over, text has none. */
function looksLikeText(bytes: Uint8Array): boolean {
  let zeros = 0;
  for (let at = 0; at < bytes.length; at += TEXT_SAMPLE_BYTES) if (bytes[at] === 0) zeros++;
  return zeros * TEXT_SAMPLE_BYTES < bytes.length * MOST_ZEROS_IN_TEXT;
}

/** Five bytes for a difference and its gap: more do not pay. */
function differenceLimitOf(plainBytes: number): number {
  return Math.floor(plainBytes / 5);
}

/** Gaps add up to less than the plain bytes, so that few take more than a byte. */
function gapRoomOf(plainBytes: number): number {
  return differenceLimitOf(plainBytes) + Math.ceil(plainBytes / 64) + LONGEST_NUMBER_BYTES;
}

function layoutOf(baseBytes: number, plainBytes: number) {
  let strideBytes = LEAST_STRIDE_BYTES;
  while (baseBytes / strideBytes > 2 ** MOST_TABLE_BITS) strideBytes *= 2;
  const entries = Math.max(1, baseBytes / strideBytes);
  const tableBits = Math.max(LEAST_TABLE_BITS, Math.ceil(Math.log2(entries)));
  // A block of more copies than this would be made of lengths.
  const opLimit = Math.floor(plainBytes / 16) + 16;
  const plain = RESERVED_BYTES;
  const base = aligned(plain + plainBytes + ALIGNMENT_SLACK_BYTES);
  const ops = aligned(base + baseBytes + ALIGNMENT_SLACK_BYTES);
  // The streams are written where the table was.
  const table = aligned(ops + opLimit * OP_BYTES);
  const streamRoom =
    3 * opLimit * LONGEST_NUMBER_BYTES +
    gapRoomOf(plainBytes) +
    differenceLimitOf(plainBytes) * 4 +
    plainBytes;
  const end = table + Math.max(4 * 2 ** tableBits, streamRoom);
  return { base, baseBytes, plain, plainBytes, table, tableBits, strideBytes, ops, opLimit, end };
}

function aligned(at: number): number {
  return Math.ceil(at / 16) * 16;
}

function copiedBytes(ops: Uint32Array): number {
  let sum = 0;
  for (let i = 1; i < ops.length; i += OP_NUMBERS) sum += ops[i]!;
  return sum;
}

import type { DeflateEncoder, EmitBytes } from '../deflate-encoder.js';
import { createKlauspostEncoder, type KlauspostParameters } from '../klauspost/klauspost-encoder.js';

/** How many of the last plain bytes of a block are the dictionary of the next; a block must be longer. */
export const PGZIP_DICTIONARY_BYTES = 16 * 1024;

/** The block size of podman, buildah and skopeo. */
export const PGZIP_DEFAULT_BLOCK_BYTES = 1024 * 1024;

const LARGEST_BLOCK_BYTES = 2 ** 31 - 1;

/** Which encoder it is: pgzip is klauspost's encoder, begun anew for each block. */
export interface PgzipParameters extends KlauspostParameters {
  /** Plain bytes of every block but the last; more than {@link PGZIP_DICTIONARY_BYTES}. */
  readonly blockBytes: number;
}

/** Makes single blocks of a pgzip stream, in any order: what it makes of all of them in theirs is the stream. */
export interface PgzipBlockEncoder {
  /**
   * One block, as the compressed bytes, which are the caller's.
   *
   * @param plain all of `blockBytes`, or fewer for the last block: none where the stream ends with a full block
   * @param dictionary what comes before the block, of which the last {@link PGZIP_DICTIONARY_BYTES} are used; empty for
   *   the first block
   */
  encodeBlock(plain: Uint8Array, dictionary: Uint8Array, isLast: boolean): Uint8Array;
}

/** @throws RangeError as {@link createPgzipEncoder} */
export function createPgzipBlockEncoder(parameters: PgzipParameters): PgzipBlockEncoder {
  requireBlockBytes(parameters.blockBytes);
  const encoder = createKlauspostEncoder(parameters);
  return {
    encodeBlock(plain, dictionary, isLast) {
      const pieces: Uint8Array[] = [];
      const collect: EmitBytes = (bytes) => pieces.push(bytes.slice());
      encoder.reset(lastOf(dictionary));
      encoder.write(plain, collect);
      encoder.flush(collect);
      if (isLast) encoder.finish(collect);
      return concatenate(pieces);
    },
  };
}

/**
 * The encoder of github.com/klauspost/pgzip without the gzip header and trailer. Each block begins with the end of the
 * last as its dictionary and ends with a sync flush; how many were compressed at a time does not show.
 *
 * A stream can be taken up at a block's start by a `reset` with the plain bytes before it. Like the original's, `flush`
 * ends the block early, and the next has no dictionary unless this one was long enough.
 *
 * @throws RangeError when `blockBytes` is not a whole number within (PGZIP_DICTIONARY_BYTES, 2^31), or as
 *   {@link createKlauspostEncoder}
 */
export function createPgzipEncoder(parameters: PgzipParameters): DeflateEncoder {
  const { blockBytes } = parameters;
  requireBlockBytes(blockBytes);
  const encoder = createKlauspostEncoder(parameters);
  const tail = createTail();
  let filledBytes = 0;
  const endBlock = (emit: EmitBytes) => {
    encoder.flush(emit);
    encoder.reset(filledBytes > PGZIP_DICTIONARY_BYTES ? tail.last() : undefined);
    filledBytes = 0;
  };
  return {
    write(plain, emit) {
      for (let start = 0; start < plain.length; ) {
        const piece = plain.subarray(start, start + blockBytes - filledBytes);
        encoder.write(piece, emit);
        tail.append(piece);
        start += piece.length;
        filledBytes += piece.length;
        if (filledBytes === blockBytes) endBlock(emit);
      }
    },
    flush: endBlock,
    finish(emit) {
      encoder.flush(emit);
      encoder.finish(emit);
    },
    reset(dictionary) {
      filledBytes = 0;
      encoder.reset(dictionary && lastOf(dictionary));
    },
  };
}

function requireBlockBytes(blockBytes: number): void {
  const fits = blockBytes > PGZIP_DICTIONARY_BYTES && blockBytes <= LARGEST_BLOCK_BYTES;
  if (!Number.isSafeInteger(blockBytes) || !fits)
    throw new RangeError(`pgzip has no blocks of ${blockBytes} bytes`);
}

function lastOf(bytes: Uint8Array): Uint8Array {
  return bytes.subarray(Math.max(0, bytes.length - PGZIP_DICTIONARY_BYTES));
}

/** Keeps the last bytes of what is appended. The buffer is larger than what is kept, so that few bytes are moved. */
function createTail() {
  const buffer = new Uint8Array(4 * PGZIP_DICTIONARY_BYTES);
  let length = 0;
  return {
    append(bytes: Uint8Array): void {
      const kept = lastOf(bytes);
      if (length + kept.length > buffer.length) {
        buffer.copyWithin(0, length - PGZIP_DICTIONARY_BYTES, length);
        length = PGZIP_DICTIONARY_BYTES;
      }
      buffer.set(kept, length);
      length += kept.length;
    },
    /** The last PGZIP_DICTIONARY_BYTES, or all if fewer came; valid until the next `append`. */
    last: () => lastOf(buffer.subarray(0, length)),
  };
}

function concatenate(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

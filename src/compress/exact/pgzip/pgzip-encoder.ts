import { UnknownEncoderError } from '../../../format/encoder-spec.js';
import { BlockStates } from '../block-states.js';
import type { EmitBytes } from '../deflate-encoder.js';
import type { KernelSet } from '../kernel-set.js';
import { createKlauspostEncoder, type KlauspostParameters } from '../klauspost/klauspost-encoder.js';
import type { ResumableEncoder } from '../resumable-encoder.js';
import { createTail, lastBytes } from '../tail.js';

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

/** @throws UnknownEncoderError as {@link createPgzipEncoder} */
export function createPgzipBlockEncoder(parameters: PgzipParameters): PgzipBlockEncoder {
  requireBlockBytes(parameters.blockBytes);
  const encoder = createKlauspostEncoder(parameters);
  return {
    encodeBlock(plain, dictionary, isLast) {
      const pieces: Uint8Array[] = [];
      const collect: EmitBytes = (bytes) => pieces.push(bytes.slice());
      encoder.reset(lastBytes(dictionary, PGZIP_DICTIONARY_BYTES));
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
 * It has a state at each block's start. Like the original's, `flush`
 * ends the block early, and the next has no dictionary unless this one was long enough.
 *
 * @throws UnknownEncoderError when `blockBytes` is not a whole number within (PGZIP_DICTIONARY_BYTES, 2^31), or as
 *   {@link createKlauspostEncoder}
 */
export function createPgzipEncoder(parameters: PgzipParameters, kernels?: KernelSet): ResumableEncoder {
  const { blockBytes } = parameters;
  requireBlockBytes(blockBytes);
  const encoder = createKlauspostEncoder(parameters, kernels);
  const tail = createTail(PGZIP_DICTIONARY_BYTES);
  let filledBytes = 0;
  const states = new BlockStates(blockBytes);
  const endBlock = (emit: EmitBytes) => {
    encoder.flush(emit);
    encoder.reset(filledBytes > PGZIP_DICTIONARY_BYTES ? tail.last() : undefined);
    filledBytes = 0;
  };
  return {
    write(plain, emit) {
      const counted = states.counting(emit);
      for (let start = 0; start < plain.length; ) {
        const piece = plain.subarray(start, start + blockBytes - filledBytes);
        encoder.write(piece, counted);
        tail.append(piece);
        start += piece.length;
        filledBytes += piece.length;
        if (filledBytes < blockBytes) continue;
        endBlock(counted);
        states.note();
      }
    },
    flush(emit) {
      endBlock(emit);
      states.end();
    },
    finish(emit) {
      encoder.flush(emit);
      encoder.finish(emit);
      states.end();
    },
    reset(dictionary) {
      filledBytes = 0;
      encoder.reset(dictionary && lastBytes(dictionary, PGZIP_DICTIONARY_BYTES));
      if (dictionary && dictionary.length > 0) states.end();
      else states.reset();
    },
    saveState: () => states.save(),
    restore(state, history) {
      const position = states.positionOf(state, history, PGZIP_DICTIONARY_BYTES);
      filledBytes = 0;
      encoder.reset(lastBytes(history, PGZIP_DICTIONARY_BYTES));
      states.reset(position);
    },
  };
}

function requireBlockBytes(blockBytes: number): void {
  const fits = blockBytes > PGZIP_DICTIONARY_BYTES && blockBytes <= LARGEST_BLOCK_BYTES;
  if (!Number.isSafeInteger(blockBytes) || !fits)
    throw new UnknownEncoderError(`pgzip has no blocks of ${blockBytes} bytes`);
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

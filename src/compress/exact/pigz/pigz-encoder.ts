import { UnknownEncoderError } from '../../../format/encoder-spec.js';
import { BlockStates } from '../block-states.js';
import type { DeflateEncoder, EmitBytes } from '../deflate-encoder.js';
import { createKernelEncoder } from '../kernel-encoder.js';
import type { KernelSet } from '../kernel-set.js';
import { noState, type ResumableEncoder } from '../resumable-encoder.js';
import { createTail, lastBytes } from '../tail.js';
import { createZlibKernel, ZLIB_FLUSH_KINDS, type ZlibLevel } from '../zlib/zlib-encoder.js';

/** How many of the plain bytes before a block are its dictionary, and the least that a block can be told to have. */
export const PIGZ_DICTIONARY_BYTES = 32 * 1024;

export const PIGZ_DEFAULT_BLOCK_BYTES = 128 * 1024;

/** pigz's own bound, -b 524288. */
const LARGEST_BLOCK_BYTES = 512 * 1024 * 1024;

/** The options of pigz that show in its output; how many compress at a time does not, if it is more than one. */
export interface PigzParameters {
  readonly level: ZlibLevel;
  /** Plain bytes of every block but the last: -b, in KiB. */
  readonly blockBytes: number;
  /** -i: blocks lean on nothing before them. As pigz 2.3.4 and later do it. */
  readonly isIndependent?: boolean;
  /** -p 1: one stream with flushes in it, so that a block does not begin with a new encoder. */
  readonly isSingle?: boolean;
  /** Whether all blocks end with a sync marker, as in pigz before 2.2 and wherever zlib is older than 1.2.6. */
  readonly hasSyncMarkers?: boolean;
}

/** Makes single blocks of a pigz stream, in any order: what it makes of all of them in theirs is the stream. */
export interface PigzBlockEncoder {
  /**
   * One block, as the compressed bytes, which are the caller's.
   *
   * @param plain all of `blockBytes`, or fewer for the last block: none only where the stream is empty
   * @param dictionary what comes before the block, of which the last {@link PIGZ_DICTIONARY_BYTES} are used; empty for
   *   the first block
   */
  encodeBlock(plain: Uint8Array, dictionary: Uint8Array, isLast: boolean): Uint8Array;
}

/** @throws UnknownEncoderError as {@link createPigzEncoder}; RangeError when the parameters are those of a single stream */
export function createPigzBlockEncoder(parameters: PigzParameters): PigzBlockEncoder {
  if (parameters.isSingle) throw new RangeError('with one thread, blocks of pigz depend on all before them');
  const encoder = createEncoder(parameters);
  return {
    encodeBlock(plain, dictionary, isLast) {
      const pieces: Uint8Array[] = [];
      const collect: EmitBytes = (bytes) => pieces.push(bytes.slice());
      encoder.reset(parameters.isIndependent ? undefined : lastBytes(dictionary, PIGZ_DICTIONARY_BYTES));
      encoder.write(plain, collect);
      if (isLast) encoder.finish(collect);
      else encoder.flush(collect);
      return Buffer.concat(pieces);
    },
  };
}

/**
 * pigz without the gzip header and trailer, levels 1 to 9: zlib with memLevel 8, begun anew for each block with the
 * 32 KiB before it as a dictionary. A stream that is not that of one thread has a state at each block's start.
 *
 * @throws UnknownEncoderError when there is no such level, or `blockBytes` is not a whole number of KiB within
 *   [PIGZ_DICTIONARY_BYTES, 512 MiB]; by `flush`, which pigz does not have
 */
export function createPigzEncoder(parameters: PigzParameters, kernels?: KernelSet): ResumableEncoder {
  const { blockBytes, isIndependent = false, isSingle = false } = parameters;
  const encoder = createEncoder(parameters, kernels);
  const keepsHistory = !isIndependent && !isSingle;
  const tail = keepsHistory ? createTail(PIGZ_DICTIONARY_BYTES) : undefined;
  const beginsAnew = isIndependent || !isSingle;
  const states = new BlockStates(blockBytes);
  let filledBytes = 0;
  // A block that is full waits for another byte: the last block ends otherwise.
  const endBlock = (emit: EmitBytes) => {
    encoder.flush(emit);
    if (beginsAnew) {
      encoder.reset(tail?.last());
      states.note();
    }
    filledBytes = 0;
  };
  return {
    write(plain, emit) {
      const counted = states.counting(emit);
      for (let start = 0; start < plain.length; ) {
        if (filledBytes === blockBytes) endBlock(counted);
        const piece = plain.subarray(start, start + blockBytes - filledBytes);
        encoder.write(piece, counted);
        tail?.append(piece);
        start += piece.length;
        filledBytes += piece.length;
      }
    },
    flush() {
      throw new RangeError('pigz does not flush');
    },
    finish(emit) {
      encoder.finish(emit);
      states.end();
    },
    reset(dictionary) {
      filledBytes = 0;
      encoder.reset(isIndependent ? undefined : dictionary && lastBytes(dictionary, PIGZ_DICTIONARY_BYTES));
      if (dictionary && dictionary.length > 0) states.end();
      else states.reset();
    },
    saveState: () => states.save(),
    restore(state, history) {
      if (!beginsAnew) throw noState();
      const position = states.positionOf(state, history, keepsHistory ? PIGZ_DICTIONARY_BYTES : 0);
      filledBytes = 0;
      encoder.reset(keepsHistory ? lastBytes(history, PIGZ_DICTIONARY_BYTES) : undefined);
      states.reset(position);
    },
  };
}

/** The encoder of one block, whose `flush` ends it as pigz does where another follows. */
function createEncoder(parameters: PigzParameters, kernels?: KernelSet): DeflateEncoder {
  const { level, blockBytes, isIndependent = false, hasSyncMarkers = false } = parameters;
  const fits = blockBytes >= PIGZ_DICTIONARY_BYTES && blockBytes <= LARGEST_BLOCK_BYTES;
  if (!fits || blockBytes % 1024 !== 0)
    throw new UnknownEncoderError(`pigz has no blocks of ${blockBytes} bytes`);
  const kernel = createZlibKernel({ level, memLevel: 8 }, {}, kernels);
  const { sync, pigz, pigzIndependent } = ZLIB_FLUSH_KINDS;
  const kind = isIndependent ? pigzIndependent : hasSyncMarkers ? sync : pigz;
  return createKernelEncoder({ ...kernel, flush: () => kernel.flushAs(kind) });
}

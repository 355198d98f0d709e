import type { ChromiumHash } from '../../../format/encoder-spec.js';
import type { DeflateEncoder } from '../deflate-encoder.js';
import { createKernelEncoder, type EncoderKernel } from '../kernel-encoder.js';
import { ZLIB_DEFLATE_WASM_BASE64 } from './kernels/zlib-deflate-wasm.generated.js';

/** A level of zlib, gzip or pigz that compresses. Their default is 6. */
export type ZlibLevel = 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9;

/** How much plain text beyond a state makes sure that all of the stream up to that state has been emitted. */
export const ZLIB_STATE_LOOKAHEAD_BYTES = 64 * 1024;

/** How many plain bytes before a state are wanted to restore it, unless the stream is shorter. */
export const ZLIB_STATE_HISTORY_BYTES = 32 * 1024;

/** Where a saved state stands. */
export interface ZlibEncoderPosition {
  /** Plain bytes before the state: what is written to a restored encoder begins here. */
  readonly plainBytes: number;
  /** Whole compressed bytes before the state: what a restored encoder emits begins here. */
  readonly compressedBytes: number;
}

/**
 * zlib or GNU gzip. Levels 4 to 9 can be taken up in the middle of a stream, from a state of 32 bytes, so that parts
 * of it can be made in parallel: a part is what an encoder restored to one state emits, up to the compressed place of
 * the next.
 */
export interface ZlibEncoder extends DeflateEncoder {
  /**
   * The state after the last block that ended in a `write`, or undefined: before the first, at levels below 4, after
   * a `flush` or `finish`, or when the stream began with a dictionary. A copy, the caller's.
   */
  saveState(): Uint8Array | undefined;
  /**
   * Goes on from a state of an encoder of the same parameters, whatever state this one was in. The last bytes of
   * `history`, which end where the state stands, are copied.
   *
   * @throws RangeError when it is no such state, or `history` is shorter than it wants; then `reset` the encoder
   */
  restore(state: Uint8Array, history: Uint8Array): void;
}

/** What zlib's deflateInit2 is given; the window is 32 KiB and the strategy the default one. */
export interface ZlibParameters {
  readonly level: ZlibLevel;
  /** 8 is zlib's default and what nearly all who use it have; 9 makes blocks of up to 32,767 tokens. */
  readonly memLevel: 8 | 9;
}

/** How {@link ZlibKernel.flushAs} ends what was written so far. */
export const ZLIB_FLUSH_KINDS = { sync: 0, pigz: 1, pigzIndependent: 2 } as const;

/** The kernel behind zlib, GNU gzip and pigz. */
export interface ZlibKernel extends EncoderKernel {
  configure(level: number, memLevel: number, isGnu: boolean, hashKind: number): void;
  flushAs(kind: number): number;
  stateOffset(): number;
  stateHistory(): number;
  restore(): void;
}

const STATE_BYTES = 32;

let compiledModule: WebAssembly.Module | undefined;

/** A kernel that is ready for a stream, with 2 MiB of memory of its own. */
export function createZlibKernel(
  { level, memLevel }: ZlibParameters,
  { isGnu = false, hashKind = 0 } = {},
): ZlibKernel {
  if (!Number.isInteger(level) || level < 1 || level > 9) throw new RangeError(`there is no level ${level}`);
  if (memLevel !== 8 && memLevel !== 9) throw new RangeError(`memLevel ${memLevel} is not known`);
  compiledModule ??= new WebAssembly.Module(Buffer.from(ZLIB_DEFLATE_WASM_BASE64, 'base64'));
  const kernel = new WebAssembly.Instance(compiledModule, { env: {} }).exports as unknown as ZlibKernel;
  kernel.configure(level, memLevel, isGnu, hashKind);
  kernel.reset(0);
  return kernel;
}

/**
 * zlib as all its versions from 1.2.6 on make it; without flushes and dictionaries, those from 1.1.4 on.
 *
 * @throws RangeError when there is no such level or memLevel
 */
export function createZlibEncoder(parameters: ZlibParameters): ZlibEncoder {
  return withStates(createZlibKernel(parameters));
}

/**
 * GNU gzip without the gzip header and trailer: zlib's search with blocks of other lengths, and its own ways near the
 * end of the input. It has no `flush`.
 *
 * @throws RangeError when there is no such level; by `flush`, and by `reset` with a dictionary
 */
export function createGnuGzipEncoder({ level }: { readonly level: ZlibLevel }): ZlibEncoder {
  return withoutFlush(withStates(createZlibKernel({ level, memLevel: 8 }, { isGnu: true })), 'GNU gzip');
}

/** `crc` has 15 bits whatever the memLevel. */
const CHROMIUM_HASH_KINDS = { crc: 1, product: 2, crc16: 3 } as const;

/**
 * Chromium's zlib, which Node has: the search is zlib's, but which strings share a chain and thus count against its length is
 * not. `crc` is what it made on processors with an instruction for CRC-32C (x86-64 with SSE 4.2, arm64), `crc16` the
 * same for a while with 16 bits at memLevel 9, `product` what it makes everywhere since. It has no `flush`.
 *
 * @throws RangeError when there is no such level or memLevel; by `flush`, and by `reset` with a dictionary
 */
export function createChromiumEncoder(parameters: ZlibParameters & { hash: ChromiumHash }): DeflateEncoder {
  const hashKind = CHROMIUM_HASH_KINDS[parameters.hash];
  return withoutFlush(createKernelEncoder(createZlibKernel(parameters, { hashKind })), "Chromium's zlib");
}

/** For originals whose flushes and dictionaries nobody uses. */
function withoutFlush<Encoder extends DeflateEncoder>(encoder: Encoder, name: string): Encoder {
  return {
    ...encoder,
    flush() {
      throw new RangeError(`${name} does not flush`);
    },
    reset(dictionary?: Uint8Array) {
      if (dictionary && dictionary.length > 0) throw new RangeError(`${name} takes no dictionary`);
      encoder.reset();
    },
  };
}

function withStates(kernel: ZlibKernel): ZlibEncoder {
  const encoder = createKernelEncoder(kernel);
  return {
    ...encoder,
    saveState() {
      const state = new Uint8Array(kernel.memory.buffer, kernel.stateOffset(), STATE_BYTES);
      return state[0] === 0 ? undefined : state.slice();
    },
    restore(state, history) {
      encoder.reset();
      const memory = new Uint8Array(kernel.memory.buffer);
      if (state.length === STATE_BYTES) memory.set(state, kernel.stateOffset());
      const wanted = state.length === STATE_BYTES ? kernel.stateHistory() : -1;
      if (wanted < 0) throw new RangeError('this is no state of an encoder with these parameters');
      if (history.length < wanted) {
        throw new RangeError(`the state wants ${wanted} bytes of history, got ${history.length}`);
      }
      memory.set(history.subarray(history.length - wanted), kernel.inputOffset());
      kernel.restore();
    },
  };
}

/** The places a state of {@link ZlibEncoder.saveState} stands at, in the plain and in the compressed stream. */
export function positionOfZlibState(state: Uint8Array): ZlibEncoderPosition {
  if (state.length !== STATE_BYTES) {
    throw new RangeError(`a state has ${STATE_BYTES} bytes, not ${state.length}`);
  }
  const view = new DataView(state.buffer, state.byteOffset, state.byteLength);
  return {
    plainBytes: Number(view.getBigUint64(16, true)),
    compressedBytes: Number(view.getBigUint64(24, true)),
  };
}

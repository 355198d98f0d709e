import type { DeflateEncoder } from '../deflate-encoder.js';
import { createKernelEncoder, type EncoderKernel } from '../kernel-encoder.js';
import { GO_FLATE_WASM_BASE64 } from './kernels/go-flate-wasm.generated.js';

/** 1 to 9 as gzip counts them, 0 for stored blocks, -2 for Huffman codes without matches. Go's default, -1, is 6. */
export type GoLevel = -2 | 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9;

/** How much plain text beyond a state makes sure that all of the stream up to that state has been emitted. */
export const GO_STATE_LOOKAHEAD_BYTES = 64 * 1024;

/** How many plain bytes before a state are wanted to restore it, unless the stream is shorter. */
export const GO_STATE_HISTORY_BYTES = 32 * 1024;

/** Where a saved state stands. */
export interface GoEncoderPosition {
  /** Plain bytes before the state: what is written to a restored encoder begins here. */
  readonly plainBytes: number;
  /** Whole compressed bytes before the state: what a restored encoder emits begins here. */
  readonly compressedBytes: number;
}

/**
 * Go's compress/flate from Go 1.7 to 1.26: what it makes of plain bytes that come in one Write, or in any pieces that
 * do not make its window slide early: a Write that ends within the last 262 bytes of the window, when the search then
 * waits at index 65274 of it, makes the original look 262 bytes less far back from that one place. A stream in which
 * this changed a match is not made by this encoder.
 *
 * Levels 4 to 9 can be taken up in the middle of a stream, from a state of 32 bytes, so that parts of it can be made
 * in parallel: a part is what an encoder restored to one state emits, up to the compressed place of the next.
 */
export interface GoEncoder extends DeflateEncoder {
  /**
   * The state after the last block that was emitted, or undefined: before the first, at levels below 4, after a
   * `flush` or `finish`, or when the stream began with a dictionary. A copy, the caller's.
   */
  saveState(): Uint8Array | undefined;
  /**
   * Goes on from a state of an encoder of the same level, whatever state this one was in. The last bytes of
   * `history`, which end where the state stands, are copied.
   *
   * @throws RangeError when it is no such state, or `history` is shorter than it wants; then `reset` the encoder
   */
  restore(state: Uint8Array, history: Uint8Array): void;
}

interface GoKernel extends EncoderKernel {
  setLevel(level: number): void;
  stateOffset(): number;
  stateHistory(): number;
  restore(): void;
}

const STATE_BYTES = 32;

let compiledModule: WebAssembly.Module | undefined;

/** An encoder with 2 MiB of memory of its own. */
export function createGoEncoder({ level }: { readonly level: GoLevel }): GoEncoder {
  compiledModule ??= new WebAssembly.Module(Buffer.from(GO_FLATE_WASM_BASE64, 'base64'));
  const kernel = new WebAssembly.Instance(compiledModule, { env: {} }).exports as unknown as GoKernel;
  kernel.setLevel(level);
  kernel.reset(0);
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
      if (wanted < 0) throw new RangeError(`this is no state of Go's encoder at level ${level}`);
      if (history.length < wanted) {
        throw new RangeError(`the state wants ${wanted} bytes of history, got ${history.length}`);
      }
      memory.set(history.subarray(history.length - wanted), kernel.inputOffset());
      kernel.restore();
    },
  };
}

/**
 * The places a state of {@link GoEncoder.saveState} stands at, in the plain and in the compressed stream.
 *
 * @throws RangeError when it has another length or names a place beyond 2^53
 */
export function positionOfGoState(state: Uint8Array): GoEncoderPosition {
  if (state.length !== STATE_BYTES)
    throw new RangeError(`a state has ${STATE_BYTES} bytes, not ${state.length}`);
  const view = new DataView(state.buffer, state.byteOffset, state.byteLength);
  const plainBytes = Number(view.getBigUint64(16, true));
  const compressedBytes = Number(view.getBigUint64(24, true));
  if (!Number.isSafeInteger(plainBytes) || !Number.isSafeInteger(compressedBytes)) {
    throw new RangeError('the state stands beyond any stream');
  }
  return { plainBytes, compressedBytes };
}

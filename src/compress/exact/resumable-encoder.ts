import type { DeflateEncoder } from './deflate-encoder.js';
import { createKernelEncoder, type EncoderKernel } from './kernel-encoder.js';

/** How much plain text beyond a state makes sure that all of the stream up to that state has been emitted. */
export const STATE_LOOKAHEAD_BYTES = 64 * 1024;

/** How many plain bytes before a state are wanted to restore it, unless the stream is shorter. */
export const STATE_HISTORY_BYTES = 32 * 1024;

const STATE_BYTES = 32;
/** What is the encoder's own; where the state stands follows. */
const OWN_BYTES = 16;

/** Where a saved state stands. */
export interface StatePosition {
  /** Plain bytes before the state: what is written to a restored encoder begins here. */
  readonly plainBytes: number;
  /** Whole compressed bytes before the state: what a restored encoder emits begins here. */
  readonly compressedBytes: number;
}

/**
 * An encoder that can be taken up in the middle of a stream, from a state of 32 bytes, so that parts of it can be made in
 * parallel: a part is what an encoder restored to one state emits, up to the compressed place of the next.
 */
export interface ResumableEncoder extends DeflateEncoder {
  /**
   * The state after the last block that ended in a `write`, or undefined: before the first, at levels whose search
   * cannot be taken up, after a `flush` or `finish`, or when the stream began with a dictionary. A copy, the caller's.
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

/** A kernel that keeps and takes up states. */
export interface StateKernel extends EncoderKernel {
  /** Where the state is found, its first byte 0 when there is none, and put to be restored. */
  stateOffset(): number;
  /** How much history the state put there wants in the input buffer; negative when it is none. */
  stateHistory(): number;
  /** Instead of `reset`. */
  restore(): void;
}

/** True for an encoder that may have states. */
export function isResumable(encoder: DeflateEncoder): encoder is ResumableEncoder {
  return 'saveState' in encoder;
}

/** A {@link ResumableEncoder} of a kernel instance, as {@link createKernelEncoder} makes one. */
export function createResumableEncoder(kernel: StateKernel): ResumableEncoder {
  const encoder = createKernelEncoder(kernel);
  return {
    ...encoder,
    saveState() {
      const state = new Uint8Array(kernel.memory.buffer, kernel.stateOffset(), STATE_BYTES);
      return state[0] === 0 ? undefined : state.slice();
    },
    restore(state, history) {
      encoder.reset();
      requireLength(state);
      const memory = new Uint8Array(kernel.memory.buffer);
      memory.set(state, kernel.stateOffset());
      const wanted = kernel.stateHistory();
      if (wanted < 0) throw noState();
      requireHistory(history, wanted);
      memory.set(history.subarray(history.length - wanted), kernel.inputOffset());
      kernel.restore();
    },
  };
}

/**
 * A state as {@link ResumableEncoder.saveState} gives it.
 * @param own the encoder's 16 bytes, of which the first is not 0
 */
export function makeState(own: Uint8Array, { plainBytes, compressedBytes }: StatePosition): Uint8Array {
  const state = Buffer.alloc(STATE_BYTES);
  state.set(own.subarray(0, OWN_BYTES));
  state.writeBigUInt64LE(BigInt(plainBytes), OWN_BYTES);
  state.writeBigUInt64LE(BigInt(compressedBytes), OWN_BYTES + 8);
  return new Uint8Array(state);
}

/** The encoder's own part of a state. A view. */
export function ownPartOfState(state: Uint8Array): Uint8Array {
  return state.subarray(0, OWN_BYTES);
}

/**
 * The places a state stands at, in the plain and in the compressed stream.
 * @throws RangeError when it has another length or names a place beyond 2^53
 */
export function positionOfState(state: Uint8Array): StatePosition {
  requireLength(state);
  const view = new DataView(state.buffer, state.byteOffset, state.byteLength);
  const plainBytes = Number(view.getBigUint64(OWN_BYTES, true));
  const compressedBytes = Number(view.getBigUint64(OWN_BYTES + 8, true));
  if (!Number.isSafeInteger(plainBytes) || !Number.isSafeInteger(compressedBytes)) {
    throw new RangeError('the state stands beyond any stream');
  }
  return { plainBytes, compressedBytes };
}

/** @throws RangeError when there is less than a state wants */
export function requireHistory(history: Uint8Array, wanted: number): void {
  if (history.length >= wanted) return;
  throw new RangeError(`the state wants ${wanted} bytes of history, got ${history.length}`);
}

/** What `restore` throws for a state of another encoder. */
export function noState(): RangeError {
  return new RangeError('this is no state of an encoder with these parameters');
}

function requireLength(state: Uint8Array): void {
  if (state.length !== STATE_BYTES) {
    throw new RangeError(`a state has ${STATE_BYTES} bytes, not ${state.length}`);
  }
}

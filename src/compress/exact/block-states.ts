import type { EmitBytes } from './deflate-encoder.js';
import {
  makeState,
  noState,
  positionOfState,
  requireHistory,
  type StatePosition,
} from './resumable-encoder.js';

/** All that is to be known where a block begins anew: that it does. */
const AT_A_BLOCK = Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);

/** The states of an encoder that begins anew with each block of a fixed size, on nothing but the plain bytes before. */
export class BlockStates {
  readonly #blockBytes: number;
  #at: StatePosition = { plainBytes: 0, compressedBytes: 0 };
  #emittedBytes = 0;
  #hasState = false;

  constructor(blockBytes: number) {
    this.#blockBytes = blockBytes;
  }

  /** `emit`, counted. */
  counting(emit: EmitBytes): EmitBytes {
    return (bytes) => {
      this.#emittedBytes += bytes.length;
      emit(bytes);
    };
  }

  /** A whole block has ended, and all of it was emitted. */
  note(): void {
    this.#at = {
      plainBytes: this.#at.plainBytes + this.#blockBytes,
      compressedBytes: this.#emittedBytes,
    };
    this.#hasState = true;
  }

  /** Places can no longer be told. */
  end(): void {
    this.#hasState = false;
    this.#at = { plainBytes: Number.NaN, compressedBytes: 0 };
  }

  reset(at: StatePosition = { plainBytes: 0, compressedBytes: 0 }): void {
    this.#at = at;
    this.#emittedBytes = at.compressedBytes;
    this.#hasState = at.plainBytes > 0;
  }

  save(): Uint8Array | undefined {
    return this.#hasState && this.#at.plainBytes > 0 ? makeState(AT_A_BLOCK, this.#at) : undefined;
  }

  /** Where a state stands. @throws RangeError when it is none of these, or there is less than `historyBytes` before it */
  positionOf(state: Uint8Array, history: Uint8Array, historyBytes: number): StatePosition {
    const position = positionOfState(state);
    const { plainBytes } = position;
    const isSound = AT_A_BLOCK.every((byte, i) => state[i] === byte);
    if (!isSound || plainBytes === 0 || plainBytes % this.#blockBytes !== 0) throw noState();
    requireHistory(history, Math.min(plainBytes, historyBytes));
    return position;
  }
}

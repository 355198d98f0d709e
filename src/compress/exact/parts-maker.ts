import { type EncoderSpec, encoderName } from '../../format/encoder-spec.js';
import type { DeflateEncoder, EmitBytes } from './deflate-encoder.js';
import { createEncoder } from './encoder-registry.js';
import { KernelSet } from './kernel-set.js';

/** What becomes of so many of the next bytes: themselves, or the next piece of a deflate stream. */
export interface MakeStep {
  /** Null: they stay as they are. */
  encoder: EncoderSpec | null;
  sizeBytes: number;
  /** The deflate stream ends after them. A piece after the end of one begins another. */
  isEnd: boolean;
}

/**
 * Makes the bytes of an opened segment again, a run of steps at a time. Belongs to one thread. However many encoders the steps
 * name, it takes the memory of one of each kernel.
 */
export class PartsMaker {
  readonly #kernels = new KernelSet();
  /** The one made last, and its name. */
  #made: { name: string; encoder: DeflateEncoder } | null = null;
  #open: DeflateEncoder | null = null;

  /** @param bytes as many as the steps have together. @throws as {@link createEncoder} */
  make(bytes: Uint8Array, steps: readonly MakeStep[], emit: EmitBytes): void {
    let at = 0;
    for (const { encoder, sizeBytes, isEnd } of steps) {
      const piece = bytes.subarray(at, at + sizeBytes);
      at += sizeBytes;
      if (encoder === null) {
        emit(piece);
        continue;
      }
      this.#open ??= this.#encoderOf(encoder);
      this.#open.write(piece, emit);
      if (!isEnd) continue;
      this.#open.finish(emit);
      this.#open = null;
    }
  }

  #encoderOf(spec: EncoderSpec): DeflateEncoder {
    const name = encoderName(spec);
    if (this.#made?.name === name) this.#made.encoder.reset();
    else this.#made = { name, encoder: createEncoder(spec, this.#kernels) };
    return this.#made.encoder;
  }
}

import { type EncoderSpec, encoderName } from '../../format/encoder-spec.js';
import type { DeflateEncoder, EmitBytes } from './deflate-encoder.js';
import { createEncoder } from './encoder-registry.js';

/** Encoders kept for the streams to come. */
const MAX_ENCODERS = 4;

/** What becomes of so many of the next bytes: themselves, or the next piece of a deflate stream. */
export interface MakeStep {
  /** Null: they stay as they are. */
  encoder: EncoderSpec | null;
  sizeBytes: number;
  /** The deflate stream ends after them. A piece after the end of one begins another. */
  isEnd: boolean;
}

/** Makes the bytes of an opened segment again, a run of steps at a time. Belongs to one thread. */
export class PartsMaker {
  readonly #encoders = new Map<string, DeflateEncoder>();
  #open: DeflateEncoder | null = null;

  /** @param bytes as many as the steps have together. @throws RangeError when there is no such encoder */
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
    let encoder = this.#encoders.get(name);
    if (!encoder) {
      if (this.#encoders.size >= MAX_ENCODERS) this.#encoders.clear();
      encoder = createEncoder(spec);
      this.#encoders.set(name, encoder);
    }
    encoder.reset();
    return encoder;
  }
}

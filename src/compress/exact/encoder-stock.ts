import { type EncoderSpec, encoderName } from '../../format/encoder-spec.js';
import type { DeflateEncoder } from './deflate-encoder.js';
import { createEncoder } from './encoder-registry.js';

/** Idle ones kept: each has 2 or 3 MiB of memory, which is slow to come back when it is left to the garbage collector. */
const MAX_IDLE = 4;

/** Encoders that are used one after the other by who needs one. */
export class EncoderStock {
  readonly #idle: { name: string; encoder: DeflateEncoder }[] = [];

  /** An encoder at the beginning of a stream. @throws RangeError when there is none with these parameters */
  take(spec: EncoderSpec): DeflateEncoder {
    const name = encoderName(spec);
    const at = this.#idle.findIndex((idle) => idle.name === name);
    if (at < 0) return createEncoder(spec);
    const { encoder } = this.#idle.splice(at, 1)[0]!;
    encoder.reset();
    return encoder;
  }

  /** Takes back an encoder that nobody uses any more. */
  giveBack(name: string, encoder: DeflateEncoder): void {
    if (this.#idle.length >= MAX_IDLE) this.#idle.shift();
    this.#idle.push({ name, encoder });
  }
}

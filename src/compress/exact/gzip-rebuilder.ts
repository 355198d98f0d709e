import { type EncoderSpec, encoderName } from '../../format/encoder-spec.js';
import type { GzipMember } from '../../format/gzip-recipe.js';
import { crc32 } from '../../hash/crc32.js';
import type { DeflateEncoder, EmitBytes } from './deflate-encoder.js';
import { createEncoder } from './encoder-registry.js';
import { gzipTrailer } from './gzip-header.js';

/** Encoders kept for the members to come. */
const MAX_ENCODERS = 4;

/** Makes a gzip file again of its plain bytes, as a recipe says. */
export class GzipRebuilder {
  readonly #members: readonly GzipMember[];
  readonly #trailing: Uint8Array;
  readonly #encoders = new Map<string, DeflateEncoder>();
  /** The member in the making, or the next one. */
  #number = 0;
  #encoder: DeflateEncoder | null = null;
  #crc = 0;
  #leftBytes = 0;

  constructor(members: readonly GzipMember[], trailing: Uint8Array) {
    this.#members = members;
    this.#trailing = trailing;
  }

  /**
   * Takes all of `plain`, which is no more than the members have together.
   * @throws RangeError when there is no such encoder
   */
  write(plain: Uint8Array, emit: EmitBytes): void {
    for (let at = 0; at < plain.length; ) {
      const encoder = this.#encoder ?? this.#begin(emit);
      const piece = plain.subarray(at, at + this.#leftBytes);
      this.#crc = crc32(piece, this.#crc);
      this.#leftBytes -= piece.length;
      at += piece.length;
      encoder.write(piece, emit);
      if (this.#leftBytes === 0) this.#end(encoder, emit);
    }
  }

  /** Ends the file, once all plain bytes were given. @throws RangeError as `write` */
  finish(emit: EmitBytes): void {
    while (this.#number < this.#members.length) this.#end(this.#encoder ?? this.#begin(emit), emit);
    emit(this.#trailing);
  }

  #begin(emit: EmitBytes): DeflateEncoder {
    const { header, encoder, plainBytes } = this.#members[this.#number]!;
    emit(header);
    this.#crc = 0;
    this.#leftBytes = plainBytes;
    this.#encoder = this.#encoderOf(encoder);
    return this.#encoder;
  }

  #end(encoder: DeflateEncoder, emit: EmitBytes): void {
    encoder.finish(emit);
    emit(gzipTrailer(this.#crc, this.#members[this.#number]!.plainBytes));
    this.#encoder = null;
    this.#number++;
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

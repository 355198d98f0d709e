import { type EncoderSpec, encoderName, UnknownEncoderError } from '../../format/encoder-spec.js';
import type { GzipMember } from '../../format/gzip-recipe.js';
import { crc32 } from '../../hash/crc32.js';
import type { DeflateEncoder, EmitBytes } from './deflate-encoder.js';
import { DoesNotFitError } from './does-not-fit-error.js';
import { createEncoder } from './encoder-registry.js';
import { gzipTrailer } from './gzip-header.js';
import type { GzipPart } from './gzip-parts.js';
import type { KernelSet } from './kernel-set.js';
import { KernelStock } from './kernel-stock.js';
import { isResumable } from './resumable-encoder.js';
import { CorrectedEncoder } from './tokens/corrected-encoder.js';
import type { CorrectionFrame } from './tokens/correction-frame.js';
import { TOKEN_MODELS } from './tokens/token-models.js';

/**
 * Makes a gzip file again of its plain bytes, as a recipe says, or one part of it. However many encoders its members name,
 * it takes the memory of one of each kernel.
 */
export class GzipRebuilder {
  readonly #members: readonly GzipMember[];
  readonly #trailing: Uint8Array;
  readonly #part: GzipPart | undefined;
  readonly #stock: KernelStock;
  readonly #kernels: KernelSet;
  /** The one made last, and its name. */
  #made: { name: string; encoder: DeflateEncoder } | null = null;
  /** Corrections that no encoder has yet, and the one that has those before: there is one at most. */
  readonly #frames: CorrectionFrame[] = [];
  #corrected: CorrectedEncoder | null = null;
  /** The member in the making, or the next one. */
  #number = 0;
  #encoder: DeflateEncoder | null = null;
  #crc = 0;
  #leftBytes = 0;
  /** Of the part, what is still to be made. */
  #partBytes = Number.POSITIVE_INFINITY;

  /**
   * @param members with a part, those it has bytes of
   * @param history with a part, the plain bytes before it, or the last STATE_HISTORY_BYTES of them
   * @param stock where its kernels come from, and go back to by `release`
   * @throws UnknownEncoderError when there is no such encoder; DoesNotFitError when the part's state is not one of its
   */
  constructor(
    members: readonly GzipMember[],
    trailing: Uint8Array,
    part?: GzipPart,
    history: Uint8Array = new Uint8Array(0),
    stock = new KernelStock(),
  ) {
    this.#stock = stock;
    this.#kernels = stock.take();
    this.#members = members;
    this.#trailing = trailing;
    this.#part = part;
    if (!part) return;
    if (part.encodedBytes !== null) this.#partBytes = part.encodedBytes;
    if (part.state) this.#resume(part.state, part, history);
  }

  /** Takes corrections, which must come before the plain bytes they are for, and all before `finish`. */
  correct(frames: readonly CorrectionFrame[]): void {
    if (this.#corrected) for (const frame of frames) this.#corrected.give(frame);
    else this.#frames.push(...frames);
  }

  /**
   * Takes all of `plain`, which is no more than the members have together.
   * @throws UnknownEncoderError when there is no such encoder; DoesNotFitError when its corrections do not fit
   */
  write(plain: Uint8Array, emit: EmitBytes): void {
    const take = this.#cut(emit);
    for (let at = 0; at < plain.length; ) {
      const encoder = this.#encoder ?? this.#begin(take);
      const piece = plain.subarray(at, at + this.#leftBytes);
      if (this.#endsMember) this.#crc = crc32(piece, this.#crc);
      this.#leftBytes -= piece.length;
      at += piece.length;
      encoder.write(piece, take);
      if (this.#leftBytes === 0) this.#end(encoder, take);
    }
  }

  /**
   * Ends the file, or the part, once all its plain bytes were given.
   * @param lookahead of a part within a member, the plain bytes after it: STATE_LOOKAHEAD_BYTES, or up to the member's end
   * @throws as `write`; DoesNotFitError when less came out than the part has
   */
  finish(emit: EmitBytes, lookahead: Uint8Array = new Uint8Array(0)): void {
    if (this.#partBytes < Number.POSITIVE_INFINITY) {
      if (this.#partBytes > 0) this.write(lookahead, emit);
      if (this.#partBytes > 0) throw wrongCheckpoint(`${this.#partBytes} bytes are missing before one`);
      return;
    }
    while (this.#number < this.#members.length) this.#end(this.#encoder ?? this.#begin(emit), emit);
    emit(this.#trailing);
  }

  /** Lets go of its kernels: nothing more is made. */
  release(): void {
    this.#stock.giveBack(this.#kernels);
  }

  /** False where another part makes the member's trailer. */
  get #endsMember(): boolean {
    return !this.#part?.endsWithin || this.#number < this.#members.length - 1;
  }

  /** What comes after the part is made of what lies behind it, and belongs to the next. */
  #cut(emit: EmitBytes): EmitBytes {
    if (this.#partBytes === Number.POSITIVE_INFINITY) return emit;
    return (bytes) => {
      const kept = bytes.subarray(0, this.#partBytes);
      this.#partBytes -= kept.length;
      if (kept.length > 0) emit(kept);
    };
  }

  #resume(state: Uint8Array, { crc, memberBytesBefore }: GzipPart, history: Uint8Array): void {
    const { encoder: spec, plainBytes } = this.#members[0]!;
    const encoder = this.#encoderOf(spec);
    if (!isResumable(encoder)) throw wrongCheckpoint(`${encoderName(spec)} cannot be taken up`);
    try {
      encoder.restore(state, history);
    } catch (error) {
      throw wrongCheckpoint((error as Error).message);
    }
    this.#crc = crc;
    this.#leftBytes = plainBytes - memberBytesBefore;
    this.#encoder = encoder;
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
    if (spec.family === 'corrected') return this.#correctedEncoder(spec.level);
    const name = encoderName(spec);
    if (this.#made?.name === name) this.#made.encoder.reset();
    else this.#made = { name, encoder: createEncoder(spec, this.#kernels) };
    return this.#made.encoder;
  }

  #correctedEncoder(number: number): DeflateEncoder {
    const model = TOKEN_MODELS[number - 1];
    if (!model) throw new UnknownEncoderError(`there is no model ${number}`);
    if (!this.#corrected) {
      this.#corrected = new CorrectedEncoder(model);
      this.correct(this.#frames.splice(0));
    }
    if (this.#corrected.model !== model) throw new DoesNotFitError('a file is corrected by one model');
    this.#corrected.reset();
    return this.#corrected;
  }
}

function wrongCheckpoint(reason: string): Error {
  return new DoesNotFitError(`a checkpoint is wrong: ${reason}`);
}

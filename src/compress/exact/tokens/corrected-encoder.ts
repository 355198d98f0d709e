import type { DeflateEncoder, EmitBytes } from '../deflate-encoder.js';
import { DoesNotFitError } from '../does-not-fit-error.js';
import type { CorrectionFrame } from './correction-frame.js';
import { createModelKernel, MODEL_STATUS, type ModelKernel } from './model-kernel.js';
import type { TokenModel } from './token-models.js';

const PIECE_BYTES = 64 * 1024;
/** Made of one piece: a long block may be waiting for its end, but damaged corrections could go on for ever. */
const MOST_MADE_BYTES = 64 * 1024 * 1024;

/**
 * Puts deflate streams together of their plain bytes and the corrections of a model, in the order in which they were taken
 * apart. Frames must be given before the plain bytes they are for, and all before `finish`.
 */
export class CorrectedEncoder implements DeflateEncoder {
  readonly model: TokenModel;
  readonly #kernel: ModelKernel;
  /** Frames whose tokens, and whose blocks, are to be used next. */
  readonly #forTokens: CorrectionFrame[] = [];
  readonly #forBlocks: CorrectionFrame[] = [];

  constructor(model: TokenModel) {
    this.model = model;
    this.#kernel = createModelKernel(model, true);
  }

  /** Takes a frame, which must stay as it is. */
  give(frame: CorrectionFrame): void {
    this.#forTokens.push(frame);
    this.#forBlocks.push(frame);
  }

  /** @throws DoesNotFitError when the corrections are not those of these bytes, or not there */
  write(plain: Uint8Array, emit: EmitBytes): void {
    const { memory } = this.#kernel;
    for (let at = 0; at < plain.length; at += PIECE_BYTES) {
      const piece = plain.subarray(at, at + PIECE_BYTES);
      new Uint8Array(memory.buffer).set(piece, this.#kernel.compressedOffset());
      this.#kernel.givePlain(piece.length);
      this.#run(false, emit);
    }
  }

  /** @throws DoesNotFitError as `write` */
  finish(emit: EmitBytes): void {
    this.#run(true, emit);
  }

  flush(): never {
    throw new RangeError('corrections know no flushes');
  }

  reset(): void {
    this.#kernel.beginMember();
  }

  #run(ended: boolean, emit: EmitBytes): void {
    const { wantsInput, goesOn, ends, wantsTokens, wantsBlocks } = MODEL_STATUS;
    for (let total = 0; ; ) {
      const status = this.#kernel.putTogether(ended);
      const made = this.#kernel.madeBytes();
      total += made;
      if (total > MOST_MADE_BYTES) throw new DoesNotFitError('corrections make more than any gzip file has');
      if (made > 0) emit(new Uint8Array(this.#kernel.memory.buffer, this.#kernel.outputOffset(), made));
      if (status === wantsTokens) this.#giveTokens();
      else if (status === wantsBlocks) this.#giveBlocks();
      else if (status === (ended ? ends : wantsInput)) return;
      else if (status !== goesOn) throw new DoesNotFitError('corrections do not fit the bytes they are for');
    }
  }

  #giveTokens(): void {
    const { tokens, plainBytes } = next(this.#forTokens);
    new Uint8Array(this.#kernel.memory.buffer).set(tokens, this.#kernel.tokenFrameOffset());
    this.#kernel.giveTokens(tokens.length, plainBytes);
  }

  #giveBlocks(): void {
    const { blocks, blockCount } = next(this.#forBlocks);
    new Uint8Array(this.#kernel.memory.buffer).set(blocks, this.#kernel.blockFrameOffset());
    this.#kernel.giveBlocks(blocks.length, blockCount);
  }
}

function next(frames: CorrectionFrame[]): CorrectionFrame {
  const frame = frames.shift();
  if (!frame) throw new DoesNotFitError('corrections are missing');
  return frame;
}

import type { CompressedFile } from '../byte-comparer.js';
import type { CorrectionFrame } from './correction-frame.js';
import { createModelKernel, MODEL_STATUS, type ModelKernel } from './model-kernel.js';
import type { TokenModel } from './token-models.js';

/** What a step of {@link StreamTaker.step} came to: views, valid until the next. */
export interface TakenPiece {
  plain: Uint8Array;
  frame: CorrectionFrame | null;
  /** Where the stream ends in the file, once it has. */
  endAt: number | null;
}

/** Thrown for a stream that is none, or that cannot be put together from corrections. */
export class CannotTakeApart extends Error {
  readonly isDamaged: boolean;

  constructor(isDamaged: boolean) {
    super(
      isDamaged ? 'the deflate stream is damaged' : 'the deflate stream has odd tokens or too long blocks',
    );
    this.isDamaged = isDamaged;
  }
}

/** Takes the deflate streams in a file apart, one after the other, into plain bytes and corrections of a model. */
export class StreamTaker {
  readonly #file: CompressedFile;
  readonly #kernel: ModelKernel;
  readonly #limitBytes: number;
  #position = 0;
  #hasFrame = false;

  /** @param limitBytes no more of the file is looked at; a stream that goes beyond is cut off there */
  constructor(file: CompressedFile, model: TokenModel, limitBytes = file.sizeBytes) {
    this.#file = file;
    this.#kernel = createModelKernel(model, false);
    this.#limitBytes = limitBytes;
  }

  /** Begins the stream at a position of the file. */
  begin(position: number): void {
    this.#position = position;
    this.#kernel.beginMember();
    this.#hasFrame = false;
  }

  /**
   * Goes on a little.
   * @returns null at the limit
   * @throws CannotTakeApart
   */
  step(): TakenPiece | null {
    const kernel = this.#kernel;
    if (this.#hasFrame) kernel.beginFrame();
    const leftBytes = this.#limitBytes - this.#position;
    const wanted = Math.min(kernel.compressedCapacity(), leftBytes);
    const input = new Uint8Array(kernel.memory.buffer, kernel.compressedOffset(), wanted);
    let fill = 0;
    while (fill < wanted) {
      const count = this.#file.read(input.subarray(fill), this.#position + fill);
      if (count === 0) break;
      fill += count;
    }
    const isCut = this.#limitBytes < this.#file.sizeBytes;
    const status = kernel.takeApart(fill, !isCut && fill === leftBytes);
    const { wantsInput, damaged, tooComplex, frame, ends } = MODEL_STATUS;
    if (status === damaged || status === tooComplex) throw new CannotTakeApart(status === damaged);
    const taken = kernel.takenBytes();
    this.#position += taken;
    if (status === wantsInput && fill === leftBytes) return null;
    this.#hasFrame = status === frame || status === ends;
    return {
      plain: new Uint8Array(kernel.memory.buffer, kernel.plainOffset(), kernel.plainBytes()),
      frame: this.#hasFrame ? readFrame(kernel) : null,
      endAt: status === ends ? this.#position : null,
    };
  }

  /** What comes before it in the file has been taken apart. */
  get position(): number {
    return this.#position;
  }

  /** Bytes of corrections that are not in a frame yet. */
  get pendingBytes(): number {
    return this.#hasFrame ? 0 : this.#kernel.frameTokenBytes() + this.#kernel.frameBlockBytes();
  }
}

function readFrame(kernel: ModelKernel): CorrectionFrame {
  const { buffer } = kernel.memory;
  return {
    plainBytes: kernel.framePlainBytes(),
    blockCount: kernel.frameBlockCount(),
    tokens: new Uint8Array(buffer, kernel.tokenFrameOffset(), kernel.frameTokenBytes()),
    blocks: new Uint8Array(buffer, kernel.blockFrameOffset(), kernel.frameBlockBytes()),
  };
}

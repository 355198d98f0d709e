import { type CorrectionFrame, FrameReader } from '../compress/exact/tokens/correction-frame.js';
import { DbupError } from '../core/errors.js';
import type { GzipRecipe } from '../format/gzip-recipe.js';
import { type ByteSource, NOTHING } from './byte-source.js';
import type { EncodeAnswer, EncodeSlot } from './encode-slot.js';
import { type GzipStream, type GzipWorkers, PIECE_BYTES } from './gzip-workers.js';

const PIECES_AHEAD = 3;
/** Corrections for one piece: far more than a writer makes. */
const MOST_FRAMES_BYTES = 64 * 1024 * 1024;

interface Piece {
  slot: EncodeSlot;
  answer: Promise<EncodeAnswer>;
}

/** A gzip file made again, in another thread, of its plain bytes and corrections: two sources, which it closes. */
export class CorrectedSource implements ByteSource {
  current: Uint8Array = NOTHING;
  readonly #workers: GzipWorkers;
  readonly #plain: ByteSource;
  readonly #corrections: ByteSource;
  readonly #stream: GzipStream;
  readonly #reader = new FrameReader();
  readonly #ahead: Piece[] = [];
  #leftBytes: number;
  /** Plain bytes handed over, and those that the frames handed over are for. */
  #doneBytes = 0;
  #framedBytes = 0;
  /** Frames that were read and are for later bytes. */
  #frames: CorrectionFrame[] = [];
  #rest: Uint8Array[] = [];
  #slot: EncodeSlot | null = null;
  #hasEnded = false;

  constructor(workers: GzipWorkers, recipe: GzipRecipe, plain: ByteSource, corrections: ByteSource) {
    this.#workers = workers;
    this.#plain = plain;
    this.#corrections = corrections;
    this.#leftBytes = recipe.inner.sizeBytes;
    this.#stream = workers.open(recipe.members, recipe.trailing);
  }

  consume(byteCount: number): void {
    this.current = this.current.subarray(byteCount);
  }

  async advance(): Promise<boolean> {
    for (;;) {
      const rest = this.#rest.shift();
      if (rest) {
        this.current = rest;
        return true;
      }
      if (this.#slot) this.#workers.returnSlot(this.#slot);
      this.#slot = null;
      while (!this.#hasEnded && this.#ahead.length < PIECES_AHEAD) await this.#handOver();
      const next = this.#ahead.shift();
      if (!next) return false;
      const { encodedBytes, rest: others } = await next.answer.catch((error: Error) => {
        throw doesNotFit(error.message, error);
      });
      this.#slot = next.slot;
      this.#rest = [next.slot.encoded.subarray(0, encodedBytes), ...others].filter(
        ({ length }) => length > 0,
      );
    }
  }

  async close(): Promise<void> {
    for (const { answer, slot } of this.#ahead.splice(0)) {
      // Until then the thread writes to it.
      answer.finally(() => this.#workers.returnSlot(slot)).catch(() => {});
    }
    this.#stream.close();
    this.current = NOTHING;
    this.#rest = [];
    if (this.#slot) this.#workers.returnSlot(this.#slot);
    this.#slot = null;
    await this.#plain.close();
    await this.#corrections.close();
  }

  async #handOver(): Promise<void> {
    const slot = this.#workers.takeSlot();
    const plainBytes = Math.min(PIECE_BYTES, this.#leftBytes);
    for (let fill = 0; fill < plainBytes; ) {
      const { current } = this.#plain;
      if (current.length === 0) {
        if (await this.#plain.advance()) continue;
        throw doesNotFit('its plain bytes end too early');
      }
      const taken = Math.min(current.length, plainBytes - fill);
      slot.plain.set(current.subarray(0, taken), fill);
      this.#plain.consume(taken);
      fill += taken;
    }
    this.#leftBytes -= plainBytes;
    this.#doneBytes += plainBytes;
    this.#hasEnded = this.#leftBytes === 0;
    // The end must be asked for: what checks the bytes checks there.
    if (this.#hasEnded && (await hasMore(this.#plain)))
      throw doesNotFit('it has more plain bytes than it says');
    const frames = await this.#framesFor(this.#hasEnded ? Number.POSITIVE_INFINITY : this.#doneBytes);
    const answer = this.#stream.encode(slot, plainBytes, this.#hasEnded, 0, frames);
    answer.catch(() => {});
    this.#ahead.push({ slot, answer });
  }

  /** The frames up to the one that the plain bytes before `end` want; all of them for an endless number. */
  async #framesFor(end: number): Promise<CorrectionFrame[]> {
    const wanted: CorrectionFrame[] = [];
    let wantedBytes = 0;
    while (this.#framedBytes < end) {
      const frame = this.#frames.shift();
      if (frame) {
        this.#framedBytes += frame.plainBytes;
        wantedBytes += frame.tokens.length + frame.blocks.length;
        if (wantedBytes > MOST_FRAMES_BYTES) throw doesNotFit('there are far too many');
        wanted.push(frame);
        continue;
      }
      if (!(await hasMore(this.#corrections))) {
        if (end < Number.POSITIVE_INFINITY || !this.#reader.isAtEnd)
          throw doesNotFit('corrections are cut off');
        break;
      }
      const { current } = this.#corrections;
      try {
        this.#frames = this.#reader.push(current);
      } catch (error) {
        throw doesNotFit((error as Error).message, error);
      }
      this.#corrections.consume(current.length);
    }
    return wanted;
  }
}

async function hasMore(source: ByteSource): Promise<boolean> {
  return source.current.length > 0 || source.advance();
}

function doesNotFit(reason: string, cause?: unknown): DbupError {
  return new DbupError('POOL_DAMAGED', `a gzip file cannot be made again with its corrections: ${reason}`, {
    hint: 'Nothing of it was accepted. Run `dbup verify`, then `dbup repair --from OTHER_POOL`.',
    cause,
  });
}

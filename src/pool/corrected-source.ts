import { type CorrectionFrame, FrameReader } from '../compress/exact/tokens/correction-frame.js';
import { DbupError } from '../core/errors.js';
import type { GzipRecipe } from '../format/gzip-recipe.js';
import { type ByteSource, fillFrom, NOTHING } from './byte-source.js';
import { cannotMakeAgain } from './cannot-make-again.js';
import { EncodedPieces, type PieceUnderWay } from './encoded-pieces.js';
import { type GzipStream, type GzipWorkers, PIECE_BYTES } from './gzip-workers.js';

const PIECES_AHEAD = 3;
/** Corrections for one piece: far more than a writer makes. */
const MOST_FRAMES_BYTES = 64 * 1024 * 1024;

/** A gzip file made again, in another thread, of its plain bytes and corrections: two sources, which it closes. */
export class CorrectedSource implements ByteSource {
  current: Uint8Array = NOTHING;
  readonly #workers: GzipWorkers;
  readonly #plain: ByteSource;
  readonly #corrections: ByteSource;
  readonly #stream: GzipStream;
  readonly #reader = new FrameReader();
  readonly #pieces: EncodedPieces;
  #leftBytes: number;
  /** Plain bytes handed over, and those that the frames handed over are for. */
  #doneBytes = 0;
  #framedBytes = 0;
  /** Frames that were read and are for later bytes. */
  #frames: CorrectionFrame[] = [];
  #hasEnded = false;

  constructor(workers: GzipWorkers, recipe: GzipRecipe, plain: ByteSource, corrections: ByteSource) {
    this.#workers = workers;
    this.#plain = plain;
    this.#corrections = corrections;
    this.#leftBytes = recipe.inner.sizeBytes;
    this.#stream = workers.open(recipe.members, recipe.trailing);
    this.#pieces = new EncodedPieces({
      piecesAhead: PIECES_AHEAD,
      handOver: () => this.#handOver(),
      returnSlot: (slot) => workers.returnSlot(slot),
      explain: (error) => cannotMakeAgain('a gzip file with corrections', error),
    });
  }

  consume(byteCount: number): void {
    this.current = this.current.subarray(byteCount);
  }

  async advance(): Promise<boolean> {
    this.current = await this.#pieces.next();
    return this.current.length > 0;
  }

  async close(): Promise<void> {
    this.#pieces.close();
    this.#stream.close();
    this.current = NOTHING;
    await this.#plain.close();
    await this.#corrections.close();
  }

  async #handOver(): Promise<PieceUnderWay | null> {
    if (this.#hasEnded) return null;
    const slot = this.#workers.takeSlot();
    const plainBytes = Math.min(PIECE_BYTES, this.#leftBytes);
    const filled = await fillFrom(this.#plain, slot.plain.subarray(0, plainBytes));
    if (filled < plainBytes) throw doesNotFit('its plain bytes end too early');
    this.#leftBytes -= plainBytes;
    this.#doneBytes += plainBytes;
    this.#hasEnded = this.#leftBytes === 0;
    // The end must be asked for: what checks the bytes checks there.
    if (this.#hasEnded && (await hasMore(this.#plain)))
      throw doesNotFit('it has more plain bytes than it says');
    const frames = await this.#framesFor(this.#hasEnded ? Number.POSITIVE_INFINITY : this.#doneBytes);
    const answer = this.#stream.encode(slot, plainBytes, this.#hasEnded, 0, frames);
    return { slot, answer };
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

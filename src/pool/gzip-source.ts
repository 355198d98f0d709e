import { DbupError } from '../core/errors.js';
import type { GzipRecipe } from '../format/gzip-recipe.js';
import { type ByteSource, NOTHING } from './byte-source.js';
import type { EncodeAnswer, EncodeSlot, GzipStream, GzipWorkers } from './gzip-workers.js';

/** Handed over at a time, and pieces under way: enough that the thread never waits for the next. */
const PIECE_BYTES = 512 * 1024;
const PIECES_AHEAD = 3;
/** An encoder keeps some back and gives it out with a later piece. */
const ENCODED_BYTES = PIECE_BYTES + 256 * 1024;

interface Piece {
  slot: EncodeSlot;
  answer: Promise<EncodeAnswer>;
}

/** A gzip file made again, in another thread, of the plain bytes of an inner source, which it closes. */
export class GzipSource implements ByteSource {
  current: Uint8Array = NOTHING;
  readonly #inner: ByteSource;
  readonly #stream: GzipStream;
  readonly #ahead: Piece[] = [];
  readonly #freeSlots: EncodeSlot[] = [];
  /** What comes after `current`, and the slot these are in. */
  #rest: Uint8Array[] = [];
  #slot: EncodeSlot | null = null;
  #leftBytes: number;
  #hasEnded = false;

  constructor(workers: GzipWorkers, { members, trailing, inner }: GzipRecipe, source: ByteSource) {
    this.#inner = source;
    this.#leftBytes = inner.sizeBytes;
    this.#stream = workers.open(members, trailing);
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
      if (this.#slot) this.#freeSlots.push(this.#slot);
      this.#slot = null;
      while (!this.#hasEnded && this.#ahead.length < PIECES_AHEAD) await this.#handOver();
      const next = this.#ahead.shift();
      if (!next) return false;
      const { encodedBytes, rest: others } = await next.answer.catch((error) => {
        throw cannotEncode(error);
      });
      this.#slot = next.slot;
      this.#rest = [next.slot.encoded.subarray(0, encodedBytes), ...others].filter(
        ({ length }) => length > 0,
      );
    }
  }

  async close(): Promise<void> {
    this.#stream.close();
    await this.#inner.close();
  }

  async #handOver(): Promise<void> {
    const slot = this.#freeSlots.pop() ?? newSlot();
    const plainBytes = Math.min(PIECE_BYTES, this.#leftBytes);
    for (let fill = 0; fill < plainBytes; ) {
      const { current } = this.#inner;
      if (current.length === 0) {
        if (await this.#inner.advance()) continue;
        throw wrongLength();
      }
      const taken = Math.min(current.length, plainBytes - fill);
      slot.plain.set(current.subarray(0, taken), fill);
      this.#inner.consume(taken);
      fill += taken;
    }
    this.#leftBytes -= plainBytes;
    if (this.#leftBytes === 0) {
      // The end must be asked for: what checks the plain bytes checks there.
      this.#hasEnded = this.#inner.current.length === 0 && !(await this.#inner.advance());
      if (!this.#hasEnded) throw wrongLength();
    }
    const answer = this.#stream.encode(slot, plainBytes, this.#hasEnded);
    answer.catch(() => {});
    this.#ahead.push({ slot, answer });
  }
}

function newSlot(): EncodeSlot {
  return {
    plain: new Uint8Array(new SharedArrayBuffer(PIECE_BYTES)),
    encoded: new Uint8Array(new SharedArrayBuffer(ENCODED_BYTES)),
  };
}

function wrongLength(): DbupError {
  return new DbupError('POOL_DAMAGED', 'what a gzip recipe is made of has another length than it says', {
    hint: 'Run `dbup verify`.',
  });
}

function cannotEncode(error: unknown): DbupError {
  return new DbupError(
    'POOL_FORMAT_UNSUPPORTED',
    `a gzip file cannot be made again: ${(error as Error).message}`,
    { hint: 'Update dbup on this machine to the version that wrote the pool.', cause: error },
  );
}

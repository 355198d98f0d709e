import { DbupError } from '../core/errors.js';
import type { GzipRecipe } from '../format/gzip-recipe.js';
import { type ByteSource, NOTHING } from './byte-source.js';
import type { GzipStream, GzipWorkers } from './gzip-workers.js';

/** Handed over at a time, and pieces under way: enough that the thread never waits for the next. */
const PIECE_BYTES = 512 * 1024;
const PIECES_AHEAD = 3;

/** A gzip file made again, in another thread, of the plain bytes of an inner source, which it closes. */
export class GzipSource implements ByteSource {
  current: Uint8Array = NOTHING;
  readonly #inner: ByteSource;
  readonly #stream: GzipStream;
  readonly #ahead: Promise<Uint8Array>[] = [];
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
      while (!this.#hasEnded && this.#ahead.length < PIECES_AHEAD) await this.#handOver();
      const next = this.#ahead.shift();
      if (!next) return false;
      try {
        this.current = await next;
      } catch (error) {
        throw cannotEncode(error);
      }
      if (this.current.length > 0) return true;
    }
  }

  async close(): Promise<void> {
    this.#stream.close();
    await this.#inner.close();
  }

  async #handOver(): Promise<void> {
    const plain = new Uint8Array(Math.min(PIECE_BYTES, this.#leftBytes));
    for (let fill = 0; fill < plain.length; ) {
      const { current } = this.#inner;
      if (current.length === 0) {
        if (await this.#inner.advance()) continue;
        throw wrongLength();
      }
      const taken = Math.min(current.length, plain.length - fill);
      plain.set(current.subarray(0, taken), fill);
      this.#inner.consume(taken);
      fill += taken;
    }
    this.#leftBytes -= plain.length;
    // The end must be asked for: what checks the plain bytes checks there.
    this.#hasEnded = this.#leftBytes === 0 && !(await this.#inner.advance());
    if (this.#leftBytes === 0 && !this.#hasEnded) throw wrongLength();
    const encoded = this.#stream.encode(plain, this.#hasEnded);
    encoded.catch(() => {});
    this.#ahead.push(encoded);
  }
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

import { type GzipPart, gzipParts } from '../compress/exact/gzip-parts.js';
import { STATE_HISTORY_BYTES } from '../compress/exact/resumable-encoder.js';
import { createTail } from '../compress/exact/tail.js';
import { DbupError } from '../core/errors.js';
import type { Checkpoint } from '../format/checkpoint-recipe.js';
import type { GzipRecipe } from '../format/gzip-recipe.js';
import { type ByteSource, fillFrom, NOTHING } from './byte-source.js';
import { cannotMakeAgain } from './cannot-make-again.js';
import { EncodedPieces, type PieceUnderWay } from './encoded-pieces.js';
import { type GzipStream, type GzipWorkers, PIECE_BYTES } from './gzip-workers.js';

/** Under way for one thread: enough that it never waits for the next. */
const PIECES_AHEAD = 3;
/** Between two checkpoints, about; pieces of the part in each thread are held until those before it are done. */
const PIECES_OF_A_PART = 8;
/** Memory held: 60 MiB. */
const MAX_PIECES_AHEAD = 64;

/** Where to begin and end, if not with the whole file: parts that follow each other. */
export interface GzipStretch {
  readonly parts: readonly GzipPart[];
  /** The plain bytes before the first, at least STATE_HISTORY_BYTES of them if there are as many. */
  readonly history: Uint8Array;
}

/**
 * A gzip file made again, in other threads, of the plain bytes of an inner source, which it closes. The parts between
 * checkpoints are made side by side.
 */
export class GzipSource implements ByteSource {
  current: Uint8Array = NOTHING;
  readonly #workers: GzipWorkers;
  readonly #recipe: GzipRecipe;
  readonly #inner: ByteSource;
  readonly #parts: readonly GzipPart[];
  readonly #pieces: EncodedPieces;
  readonly #history = createTail(STATE_HISTORY_BYTES);
  readonly #streams = new Set<GzipStream>();
  /** The part that is handed over. */
  #partNumber = 0;
  #partLeftBytes: number;
  #stream: GzipStream | null = null;
  /** Plain bytes that were read already. */
  #unread: Uint8Array = NOTHING;

  /** @throws DbupError POOL_DAMAGED when the checkpoints do not fit the file */
  constructor(workers: GzipWorkers, recipe: GzipRecipe, source: ByteSource, { parts, history }: GzipStretch) {
    this.#workers = workers;
    this.#recipe = recipe;
    this.#inner = source;
    this.#parts = parts;
    this.#history.append(history);
    this.#partLeftBytes = parts[0]!.plainBytes;
    const partsAtOnce = Math.min(workers.threads, parts.length) - 1;
    this.#pieces = new EncodedPieces({
      piecesAhead: Math.min(
        MAX_PIECES_AHEAD,
        PIECES_AHEAD + (partsAtOnce + 1) * (partsAtOnce > 0 ? PIECES_OF_A_PART : 0),
      ),
      handOver: () => this.#handOver(),
      returnSlot: (slot) => workers.returnSlot(slot),
      explain: (error) => cannotMakeAgain('a gzip file', error),
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
    for (const stream of this.#streams) this.#close(stream);
    this.current = NOTHING;
    await this.#inner.close();
  }

  #close(stream: GzipStream): void {
    stream.close();
    this.#streams.delete(stream);
  }

  /** The next piece of the part; null after the last. */
  async #handOver(): Promise<PieceUnderWay | null> {
    if (this.#partNumber === this.#parts.length) return null;
    const part = this.#parts[this.#partNumber]!;
    const stream = this.#stream ?? this.#open(part);
    const slot = this.#workers.takeSlot();
    const plainBytes = Math.min(PIECE_BYTES, this.#partLeftBytes);
    await this.#fill(slot.plain.subarray(0, plainBytes));
    this.#history.append(slot.plain.subarray(0, plainBytes));
    this.#partLeftBytes -= plainBytes;
    const isLast = this.#partLeftBytes === 0;
    if (isLast) await this.#endPart(part, slot.plain.subarray(plainBytes, plainBytes + part.lookaheadBytes));
    const lookaheadBytes = isLast ? part.lookaheadBytes : 0;
    const answer = stream.encode(slot, plainBytes, isLast, lookaheadBytes);
    return { slot, answer, ...(isLast && { done: () => this.#close(stream) }) };
  }

  #open(part: GzipPart): GzipStream {
    const { firstMember, memberCount } = part;
    const members = this.#recipe.members.slice(firstMember, firstMember + memberCount);
    const history = part.state ? this.#history.last().slice() : NOTHING;
    const trailing = part.encodedBytes === null ? this.#recipe.trailing : NOTHING;
    this.#stream = this.#workers.open(members, trailing, { part, history });
    this.#streams.add(this.#stream);
    return this.#stream;
  }

  /** Goes on to the next part, having read of it what is needed to make this one. */
  async #endPart(part: GzipPart, lookahead: Uint8Array): Promise<void> {
    this.#stream = null;
    this.#partNumber++;
    if (part.encodedBytes !== null) {
      await this.#fill(lookahead);
      this.#unread = Buffer.concat([lookahead, this.#unread]);
      this.#partLeftBytes = this.#parts[this.#partNumber]?.plainBytes ?? 0;
      return;
    }
    // The end must be asked for: what checks the plain bytes checks there.
    const hasEnded = this.#inner.current.length === 0 && !(await this.#inner.advance());
    if (!hasEnded || this.#unread.length > 0) throw wrongLength();
  }

  async #fill(target: Uint8Array): Promise<void> {
    const known = this.#unread.subarray(0, target.length);
    target.set(known);
    this.#unread = this.#unread.subarray(known.length);
    const rest = target.subarray(known.length);
    if ((await fillFrom(this.#inner, rest)) < rest.length) throw wrongLength();
  }
}

/** The parts that the checkpoints make of a gzip file. @throws DbupError POOL_DAMAGED when they do not fit it */
export function partsOf(recipe: GzipRecipe, checkpoints: readonly Checkpoint[]): GzipPart[] {
  try {
    return gzipParts(recipe, checkpoints);
  } catch (error) {
    throw cannotMakeAgain('a gzip file', error);
  }
}

function wrongLength(): DbupError {
  return new DbupError('POOL_DAMAGED', 'what a gzip recipe is made of has another length than it says', {
    hint: 'Run `dbup verify`.',
  });
}

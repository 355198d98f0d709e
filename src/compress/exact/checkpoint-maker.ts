import type { Checkpoint } from '../../format/checkpoint-recipe.js';
import { crc32 } from '../../hash/crc32.js';
import type { ByteComparer } from './byte-comparer.js';
import type { DeflateEncoder } from './deflate-encoder.js';
import {
  isResumable,
  ownPartOfState,
  positionOfState,
  type ResumableEncoder,
  STATE_HISTORY_BYTES,
} from './resumable-encoder.js';
import { lastBytes, type Tail } from './tail.js';

/** Plain bytes from one checkpoint to the next, at least. */
export const CHECKPOINT_INTERVAL_BYTES = 4 * 1024 * 1024;
/** How often an encoder's state is looked at where one is due: where, does not depend on how the bytes come. */
const STEP_BYTES = 64 * 1024;
/** Of the plain bytes, what is kept: enough to take up a state that stands some steps back. */
const STEPS_KEPT = 4;
export const KEPT_BYTES = STATE_HISTORY_BYTES + STEPS_KEPT * STEP_BYTES;
/** A state that was taken up wrongly shows before as much has followed: by then all it searches in is new. */
const DOUBTFUL_BYTES = 256 * 1024;

/**
 * Makes one member's deflate stream again and compares it, and notes checkpoints in it. At each the stream goes on in a
 * second encoder that is restored to the state, as when the file is made again in parts: what is compared is what will be made.
 */
export class CheckpointMaker {
  readonly checkpoints: Checkpoint[] = [];
  plainBytes = 0;
  crc = 0;
  readonly #comparer: ByteComparer;
  readonly #deflateAt: number;
  readonly #plainAt: number;
  readonly #tail: Tail;
  /** Where the last steps began, and the CRC-32 there. */
  readonly #steps: { at: number; crc: number }[] = [];
  #encoder: DeflateEncoder;
  #spare: (() => ResumableEncoder) | null;
  readonly #everyBytes: number;
  #dueAt: number;

  /**
   * @param plainAt plain bytes before the member
   * @param dueAt plain bytes after which the next checkpoint is due, and from each to the one after it
   * @param spare makes another encoder of the kind of `encoder`; null for no checkpoints
   * @param tail keeps {@link KEPT_BYTES}, for this one alone while it is used
   */
  constructor(
    comparer: ByteComparer,
    encoder: DeflateEncoder,
    spare: (() => DeflateEncoder) | null,
    { plainAt, dueAt, everyBytes, tail }: { plainAt: number; dueAt: number; everyBytes: number; tail: Tail },
  ) {
    this.#tail = tail;
    tail.clear();
    this.#comparer = comparer;
    this.#deflateAt = comparer.position;
    this.#plainAt = plainAt;
    this.#dueAt = dueAt - plainAt;
    this.#everyBytes = everyBytes;
    this.#encoder = encoder;
    this.#spare = spare && isResumable(encoder) ? (spare as () => ResumableEncoder) : null;
  }

  /** True where what was found different may be so because of the last checkpoint. */
  get isDoubtful(): boolean {
    const last = this.checkpoints.at(-1);
    return last !== undefined && this.#plainAt + this.plainBytes - last.plainBytes < DOUBTFUL_BYTES;
  }

  /** @throws Difference, RangeError of the encoder */
  write(plain: Uint8Array): void {
    if (!this.#spare) {
      this.crc = crc32(plain, this.crc);
      this.plainBytes += plain.length;
      this.#encoder.write(plain, this.#comparer.compare);
      return;
    }
    for (let at = 0; at < plain.length; ) {
      const piece = plain.subarray(at, at + STEP_BYTES - (this.plainBytes % STEP_BYTES));
      at += piece.length;
      this.#step(piece);
    }
  }

  /** @throws Difference */
  finish(): void {
    this.#encoder.finish(this.#comparer.compare);
  }

  /** A step, or what there is of it. */
  #step(plain: Uint8Array): void {
    if (this.plainBytes % STEP_BYTES === 0) {
      if (this.#steps.length > STEPS_KEPT) this.#steps.shift();
      this.#steps.push({ at: this.plainBytes, crc: this.crc });
    }
    this.crc = crc32(plain, this.crc);
    this.plainBytes += plain.length;
    this.#tail.append(plain);
    this.#encoder.write(plain, this.#comparer.compare);
    const isWhole = this.plainBytes % STEP_BYTES === 0;
    if (isWhole && this.plainBytes >= this.#dueAt) this.#tryCheckpoint();
  }

  #tryCheckpoint(): void {
    const encoder = this.#encoder as ResumableEncoder;
    const state = encoder.saveState();
    if (!state) return;
    const { plainBytes, compressedBytes } = positionOfState(state);
    const step = this.#steps.findLast(({ at }) => at <= plainBytes);
    const behindBytes = this.plainBytes - plainBytes;
    const encodedAt = this.#deflateAt + compressedBytes;
    if (plainBytes < this.#dueAt || !step || behindBytes > KEPT_BYTES - STATE_HISTORY_BYTES) return;
    if (encodedAt > this.#comparer.position) return;
    const kept = this.#tail.last();
    const since = lastBytes(kept, this.plainBytes - step.at);
    this.checkpoints.push({
      plainBytes: this.#plainAt + plainBytes,
      compressedBytes: encodedAt,
      crc: crc32(since.subarray(0, plainBytes - step.at), step.crc),
      state: new Uint8Array(ownPartOfState(state)),
    });
    this.#dueAt = plainBytes + this.#everyBytes;
    const next = this.#spare!();
    next.restore(state, kept.subarray(0, kept.length - behindBytes));
    this.#spare = () => encoder;
    this.#encoder = next;
    this.#comparer.goBack(encodedAt);
    next.write(lastBytes(kept, behindBytes), this.#comparer.compare);
  }
}

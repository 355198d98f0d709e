import { STATE_LOOKAHEAD_BYTES } from '../compress/exact/resumable-encoder.js';
import type { CorrectionStep } from '../compress/exact/tokens/correct-gzip.js';
import type { CorrectionFrame } from '../compress/exact/tokens/correction-frame.js';
import type { EncoderSpec } from '../format/encoder-spec.js';
import type { GzipMember } from '../format/gzip-recipe.js';
import { type WorkerLane, WorkerPool } from '../stream/worker-pool.js';
import type { EncodeAnswer, EncodeSlot } from './encode-slot.js';
import type { EncodeJob, FileRegion, GzipJob, NumberedLane, OpenJob, PartOfGzip } from './gzip-jobs.js';
import { GzipProofTask } from './gzip-proof-task.js';
import type { ProvePartsAnswer, ProvePartsJob } from './parts-jobs.js';

/** Plain bytes handed over at a time. */
export const PIECE_BYTES = 512 * 1024;
/** An encoder keeps some back and gives it out with a later piece; what does not fit goes another way. */
const ENCODED_BYTES = 384 * 1024;
/** Kept for the next file. */
const MAX_FREE_SLOTS = 64;

/** The threads that prove gzip files and make them again, started when the first comes. */
export class GzipWorkers {
  readonly #pool: WorkerPool<GzipJob>;
  readonly #freeSlots: EncodeSlot[] = [];
  #nextStream = 0;

  constructor(threads: number) {
    this.#pool = new WorkerPool(new URL('./gzip-worker.js', import.meta.url), threads);
  }

  /** Looks for the encoder that makes the beginning of a gzip file. @param last the encoder of the file before */
  prove(region: FileRegion, last: EncoderSpec | null): GzipProofTask {
    return new GzipProofTask(() => this.openLane(), region, last);
  }

  get threads(): number {
    return this.#pool.size;
  }

  /** Room for a piece. The caller returns it when nobody uses it any more. */
  takeSlot(): EncodeSlot {
    return (
      this.#freeSlots.pop() ?? {
        plain: new Uint8Array(new SharedArrayBuffer(PIECE_BYTES + STATE_LOOKAHEAD_BYTES)),
        encoded: new Uint8Array(new SharedArrayBuffer(ENCODED_BYTES)),
      }
    );
  }

  returnSlot(slot: EncodeSlot): void {
    if (this.#freeSlots.length < MAX_FREE_SLOTS) this.#freeSlots.push(slot);
  }

  /** Begins to make a gzip file, or a part of it, of whose members `members` are. The caller closes it. */
  open(members: readonly GzipMember[], trailing: Uint8Array, stretch?: PartOfGzip): GzipStream {
    const stream = this.#nextStream++;
    const lane = this.#pool.openLane();
    const job: OpenJob = { type: 'open', stream, members, trailing, ...(stretch && { stretch }) };
    const opened = lane.run<void>(job);
    opened.catch(() => {});
    return new GzipStream(lane, stream, opened);
  }

  /** A thread of its own for jobs that belong together, and a number to name them by. The caller closes it. */
  openLane(): NumberedLane {
    return { ...this.#pool.openLane(), number: this.#nextStream++ };
  }

  /** Finds the encoders of deflate streams. One thread is left out, for what they inflate to keeps as many busy. */
  proveParts(job: ProvePartsJob): Promise<ProvePartsAnswer> {
    return this.#pool.run(job, { to: Math.max(1, this.#pool.size - 1) });
  }

  /** Takes a gzip file apart in a thread, a stretch at a time; ends with what it was found to be, or null. */
  async *correct(region: FileRegion): AsyncGenerator<NonNullable<CorrectionStep>, void> {
    const stream = this.#nextStream++;
    const lane = this.#pool.openLane();
    try {
      for (;;) {
        const step = await lane.run<CorrectionStep>({ type: 'correct', stream, region });
        if (step) yield step;
        if (!step || step.found) return;
      }
    } finally {
      lane.run({ type: 'close', stream }).catch(() => {});
      lane.close();
    }
  }

  close(): Promise<void> {
    return this.#pool.close();
  }
}

/** A gzip file being made in a thread of its own. */
export class GzipStream {
  readonly #lane: WorkerLane<GzipJob>;
  readonly #stream: number;
  readonly #opened: Promise<void>;

  constructor(lane: WorkerLane<GzipJob>, stream: number, opened: Promise<void>) {
    this.#lane = lane;
    this.#stream = stream;
    this.#opened = opened;
  }

  /** Takes the first bytes of the slot; it is the caller's again when the promise resolves. */
  async encode(
    slot: EncodeSlot,
    plainBytes: number,
    isLast: boolean,
    lookaheadBytes = 0,
    frames: readonly CorrectionFrame[] = [],
  ): Promise<EncodeAnswer> {
    const stream = this.#stream;
    const job: EncodeJob = { type: 'encode', stream, slot, plainBytes, isLast, lookaheadBytes, frames };
    const encoded = this.#lane.run<EncodeAnswer>(job);
    encoded.catch(() => {});
    await this.#opened;
    return encoded;
  }

  close(): void {
    this.#lane.run({ type: 'close', stream: this.#stream }).catch(() => {});
    this.#lane.close();
  }
}

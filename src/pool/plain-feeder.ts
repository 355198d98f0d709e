import type { PlainFeed } from '../compress/exact/plain-feed.js';

/** Plain bytes handed over at a time. */
const SLOT_BYTES = 512 * 1024;
/** Handed over and not taken yet, at most: whichever side is ahead waits for the other. */
const SLOTS = 8;
/** Pieces and ends of members handed over at a time, at most: empty members take no room in a slot. */
const SLOT_STRETCHES = 4096;
/** No piece is longer. */
const PIECE_BYTES = 256 * 1024;
/** A copy between shared and other memory goes by words where both lie alike to these, by bytes else: a tenth as fast. */
const WORD_BYTES = 8;

/** Where in a slot bytes of a member lie, and where in the file its deflate stream ends, if it does after them. */
interface FedStretch {
  at: number;
  length: number;
  endAt: number | null;
}

/** The next plain bytes of the gzip file that is proven as `feed`; answered by whether more are wanted. */
export interface FeedJob {
  type: 'feed';
  feed: number;
  slot: Uint8Array<SharedArrayBuffer>;
  stretches: FedStretch[];
  /** Nothing comes after these: the file is over, does not inflate, or nobody wants the proof. */
  isLast: boolean;
}

/** Hands what a gzip file was inflated to over to the thread that proves it, in some MiB of shared memory. */
export class PlainFeeder {
  readonly #send: (job: Omit<FeedJob, 'type' | 'feed'>) => Promise<boolean>;
  readonly #free: Uint8Array<SharedArrayBuffer>[] = [];
  readonly #underWay: Promise<void>[] = [];
  #slot: Uint8Array<SharedArrayBuffer> | null = null;
  #filledBytes = 0;
  #stretches: FedStretch[] = [];
  #isWanted = true;

  /** @param send gives a job to the thread */
  constructor(send: (job: Omit<FeedJob, 'type' | 'feed'>) => Promise<boolean>) {
    this.#send = send;
  }

  /** Takes all of `bytes`, once there is room. */
  async write(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length && this.#isWanted; ) {
      this.#slot ??= this.#takeSlot();
      const gap = (bytes.byteOffset + done - this.#filledBytes) & (WORD_BYTES - 1);
      const at = this.#filledBytes + gap;
      const room = Math.min(PIECE_BYTES, this.#slot.length - at);
      const piece = bytes.subarray(done, done + Math.max(0, room));
      if (piece.length > 0) this.#slot.set(piece, at);
      done += piece.length;
      this.#filledBytes = at + piece.length;
      this.#stretches.push({ at, length: piece.length, endAt: null });
      await this.#handOverFull();
    }
  }

  /** The member ends here, and its deflate stream at that place of the file; resolves once there is room for more. */
  async endMember(endAt: number): Promise<void> {
    if (!this.#isWanted) return;
    this.#slot ??= this.#takeSlot();
    this.#stretches.push({ at: this.#filledBytes, length: 0, endAt });
    await this.#handOverFull();
  }

  /** There is nothing more. */
  finish(): Promise<void> {
    return this.#handOver(true);
  }

  #takeSlot(): Uint8Array<SharedArrayBuffer> {
    this.#filledBytes = 0;
    return this.#free.pop() ?? new Uint8Array(new SharedArrayBuffer(SLOT_BYTES));
  }

  async #handOverFull(): Promise<void> {
    const isFull = this.#filledBytes >= this.#slot!.length || this.#stretches.length >= SLOT_STRETCHES;
    if (isFull) await this.#handOver(false);
  }

  async #handOver(isLast: boolean): Promise<void> {
    const slot = this.#slot ?? this.#takeSlot();
    const stretches = this.#stretches;
    this.#slot = null;
    this.#stretches = [];
    if (!this.#isWanted) return;
    const answered = this.#send({ slot, stretches, isLast }).then(
      (isWanted) => {
        this.#free.push(slot);
        this.#isWanted &&= isWanted;
      },
      () => {
        this.#isWanted = false;
      },
    );
    this.#underWay.push(answered);
    while (this.#underWay.length >= SLOTS) await this.#underWay.shift();
  }
}

/** The other end: what {@link PlainFeeder} hands over, in the thread that proves. */
export class FedPlain implements PlainFeed {
  readonly #jobs: { job: FeedJob; taken: (isWanted: boolean) => void }[] = [];
  /** The shared memory is given back before its bytes are used, and copies within this thread's are faster. */
  readonly #copy = new Uint8Array(PIECE_BYTES + WORD_BYTES);
  #nextStretch = 0;
  #endAt: number | null = null;
  #isOver = false;
  #isClosed = false;
  #wake: () => void = () => {};

  /** Takes a job; resolves when its slot is free, to whether more are wanted. */
  give(job: FeedJob): Promise<boolean> {
    if (this.#isClosed) return Promise.resolve(false);
    return new Promise((resolve) => {
      this.#jobs.push({ job, taken: resolve });
      this.#wake();
    });
  }

  async next(): Promise<Uint8Array | number | null> {
    while (this.#endAt === null) {
      const first = this.#jobs[0];
      if (!first) {
        if (this.#isOver || this.#isClosed) return null;
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        continue;
      }
      const { slot, stretches, isLast } = first.job;
      const stretch = stretches[this.#nextStretch++];
      if (!stretch) {
        this.#nextStretch = 0;
        this.#isOver = isLast;
        this.#jobs.shift();
        first.taken(true);
        continue;
      }
      this.#endAt = stretch.endAt;
      if (stretch.length > 0) return this.#copyOf(slot.subarray(stretch.at, stretch.at + stretch.length));
    }
    const endAt = this.#endAt;
    this.#endAt = null;
    return endAt;
  }

  close(): void {
    this.#isClosed = true;
    for (const { taken } of this.#jobs.splice(0)) taken(false);
    this.#wake();
  }

  #copyOf(bytes: Uint8Array): Uint8Array {
    const at = bytes.byteOffset & (WORD_BYTES - 1);
    this.#copy.set(bytes, at);
    return this.#copy.subarray(at, at + bytes.length);
  }
}

import type { GzipProof, VerbatimReason } from '../compress/exact/prove-gzip.js';
import type { EncoderSpec } from '../format/encoder-spec.js';
import type { FileRegion, NumberedLane, ProofRequest, ProveJob } from './gzip-jobs.js';
import { PlainFeeder } from './plain-feeder.js';

const NOT_WANTED: GzipProof = { exact: false, reason: 'unknown-encoder' };

/**
 * A proof in another thread. What makes the beginning of the file is looked for at once; all of it is made again when `start`
 * or `feed` says so.
 */
export class GzipProofTask {
  /** The encoder that makes the beginning; null when there is none. */
  readonly likely: Promise<EncoderSpec | null>;
  readonly proof: Promise<GzipProof>;
  readonly #openLane: () => NumberedLane;
  readonly #request: ProofRequest;
  #settle: (proof: GzipProof | Promise<GzipProof>) => void = () => {};
  #likely: EncoderSpec | null = null;
  #isStarted = false;
  #isCancelled = false;
  #isSettled = false;
  #hasFailed = false;
  #feed: NumberedLane | null = null;

  constructor(openLane: () => NumberedLane, region: FileRegion, last: EncoderSpec | null) {
    this.#openLane = openLane;
    this.#request = { region, last, cancelled: new SharedArrayBuffer(4) };
    this.proof = new Promise<GzipProof>((resolve) => {
      this.#settle = resolve;
    });
    const ended = (isExact: boolean): void => {
      this.#isSettled = true;
      this.#hasFailed = !isExact;
    };
    this.proof.then(
      ({ exact }) => ended(exact),
      () => ended(false),
    );
    this.likely = this.#probe();
    this.likely.catch((error) => this.#settle(Promise.reject(error)));
  }

  /** True when the proof has ended and the file is not made again exactly. */
  get hasFailed(): boolean {
    return this.#hasFailed;
  }

  /** True while it makes the file again, or is going to as soon as it is known by which encoder. */
  get isRunning(): boolean {
    return this.#isStarted && !this.#isSettled;
  }

  get isStarted(): boolean {
    return this.#isStarted;
  }

  /** Makes the file again, which the thread inflates itself. */
  start(): void {
    if (this.#isStarted || this.#isCancelled) return;
    this.#isStarted = true;
    if (this.#likely) this.#prove(this.#openLane(), this.#likely);
  }

  /**
   * Makes the file again of its plain bytes, which the caller gives: all of them, and then `finish`, or `cancel`. Once `likely` is known.
   * @returns null when there is nothing to be made, or it inflates them itself
   */
  feed(): PlainFeeder | null {
    if (this.#isStarted || this.#isCancelled || !this.#likely) return null;
    this.#isStarted = true;
    const lane = this.#openLane();
    this.#feed = lane;
    this.#prove(lane, this.#likely, lane.number);
    return new PlainFeeder((job) => lane.run({ type: 'feed', feed: lane.number, ...job }));
  }

  /** Makes the thread stop; the proof is then of no use. */
  cancel(): void {
    this.#isCancelled = true;
    Atomics.store(new Int32Array(this.#request.cancelled), 0, 1);
    const nothing = { slot: new Uint8Array(new SharedArrayBuffer(0)), stretches: [], isLast: true };
    this.#feed?.run({ type: 'feed', feed: this.#feed.number, ...nothing }).catch(() => {});
    if (this.#likely && !this.#isStarted) this.#settle(NOT_WANTED);
  }

  async #probe(): Promise<EncoderSpec | null> {
    const lane = this.#openLane();
    try {
      const found = await lane.run<EncoderSpec | VerbatimReason>({ type: 'probe', ...this.#request });
      if (typeof found === 'string') {
        this.#settle({ exact: false, reason: found });
        return null;
      }
      this.#likely = found;
      if (this.#isCancelled) this.#settle(NOT_WANTED);
      else if (this.#isStarted) this.#prove(this.#openLane(), found);
      return found;
    } finally {
      lane.close();
    }
  }

  #prove(lane: NumberedLane, likely: EncoderSpec, feed?: number): void {
    const job: ProveJob = {
      type: 'prove',
      ...this.#request,
      last: likely,
      ...(feed !== undefined && { feed }),
    };
    this.#settle(lane.run<GzipProof>(job).finally(() => lane.close()));
  }
}

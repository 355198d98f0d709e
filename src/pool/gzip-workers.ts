import type { ProvenMember, VerbatimReason } from '../compress/exact/prove-gzip.js';
import type { EncoderSpec } from '../format/encoder-spec.js';
import type { GzipMember } from '../format/gzip-recipe.js';
import { type WorkerLane, WorkerPool } from '../stream/worker-pool.js';

/** A stretch of a file that nobody changes meanwhile. */
export interface FileRegion {
  path: string;
  offsetBytes: number;
  sizeBytes: number;
}

/** Find the encoder that makes the beginning of a gzip file. */
export interface ProbeJob extends ProofRequest {
  type: 'probe';
}

/** Find the encoders that make a gzip file, and make all of it again. */
export interface ProveJob extends ProofRequest {
  type: 'prove';
}

interface ProofRequest {
  region: FileRegion;
  last: EncoderSpec | null;
  /** One word, not 0 when nobody wants the answer any more. */
  cancelled: SharedArrayBuffer;
}

/** Begin to make a gzip file. `stream` names it in the jobs that follow. */
export interface OpenJob {
  type: 'open';
  stream: number;
  members: readonly GzipMember[];
  trailing: Uint8Array;
}

/** The next plain bytes, answered by an {@link EncodeAnswer}. */
export interface EncodeJob {
  type: 'encode';
  stream: number;
  slot: EncodeSlot;
  plainBytes: number;
  isLast: boolean;
}

/** Memory shared with the thread: plain bytes on the way there, what they make on the way back. */
export interface EncodeSlot {
  plain: Uint8Array<SharedArrayBuffer>;
  encoded: Uint8Array<SharedArrayBuffer>;
}

/** How much of the slot is filled with compressed bytes, and those that did not fit into it. */
export interface EncodeAnswer {
  encodedBytes: number;
  rest: Uint8Array[];
}

export interface CloseJob {
  type: 'close';
  stream: number;
}

export type GzipJob = ProbeJob | ProveJob | OpenJob | EncodeJob | CloseJob;

/** What a whole gzip file was found to be. */
export type ProofAnswer =
  | { exact: true; members: ProvenMember[]; trailing: Uint8Array; plainBytes: number; digestHex: string }
  | { exact: false; reason: VerbatimReason };

/** A proof under way in another thread. */
export interface GzipProofTask {
  /** The encoder that makes the beginning; null when there is none. */
  readonly likely: Promise<EncoderSpec | null>;
  readonly proof: Promise<ProofAnswer>;
  /** True when the proof has ended and the file is not made again exactly. */
  readonly hasFailed: boolean;
  /** Makes the thread stop; the promises may then never resolve to anything of use. */
  cancel(): void;
}

/** The threads that prove gzip files and make them again, started when the first comes. */
export class GzipWorkers {
  readonly #pool: WorkerPool<GzipJob>;
  #nextStream = 0;

  constructor(threads: number) {
    this.#pool = new WorkerPool(new URL('./gzip-worker.js', import.meta.url), threads);
  }

  /** Begins to look for the encoders that make a gzip file. @param last the encoder of the file before */
  prove(region: FileRegion, last: EncoderSpec | null): GzipProofTask {
    const cancelled = new SharedArrayBuffer(4);
    const lane = this.#pool.openLane();
    const request = { region, last, cancelled };
    let hasFailed = false;
    const probed = lane.run<EncoderSpec | VerbatimReason>({ type: 'probe', ...request });
    const likely = probed.then((found) => (typeof found === 'string' ? null : found));
    const proof = probed
      .then(async (found): Promise<ProofAnswer> => {
        if (typeof found === 'string') return { exact: false, reason: found };
        return lane.run({ type: 'prove', ...request, last: found });
      })
      .finally(() => lane.close());
    proof.then(
      ({ exact }) => {
        hasFailed = !exact;
      },
      () => {
        hasFailed = true;
      },
    );
    likely.catch(() => {});
    return {
      likely,
      proof,
      get hasFailed() {
        return hasFailed;
      },
      cancel: () => {
        Atomics.store(new Int32Array(cancelled), 0, 1);
      },
    };
  }

  /** Begins to make a gzip file. The caller closes it. */
  open(members: readonly GzipMember[], trailing: Uint8Array): GzipStream {
    const stream = this.#nextStream++;
    const lane = this.#pool.openLane();
    const opened = lane.run<void>({ type: 'open', stream, members, trailing });
    opened.catch(() => {});
    return new GzipStream(lane, stream, opened);
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
  async encode(slot: EncodeSlot, plainBytes: number, isLast: boolean): Promise<EncodeAnswer> {
    const job: EncodeJob = { type: 'encode', stream: this.#stream, slot, plainBytes, isLast };
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

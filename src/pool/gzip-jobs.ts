import type { GzipPart } from '../compress/exact/gzip-parts.js';
import type { CorrectionFrame } from '../compress/exact/tokens/correction-frame.js';
import type { EncoderSpec } from '../format/encoder-spec.js';
import type { GzipMember } from '../format/gzip-recipe.js';
import type { WorkerLane } from '../stream/worker-pool.js';
import type { EncodeSlot } from './encode-slot.js';
import type { PartsJob } from './parts-jobs.js';
import type { FeedJob } from './plain-feeder.js';

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
  /** What names its plain bytes in the jobs that follow, where they are inflated elsewhere. */
  feed?: number;
}

/** What is to be proven. */
export interface ProofRequest {
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
  stretch?: PartOfGzip;
}

/** What is to be made of a gzip file, where it is not all of it. */
export interface PartOfGzip {
  part: GzipPart;
  /** Plain bytes before it, as many as its state wants. */
  history: Uint8Array;
}

/** The next plain bytes, answered by an {@link EncodeAnswer}. */
export interface EncodeJob {
  type: 'encode';
  stream: number;
  slot: EncodeSlot;
  plainBytes: number;
  isLast: boolean;
  /** Plain bytes after these, which belong to the next part. */
  lookaheadBytes: number;
  /** What the bytes up to the last of these want, if the file is made with corrections. */
  frames: readonly CorrectionFrame[];
}

/** Take the next stretch of a gzip file apart; the first job of a stream begins with the file. */
export interface CorrectJob {
  type: 'correct';
  stream: number;
  region: FileRegion;
}

export interface CloseJob {
  type: 'close';
  stream: number;
}

export type GzipJob = ProbeJob | ProveJob | FeedJob | OpenJob | EncodeJob | CorrectJob | CloseJob | PartsJob;

/** A thread for jobs that belong together, with a number to name them by. */
export interface NumberedLane extends WorkerLane<GzipJob> {
  number: number;
}

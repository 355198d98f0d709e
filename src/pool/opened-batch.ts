import type { SpoolFile } from '../store/spool-file.js';
import type { DeflateRegion, ProvePartsAnswer } from './parts-jobs.js';

/** Bytes gathered before they are tried, and room for what they inflate to. */
export const BATCH_BYTES = 1024 * 1024;
const PLAIN_BYTES = 2 * BATCH_BYTES;

/** What happens in a layer, in order; offsets are those of the batch. */
export type BatchItem =
  | { kind: 'begin-plain' | 'begin-file'; name: string; sizeBytes: number }
  | { kind: 'end-plain'; sizeBytes: number }
  | { kind: 'end-file' }
  | { kind: 'begin-stored'; name: string; sizeBytes: number }
  | { kind: 'frame' | 'contents'; offsetBytes: number; sizeBytes: number }
  | ({ kind: 'deflate'; name: string } & DeflateRegion);

/** Memory shared with a thread. */
export interface BatchMemory {
  raw: Uint8Array<SharedArrayBuffer>;
  plain: Uint8Array<SharedArrayBuffer>;
}

/** A stretch of a layer whose deflate streams are tried together. */
export interface Batch {
  memory: BatchMemory;
  fillBytes: number;
  items: BatchItem[];
  /** Of a stream too long for memory, which is then all there is. */
  spool: SpoolFile | null;
  /** Once it is sent: what was found; null where there was nothing to look for. */
  answer: Promise<ProvePartsAnswer> | null;
}

export function newBatchMemory(): BatchMemory {
  return {
    raw: new Uint8Array(new SharedArrayBuffer(BATCH_BYTES)),
    plain: new Uint8Array(new SharedArrayBuffer(PLAIN_BYTES)),
  };
}

export function newBatch(memory: BatchMemory): Batch {
  return { memory, fillBytes: 0, items: [], spool: null, answer: null };
}

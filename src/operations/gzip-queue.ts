import { type OperationContext, throwIfInterrupted } from '../core/context.js';
import type { EncoderSpec } from '../format/encoder-spec.js';
import type { ChunkIngest } from '../pool/chunk-ingest.js';
import { type StoredGzip, storeGzip } from '../pool/gzip-blob.js';
import type { FileRegion } from '../pool/gzip-jobs.js';
import type { GzipProofTask } from '../pool/gzip-proof-task.js';
import type { GzipWorkers } from '../pool/gzip-workers.js';

/** Files proven ahead of the one being stored. The same on every machine, as it decides which encoder is tried first. */
const FILES_AHEAD = 8;

/** A gzip file to be taken into the pool. */
export interface QueuedGzip {
  /** What reports call it. */
  name: string;
  region: FileRegion;
  /** Told what became of it, before any later one is. */
  done(stored: StoredGzip): Promise<void> | void;
  /** Called once, whether it was stored or not, when nobody reads the region any more. */
  dispose(): Promise<void>;
}

/**
 * The gzip files of a save, stored one after the other in the order they come, while others are being proven in
 * other threads. Which are proven together depends on their order alone, so that the same input makes the same packs.
 */
export class GzipQueue {
  readonly #ingest: ChunkIngest;
  readonly #workers: GzipWorkers;
  readonly #context: OperationContext;
  readonly #waiting: (QueuedGzip & { task: GzipProofTask })[] = [];
  /** Of the file stored last; the next is likely to be of the same. */
  #last: EncoderSpec | null = null;
  /** The snapshot features that announce what was stored. */
  readonly features = new Set<string>();

  constructor(ingest: ChunkIngest, workers: GzipWorkers, context: OperationContext) {
    this.#ingest = ingest;
    this.#workers = workers;
    this.#context = context;
  }

  /** Begins to look at a file; waits while too many are before it. */
  async add(file: QueuedGzip): Promise<void> {
    const task = this.#workers.prove(file.region, this.#last);
    this.#waiting.push({ ...file, task });
    const goOn = (): void => this.#startAhead();
    task.proof.then(goOn, goOn);
    this.#startAhead();
    while (this.#waiting.length > FILES_AHEAD) await this.#storeFirst();
  }

  /** Stores all that wait. */
  async settle(): Promise<void> {
    while (this.#waiting.length > 0) await this.#storeFirst();
  }

  /** Lets go of all that wait. Never throws. */
  async abandon(): Promise<void> {
    for (const { task, dispose } of this.#waiting.splice(0)) {
      task.cancel();
      await task.proof.catch(() => {});
      await dispose().catch(() => {});
    }
  }

  /** Proves files behind the first in the threads that are left: the first is proven of the very bytes that are stored. */
  #startAhead(): void {
    const behind = this.#waiting.slice(1);
    let left = this.#workers.threads - 1 - behind.filter(({ task }) => task.isRunning).length;
    for (const { task } of behind) {
      if (left <= 0) return;
      if (task.isStarted) continue;
      task.start();
      if (task.isRunning) left--;
    }
  }

  async #storeFirst(): Promise<void> {
    const { name, region, task, done } = this.#waiting[0]!;
    const { report, signal } = this.#context;
    const work = `storing ${name}`;
    const totalBytes = region.sizeBytes;
    report({ type: 'start', task: work, subject: name, totalBytes });
    const stored = await storeGzip(this.#ingest, region, this.#workers, task, (doneBytes) => {
      throwIfInterrupted(signal);
      report({ type: 'bytes', task: work, doneBytes, totalBytes });
    });
    report({ type: 'end', task: work });
    if (stored.encoder) this.#last = stored.encoder;
    for (const feature of stored.features) this.features.add(feature);
    await done(stored);
    const { dispose } = this.#waiting.shift()!;
    this.#startAhead();
    await dispose();
  }
}

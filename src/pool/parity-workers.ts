import { WorkerPool } from '../stream/worker-pool.js';
import type { EncodeParityJob, ParityJob, ReconstructJob } from './parity-jobs.js';
import { ParityJobs } from './parity-jobs.js';

/** Work of so many bytes is done in the thread that asks, before others are started: some tenth of a second. */
const HERE_BYTES = 4 * 1024 * 1024;

/** The threads that compute parity, started when there is enough to do. */
export class ParityWorkers {
  readonly threads: number;
  readonly #pool: WorkerPool<ParityJob>;
  #here: ParityJobs | null = null;
  #hereBytes = HERE_BYTES;

  constructor(threads: number) {
    this.threads = threads;
    this.#pool = new WorkerPool(new URL('./parity-worker.js', import.meta.url), threads);
  }

  /** Fills the parity shards of a slab. @returns the XXH64 of each cell, shard by shard */
  encode(job: Omit<EncodeParityJob, 'type'>): Promise<BigUint64Array> {
    return this.#run({ type: 'encode', ...job });
  }

  /** Puts the data shards of a slab in place that are not present; at least as many must be as there are data shards. */
  reconstruct(job: Omit<ReconstructJob, 'type'>): Promise<void> {
    return this.#run({ type: 'reconstruct', ...job });
  }

  close(): Promise<void> {
    return this.#pool.close();
  }

  async #run<Result>(job: ParityJob): Promise<Result> {
    const bytes = (job.dataShards + job.parityShards) * job.shardBytes;
    if (bytes > this.#hereBytes) return this.#pool.run(job);
    this.#hereBytes -= bytes;
    this.#here ??= new ParityJobs();
    return this.#here.run(job) as Result;
  }
}

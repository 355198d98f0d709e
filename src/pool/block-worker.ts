import { parentPort } from 'node:worker_threads';
import { type DeltaOps, memoryOfOps } from '../compress/delta/delta-ops.js';
import type { WorkerAnswer } from '../stream/worker-pool.js';
import type { BlockJob } from './block-job.js';
import { BlockJobs } from './block-jobs.js';

const jobs = new BlockJobs();

parentPort!.on('message', ({ id, job }: { id: number; job: BlockJob }) => {
  let answer: WorkerAnswer;
  let handedOver: ArrayBuffer[] = [];
  try {
    const value = jobs.run(job);
    answer = { id, value };
    // Copies would be memory until the next garbage collection here, which knows nothing of its size.
    if (job.type === 'deltaOps' && value) handedOver = memoryOfOps(value as DeltaOps);
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException;
    answer = { id, error: { message, ...(code !== undefined && { code }) } };
  }
  parentPort!.postMessage(answer, handedOver);
});

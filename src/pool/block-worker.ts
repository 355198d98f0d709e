import { parentPort } from 'node:worker_threads';
import type { WorkerAnswer } from '../stream/worker-pool.js';
import type { BlockJob } from './block-job.js';
import { BlockJobs } from './block-jobs.js';

const jobs = new BlockJobs();

parentPort!.on('message', ({ id, job }: { id: number; job: BlockJob }) => {
  let answer: WorkerAnswer;
  try {
    answer = { id, value: jobs.run(job) };
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException;
    answer = { id, error: { message, ...(code !== undefined && { code }) } };
  }
  parentPort!.postMessage(answer);
});

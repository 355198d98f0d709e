import { parentPort } from 'node:worker_threads';
import type { WorkerAnswer } from '../stream/worker-pool.js';
import { type ParityJob, ParityJobs } from './parity-jobs.js';

const jobs = new ParityJobs();

parentPort!.on('message', ({ id, job }: { id: number; job: ParityJob }) => {
  let answer: WorkerAnswer;
  try {
    answer = { id, value: jobs.run(job) };
  } catch (error) {
    answer = { id, error: { message: (error as Error).message } };
  }
  parentPort!.postMessage(answer);
});

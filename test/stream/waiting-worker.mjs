import { parentPort } from 'node:worker_threads';

/** Answers after so many milliseconds of work. */
parentPort.on('message', ({ id, job }) => {
  const untilMs = performance.now() + job.forMs;
  while (performance.now() < untilMs);
  parentPort.postMessage({ id, value: null });
});

import { parentPort, threadId } from 'node:worker_threads';

// Answers with its thread's number after as many milliseconds as the job says.
parentPort.on('message', ({ id, job }) => {
  setTimeout(() => parentPort.postMessage({ id, value: threadId }), job.waitMs);
});

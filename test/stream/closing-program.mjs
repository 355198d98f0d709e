/** `node closing-program.mjs WORKER_POOL WORKER`: closes pools whose threads are just about to answer, and says `closed` at the end. */
const [, , workerPool, worker] = process.argv;
const { WorkerPool } = await import(workerPool);
for (let turn = 0; turn < 15; turn++) {
  const pool = new WorkerPool(new URL(worker), 1);
  await pool.run({ type: 'wait', forMs: 0 });
  pool.run({ type: 'wait', forMs: (turn % 12) / 3 }).catch(() => {});
  await pool.close();
}
process.stdout.write('closed\n');

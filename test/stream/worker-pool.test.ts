import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { WorkerPool } from '../../src/stream/worker-pool.js';
import { runProgram } from '../support/run-dbup.js';

const at = (path: string): string => new URL(path, import.meta.url).href;

describe('a pool of worker threads', () => {
  it('keeps the process alive until it is closed, also when a thread answers while it is being ended', async () => {
    const program = fileURLToPath(at('./closing-program.mjs'));
    const run = await runProgram(process.execPath, [
      program,
      at('../../dist/stream/worker-pool.js'),
      at('./waiting-worker.mjs'),
    ]);
    expect(run.stderr).toBe('');
    expect(run.stdout).toBe('closed\n');
    expect(run.exitCode).toBe(0);
  }, 60_000);

  it('gives a job to the thread with the least unfinished work, of those that may take it', async () => {
    const pool = new WorkerPool<{ type: string; waitMs: number }>(new URL(at('./telling-worker.mjs')), 2);
    const job = { type: 'tell', waitMs: 300 };
    try {
      const long = pool.run<number>(job, { to: 1, weight: 4 });
      const short = [0, 1, 2].map(() => pool.run<number>(job));
      const [first, ...others] = await Promise.all([long, ...short]);
      expect(new Set(others).size).toBe(1);
      expect(others).not.toContain(first);
      const kept = await Promise.all([0, 1, 2].map(() => pool.run<number>(job, { to: 1 })));
      expect(kept).toEqual([first, first, first]);
      const left = await Promise.all([0, 1, 2].map(() => pool.run<number>(job, { from: 1 })));
      expect(left).toEqual(others);
    } finally {
      await pool.close();
    }
  });

  it('opens a lane in the thread with the least unfinished work, however many lanes are open there', async () => {
    const pool = new WorkerPool<{ type: string; waitMs: number }>(new URL(at('./telling-worker.mjs')), 2);
    const tell = (waitMs: number) => ({ type: 'tell', waitMs });
    try {
      const idle = await pool.openLane().run<number>(tell(0));
      const other = pool.openLane();
      const busy = await other.run<number>(tell(0));
      expect(busy).not.toBe(idle);
      const long = other.run<number>(tell(1000));
      for (let lane = 0; lane < 3; lane++) expect(await pool.openLane().run<number>(tell(0))).toBe(idle);
      expect(await long).toBe(busy);
      expect(await pool.openLane().run<number>(tell(0))).toBe(busy);
    } finally {
      await pool.close();
    }
  });
});

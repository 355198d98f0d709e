import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
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
});

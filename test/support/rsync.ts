import { spawn, spawnSync } from 'node:child_process';
import { ended, type ProgramRun } from './run-dbup.js';

/** What one run of rsync did. */
export interface RsyncRun extends ProgramRun {
  /** Files that were not there before. */
  newFiles: string[];
  /** Files that were there and were sent again, whole or in part. */
  changedFiles: string[];
  deletedFiles: string[];
}

/** Whether rsync is there; prints why tests are skipped, and fails in continuous integration. */
export function rsyncAvailable(): boolean {
  if (spawnSync('rsync', ['--version'], { stdio: 'ignore' }).status === 0) return true;
  if (process.env.CI) throw new Error('the rsync tests cannot run: rsync is not installed');
  console.warn('skipping the rsync tests: rsync is not installed');
  return false;
}

/** `rsync -a` of one directory's contents into another, itemized. */
export async function rsync(from: string, to: string, options: readonly string[] = []): Promise<RsyncRun> {
  const run = await ended(startRsync(from, to, options));
  const lines = run.stdout.split('\n');
  const pathsOf = (pattern: RegExp): string[] => lines.flatMap((line) => pattern.exec(line)?.[1] ?? []);
  return {
    ...run,
    newFiles: pathsOf(/^>f\++ (.*)$/),
    changedFiles: pathsOf(/^>f(?!\+).{9} (.*)$/),
    deletedFiles: pathsOf(/^\*deleting +(.*[^/])$/),
  };
}

/** Starts the same, to be waited for or killed. */
export function startRsync(from: string, to: string, options: readonly string[] = []) {
  return spawn('rsync', ['-a', '--itemize-changes', ...options, `${from}/`, `${to}/`], {
    env: { ...process.env, LC_ALL: 'C' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

import { type ChildProcess, spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { ended, type ProgramRun } from '../support/run-dbup.js';

/** What befalls a process while it runs. */
export interface Fate {
  /** Killed so long after its start. */
  killMs: number | null;
  /** Stopped so long after its start, and continued only when all others of the round have ended. */
  stopMs: number | null;
}

/** A process of a round that has ended. */
export interface EndedProcess {
  run: ProgramRun;
  killed: boolean;
  stopped: boolean;
  /** Of a dbup that failed: its error's code. */
  code: string | null;
}

/** Starts all at once, lets their fates befall them, and waits for all. */
export async function runRound(
  starts: readonly { start: () => ChildProcess; fate: Fate }[],
): Promise<EndedProcess[]> {
  const running = starts.map(({ start, fate }) => {
    const child = start();
    return { child, fate, end: ended(child), stopped: false };
  });
  await Promise.all(
    running.map(async (process) => {
      const { child, fate } = process;
      if (fate.stopMs !== null) {
        await sleep(fate.stopMs);
        process.stopped = isRunning(child) && child.kill('SIGSTOP');
      } else if (fate.killMs !== null) {
        await sleep(fate.killMs);
        if (isRunning(child)) child.kill('SIGKILL');
      }
    }),
  );
  // Stopped for longer than anything else lasts: no period of grace would cover it.
  await Promise.all(running.filter(({ stopped }) => !stopped).map(({ end }) => end));
  for (const { child, stopped } of running) if (stopped) child.kill('SIGCONT');
  return Promise.all(
    running.map(async ({ child, end, stopped }) => {
      const run = await end;
      return { run, stopped, killed: child.signalCode === 'SIGKILL', code: errorCode(run) };
    }),
  );
}

/** A dbup as users start it, with JSON answers. */
export function startDbup(cli: string, words: readonly string[], env: NodeJS.ProcessEnv): ChildProcess {
  return spawn(process.execPath, [cli, '--json', '--progress', 'none', ...words], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

function isRunning(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null;
}

function errorCode({ exitCode, stdout, stderr }: ProgramRun): string | null {
  if (exitCode === 0) return null;
  const document = /^\{.*"type":"error".*\}$/m.exec(`${stdout}\n${stderr}`)?.[0];
  return document === undefined ? null : (JSON.parse(document) as { error: { code: string } }).error.code;
}

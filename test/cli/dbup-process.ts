import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const CLI_PATH = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));

/** A directory for one suite with a home of its own, so that nothing of this machine's user is seen or touched. */
export class Sandbox {
  readonly directory = mkdtempSync(join(tmpdir(), 'dbup-cli-'));
  readonly pool = join(this.directory, 'pool');

  path(name: string): string {
    return join(this.directory, name);
  }

  /** No engine answers there, whatever runs on this machine. */
  env(extra: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
    return {
      PATH: process.env.PATH,
      HOME: this.directory,
      DOCKER_HOST: `unix://${this.path('no-engine.sock')}`,
      DBUP_POOL: this.pool,
      TZ: 'UTC',
      ...extra,
    };
  }

  start(words: readonly string[], env: NodeJS.ProcessEnv = {}): ChildProcess {
    return spawn(process.execPath, [CLI_PATH, ...words], { cwd: this.directory, env: this.env(env) });
  }

  run(words: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    const child = this.start(words, options.env);
    child.stdin!.on('error', () => {});
    child.stdin!.end(options.stdin ?? new Uint8Array());
    return finished(child);
  }

  /** Runs with `--json` and gives back the document. */
  async json(words: readonly string[], options: RunOptions = {}): Promise<Record<string, never>> {
    const result = await this.run([...words, '--json'], options);
    if (result.code !== 0)
      throw new Error(`dbup ${words.join(' ')} ended in ${result.code}: ${result.stderr}`);
    return JSON.parse(result.stdout) as Record<string, never>;
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

export interface RunOptions {
  env?: NodeJS.ProcessEnv;
  stdin?: Uint8Array;
}

export interface RunResult {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stdoutBytes: Buffer;
  stderr: string;
}

/** Waits for a process and collects what it wrote. */
export function finished(child: ChildProcess): Promise<RunResult> {
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout!.on('data', (piece: Buffer) => out.push(piece));
  child.stderr!.on('data', (piece: Buffer) => err.push(piece));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      const stdoutBytes = Buffer.concat(out);
      const stderr = Buffer.concat(err).toString();
      resolve({ code, signal, stdout: stdoutBytes.toString(), stdoutBytes, stderr });
    });
  });
}

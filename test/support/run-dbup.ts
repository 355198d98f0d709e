import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const CLI = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));

/** How a program ended and what it wrote. */
export interface ProgramRun {
  /** The exit code; null when a signal ended it. */
  exitCode: number | null;
  stdout: string;
  stderr: string;
}

/** The real command line in processes of their own, with a directory for pools and files that is gone when disposed of. */
export class CliRoom implements AsyncDisposable {
  readonly root: string;
  readonly env: NodeJS.ProcessEnv;

  private constructor(root: string, env: NodeJS.ProcessEnv) {
    this.root = root;
    // Nothing of this machine's own configuration is read or written.
    this.env = {
      PATH: process.env.PATH,
      TMPDIR: tmpdir(),
      HOME: root,
      LC_ALL: 'C',
      DBUP_POOL: join(root, 'pool'),
      DBUP_CACHE_DIR: join(root, 'cache'),
      ...env,
    };
  }

  static async create(env: NodeJS.ProcessEnv = {}): Promise<CliRoom> {
    return new CliRoom(await mkdtemp(join(tmpdir(), 'dbup-cli-')), env);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.root, { recursive: true, force: true });
  }

  path(name: string): string {
    return join(this.root, name);
  }

  async file(name: string, bytes: Uint8Array): Promise<string> {
    await writeFile(this.path(name), bytes);
    return this.path(name);
  }

  /** Starts `dbup`, whose end is waited for with {@link ended}. */
  start(words: readonly string[], env: NodeJS.ProcessEnv = {}): ChildProcess {
    return spawn(process.execPath, [CLI, ...words], {
      env: { ...this.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  }

  run(words: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<ProgramRun> {
    return ended(this.start(words, env));
  }

  /** Runs a command to its good end and returns its JSON document. */
  async json<Document>(words: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Document> {
    const run = await this.run(['--json', '--progress', 'none', ...words], env);
    if (run.exitCode !== 0) throw new Error(`dbup ${words.join(' ')}: exit ${run.exitCode}\n${run.stderr}`);
    return JSON.parse(run.stdout) as Document;
  }

  /** What `load REF -o FILE` wrote, or how it failed. */
  async load(address: string, env: NodeJS.ProcessEnv = {}): Promise<Uint8Array | ProgramRun> {
    const out = this.path('loaded.tar');
    await rm(out, { force: true });
    const run = await this.run(['--quiet', 'load', address, '-o', out], env);
    return run.exitCode === 0 ? readFile(out) : run;
  }

  /** Loads and compares: `exact`, `different`, or the exit code and the reason. */
  async loadVerdict(address: string, expected: Uint8Array, env: NodeJS.ProcessEnv = {}): Promise<string> {
    const loaded = await this.load(address, env);
    if (!(loaded instanceof Uint8Array)) return `exit ${loaded.exitCode}: ${loaded.stderr}`;
    return Buffer.compare(loaded, expected) === 0 ? 'exact' : 'different';
  }
}

/** Runs any program. */
export function runProgram(
  program: string,
  words: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<ProgramRun> {
  return ended(spawn(program, words, { env: { ...env, LC_ALL: 'C' }, stdio: ['ignore', 'pipe', 'pipe'] }));
}

/** Waits for a process and for all it wrote. */
export async function ended(child: ChildProcess): Promise<ProgramRun> {
  const texts = { stdout: '', stderr: '' };
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    texts.stdout += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    texts.stderr += text;
  });
  const [exitCode] = (await once(child, 'close')) as [number | null];
  return { exitCode, ...texts };
}

/** Kills a process at once, as a power cut would, and waits for its end. True when it was still running. */
export async function killHard(child: ChildProcess): Promise<boolean> {
  if (child.exitCode !== null || child.signalCode !== null) return false;
  const closed = once(child, 'close');
  child.kill('SIGKILL');
  await closed;
  return child.signalCode === 'SIGKILL';
}

/** Names of the pool's packs or snapshots, sorted; none where the directory is missing. */
export async function namesIn(directory: string): Promise<string[]> {
  try {
    return (await readdir(directory)).sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

import { Writable } from 'node:stream';
import { main } from '../../src/commands/program.js';
import { EXIT_CODES } from '../../src/core/errors.js';
import { Output } from '../../src/ui/output.js';

/** What a command came to, run in this process as the program runs it. */
export interface CommandRun {
  exitCode: number;
  stdout: string;
  /** Of the errors and warnings told on the way. */
  codes: string[];
  /** What is said to do about them. */
  hints: string[];
}

const KNOWN_EXITS: readonly number[] = Object.values(EXIT_CODES).map(({ code }) => code);
const QUIET = { on: () => {}, off: () => {}, exit: () => {} };

/**
 * Runs dbup with `--json`.
 * @throws TypeError when it ends in an unexpected error, with an exit code of no table, or does not print what it promises
 */
export async function runCommand(words: readonly string[], env: NodeJS.ProcessEnv): Promise<CommandRun> {
  const [stdout, stderr] = [new Collected(), new Collected()];
  const output = new Output(stdout as never, stderr as never, env);
  const exitCode = await main(['--json', '--progress', 'none', '--threads', '1', ...words], output, QUIET);
  if (!KNOWN_EXITS.includes(exitCode)) throw new TypeError(`${words[0]}: exit ${exitCode}`);
  const lines = stderr.text.split('\n').filter((line) => line !== '');
  const told = lines.map(
    (line) =>
      JSON.parse(line) as { type: string; error?: { code: string; message: string; hint: string | null } },
  );
  const unexpected = told.find(({ error }) => error?.code === 'INTERNAL');
  if (unexpected) throw new TypeError(`${words[0]}: ${unexpected.error!.message}`);
  if (exitCode === 0 && stdout.text !== '') JSON.parse(stdout.text);
  if (exitCode !== 0 && told.length === 0 && stdout.text === '')
    throw new TypeError(`${words[0]} fails without a word`);
  const errors = told.flatMap(({ error }) => error ?? []);
  return {
    exitCode,
    stdout: stdout.text,
    codes: errors.map(({ code }) => code),
    hints: errors.map(({ hint }) => hint ?? ''),
  };
}

class Collected extends Writable {
  text = '';

  override _write(piece: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.text += piece.toString('utf8');
    done();
  }
}

import { Writable } from 'node:stream';
import { main } from '../../src/commands/program.js';
import { EXIT_CODES } from '../../src/core/errors.js';
import { Output } from '../../src/ui/output.js';
import { CliRoom, type ProgramRun } from './run-dbup.js';

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

/** Runs a command line in this process, as the program does: much quicker than to start one. */
export async function runHere(words: readonly string[], env: NodeJS.ProcessEnv): Promise<ProgramRun> {
  const [stdout, stderr] = [new Collected(), new Collected()];
  // What a process finds by its HOME, this one has elsewhere.
  const found = { XDG_CONFIG_HOME: `${env.HOME}/.config`, ...env };
  const exitCode = await main([...words], new Output(stdout as never, stderr as never, found), QUIET);
  return { exitCode, stdout: stdout.text, stderr: stderr.text };
}

/** A room whose commands run in this process. */
export async function roomHere(): Promise<CliRoom> {
  const room = await CliRoom.create();
  room.run = (words, env = {}) => runHere(words, { ...room.env, ...env });
  return room;
}

/**
 * Runs dbup with `--json`.
 * @throws TypeError when it ends in an unexpected error, with an exit code of no table, or does not print what it promises
 */
export async function runCommand(words: readonly string[], env: NodeJS.ProcessEnv): Promise<CommandRun> {
  const options = ['--json', '--progress', 'none', '--threads', '1'];
  const { exitCode, stdout, stderr } = await runHere([...options, ...words], env);
  if (exitCode === null || !KNOWN_EXITS.includes(exitCode))
    throw new TypeError(`${words[0]}: exit ${exitCode}`);
  const lines = stderr.split('\n').filter((line) => line !== '');
  const told = lines.map(
    (line) =>
      JSON.parse(line) as { type: string; error?: { code: string; message: string; hint: string | null } },
  );
  const unexpected = told.find(({ error }) => error?.code === 'INTERNAL');
  if (unexpected) throw new TypeError(`${words[0]}: ${unexpected.error!.message}`);
  if (exitCode === 0 && stdout !== '') JSON.parse(stdout);
  if (exitCode !== 0 && told.length === 0 && stdout === '')
    throw new TypeError(`${words[0]} fails without a word`);
  const errors = told.flatMap(({ error }) => error ?? []);
  return {
    exitCode,
    stdout,
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

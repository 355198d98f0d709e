import { DbupError, isSystemError } from '../core/errors.js';
import { printable } from '../image/engine/printable.js';
import { JSON_SCHEMA_VERSION, jsonText, toSnakeCase } from './json-text.js';
import { styleFor } from './style.js';

/**
 * The standard streams of the process: results on one, everything else on the other. Nobody reading any
 * more (a closed pipe) ends the writing, not the command.
 */
export class Output {
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  readonly env: NodeJS.ProcessEnv;

  constructor(stdout: NodeJS.WriteStream, stderr: NodeJS.WriteStream, env: NodeJS.ProcessEnv) {
    this.stdout = stdout;
    this.stderr = stderr;
    this.env = env;
    // Each write is told of its own failure; without a listener the process would die of it.
    for (const stream of [stdout, stderr]) stream.on('error', () => {});
  }

  /** Writes lines of a result and waits until they are handed over. @throws DbupError IO_ERROR when that fails (a full disk, say) */
  async result(lines: readonly string[]): Promise<void> {
    if (lines.length === 0) return;
    const failure = await written(this.stdout, `${lines.join('\n')}\n`);
    if (!failure || isSystemError(failure, 'EPIPE')) return;
    throw new DbupError('IO_ERROR', `the result could not be written: ${failure.message}`, {
      cause: failure,
    });
  }

  /** Writes the one JSON document of a command. */
  async document(command: string, result: unknown): Promise<void> {
    const body = toSnakeCase(result) as object;
    await this.result([jsonText({ schema_version: JSON_SCHEMA_VERSION, command, ...body }, 2)]);
  }

  /** Tells an error to a person, or as one line of JSON. */
  async error(
    error: DbupError,
    options: { command: string | null; json: boolean; debug: boolean },
  ): Promise<void> {
    if (options.json) {
      const line = {
        schema_version: JSON_SCHEMA_VERSION,
        type: 'error',
        command: options.command,
        error: errorFields(error),
      };
      await written(this.stderr, `${jsonText(line)}\n`);
      return;
    }
    const style = styleFor(this.stderr, this.env);
    const lines = [`${style.red('error:')} ${printable(error.message)} ${style.dim(`(${error.code})`)}`];
    if (error.hint !== undefined) lines.push(`  hint: ${printable(error.hint)}`);
    if (options.debug) lines.push(...stackLines(error));
    await written(this.stderr, `${lines.join('\n')}\n`);
  }

  /** Writes text for a person to standard error. */
  async notice(text: string): Promise<void> {
    await written(this.stderr, `${text}\n`);
  }
}

/** An error as `--json` prints it; docs/json.md describes the fields. */
export function errorFields(error: DbupError): unknown {
  return toSnakeCase({
    code: error.code,
    message: error.message,
    hint: error.hint ?? null,
    details: error.details,
    exitCode: error.exitCode,
  });
}

function stackLines(error: DbupError): string[] {
  const lines: string[] = [];
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    const told = `${at.name}: ${printable(at.message)}`;
    const frames = (at.stack ?? '').split('\n').filter((line) => /^ +at /.test(line));
    lines.push(
      `${lines.length === 0 ? '' : 'caused by: '}${told}`,
      ...frames.map((line) => `    ${printable(line)}`),
    );
  }
  return lines;
}

/** Resolves when the text is handed over, with the error if it could not be. */
function written(stream: NodeJS.WriteStream, text: string): Promise<Error | null | undefined> {
  return new Promise((resolve) => {
    stream.write(text, resolve);
  });
}

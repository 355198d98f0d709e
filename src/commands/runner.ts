import type { OperationContext } from '../core/context.js';
import { DbupError, EXIT_CODES, isSystemError, toDbupError } from '../core/errors.js';
import type { Pool } from '../pool/pool.js';
import { chooseReporter } from '../ui/choose-reporter.js';
import type { Output } from '../ui/output.js';
import type { Call, CommandDefinition, Outcome } from './command.js';
import { Interrupts, type SignalSource } from './interrupts.js';
import { openPoolFor } from './open-pool.js';
import { type FlagValues, resolveSettings } from './settings.js';

/** What was typed, taken apart. */
export interface Invocation {
  definition: CommandDefinition;
  args: readonly string[];
  /** Global ones and the command's own. */
  flags: Record<string, unknown>;
}

export interface RunnerParts {
  output: Output;
  signals: SignalSource;
  helpOf(command?: string): Promise<string | null>;
}

/**
 * Runs one command: settles the settings, opens the pool as the command declares, prints what comes back and
 * turns what is thrown into an exit code. The only place that does so.
 */
export async function runCommand(invocation: Invocation, parts: RunnerParts): Promise<number> {
  const { output } = parts;
  const { name } = invocation.definition;
  // An error in the settings themselves is told in the form the command line asks for.
  let json = invocation.flags.json === true;
  try {
    const settings = resolveSettings({ flags: invocation.flags as FlagValues, env: output.env });
    json = settings.json;
    const reporter = chooseReporter(output.stderr, {
      ...settings,
      env: output.env,
      now: () => performance.now(),
    });
    const interrupts = new Interrupts(parts.signals, () => {
      if (settings.json || settings.progress === 'json') return;
      reporter.report({ type: 'warning', message: 'interrupted; ending in order (once more ends at once)' });
    });
    const context: OperationContext = { report: reporter.report, signal: interrupts.signal, now: Date.now };
    const call: Call = { settings, context, env: output.env, stdout: output.stdout, helpOf: parts.helpOf };
    try {
      const outcome = await execute(invocation, call);
      reporter.close();
      await print(output, name, outcome, call);
      if (outcome.failure) return await endWithError(outcome.failure, { output, command: name, json });
      return EXIT_CODES[outcome.exit ?? 'ok'].code;
    } catch (error) {
      throw interrupts.signal.aborted ? asInterrupted(error) : error;
    } finally {
      reporter.close();
      interrupts.close();
    }
  } catch (error) {
    return endWithError(error, { output, command: name, json });
  }
}

async function execute({ definition, args, flags }: Invocation, call: Call): Promise<Outcome> {
  const request = definition.parse(args, flags as never, call);
  if (definition.access === 'none') return definition.run(request, call);
  const access = definition.changesNothing?.(request) ? 'read' : definition.access;
  const open = (): Promise<Pool> => openPoolFor(call, access, definition);
  let pool = await open();
  const reopenPool = async (): Promise<Pool> => {
    await pool.close();
    pool = await open();
    return pool;
  };
  try {
    return await definition.run(request, { ...call, pool, reopenPool });
  } finally {
    await pool.close();
  }
}

async function print(output: Output, command: string, outcome: Outcome, call: Call): Promise<void> {
  const { json, quiet } = call.settings;
  if (json) return output.document(command, outcome.json);
  const lines = quiet ? (outcome.quietLines ?? []) : outcome.lines;
  if (outcome.linesTo !== 'stderr') return output.result(lines);
  if (lines.length > 0) await output.notice(lines.join('\n'));
}

/** Tells an error and gives its exit code. Who reads a pipe no more has said that he knows enough: nothing is told then. */
export async function endWithError(
  error: unknown,
  options: { output: Output; command: string | null; json: boolean },
): Promise<number> {
  const { output, command, json } = options;
  if (isBrokenPipe(error)) return EXIT_CODES.failure.code;
  const told = toDbupError(error, command === null ? 'reading the command line' : `running dbup ${command}`);
  await output.error(told, { command, json, debug: Boolean(output.env.DBUP_DEBUG) });
  return told.exitCode;
}

/** Whatever an abort broke on its way is the interruption. */
function asInterrupted(error: unknown): DbupError {
  if (error instanceof DbupError && error.code === 'INTERRUPTED' && error.hint !== undefined) return error;
  return new DbupError('INTERRUPTED', 'interrupted', {
    hint: 'Nothing is lost. Run the same command again: what was already stored is reused.',
    cause: error,
  });
}

function isBrokenPipe(error: unknown): boolean {
  for (let at = error; at instanceof Error; at = at.cause) if (isSystemError(at, 'EPIPE')) return true;
  return false;
}

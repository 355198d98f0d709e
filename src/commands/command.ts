import type { OperationContext } from '../core/context.js';
import type { DbupError, ExitKind } from '../core/errors.js';
import type { Pool, PoolAccess } from '../pool/pool.js';
import type { Settings } from './settings.js';

export interface ArgumentDefinition {
  /** `<x>` is needed, `[x]` is not; `...` takes any number. */
  name: string;
  does: string;
  /** What a shell completes it with. */
  completes?: Completion;
}

export type Completion = 'reference' | 'file' | 'directory' | 'command' | readonly string[];

export interface OptionDefinition {
  /** As commander reads it: `-o, --output <file>`. */
  flags: string;
  does: string;
  /** Checks the text and makes the value of it. @throws DbupError USAGE */
  parse?: (text: string, what: string) => unknown;
  completes?: Completion;
  /** May be given several times; the value is then a list of what `parse` makes of each. */
  repeats?: boolean;
}

export interface Example {
  command: string;
  does: string;
}

/** What a command gives back; the runner prints it. */
export interface Outcome {
  /** The fields of the JSON document, in camelCase. */
  json: object;
  /** What a person reads. */
  lines: readonly string[];
  /** What `--quiet` leaves of it; nothing by default. */
  quietLines?: readonly string[];
  /** Where `lines` go when standard output carries something else. */
  linesTo?: 'stdout' | 'stderr';
  /** Of a result that is no success though nothing was thrown: damage that `verify` found. */
  exit?: ExitKind;
  /** Told after the result, and the command's exit: a part of the work that failed. */
  failure?: DbupError;
}

/** What a command may use while it runs. */
export interface Call {
  settings: Settings;
  context: OperationContext;
  env: NodeJS.ProcessEnv;
  /** For a command whose result is bytes; results in words are an `Outcome`. */
  stdout: NodeJS.WriteStream;
  /** The help of the program, or of one command; null for a name that is none. */
  helpOf(command?: string): Promise<string | null>;
}

export interface PoolCall extends Call {
  pool: Pool;
  /** Closes the pool and opens it again, for a command that goes on after an operation has used its pool up. */
  reopenPool(): Promise<Pool>;
}

interface CommandBase<Flags, Request> {
  name: string;
  /** One line, without a full stop. */
  summary: string;
  /** What the summary leaves open, in paragraphs. */
  details?: string;
  arguments?: readonly ArgumentDefinition[];
  options?: readonly OptionDefinition[];
  examples: readonly Example[];
  /**
   * Makes a request of what was typed, touching nothing. `flags` holds the options as commander names them
   * (`--keep-last` is `keepLast`). @throws DbupError USAGE, REFERENCE_INVALID
   */
  parse(args: readonly string[], flags: Flags, call: Call): Request;
}

/** A command that needs no pool. */
export interface PlainCommand<Flags, Request> extends CommandBase<Flags, Request> {
  access: 'none';
  run(request: Request, call: Call): Promise<Outcome>;
}

/** A command that works on a pool, opened for it with the access it declares. */
export interface PoolCommand<Flags, Request> extends CommandBase<Flags, Request> {
  access: PoolAccess;
  /** True for a request that changes nothing: it is given the access of a reader. */
  changesNothing?(request: Request): boolean;
  /** Run although the pool's descriptor is damaged. */
  despiteDescriptor?: boolean;
  /** Make the pool where there is none. */
  createsPool?: boolean;
  run(request: Request, call: PoolCall): Promise<Outcome>;
}

/** A command with its types put away, for lists of all of them. */
export type CommandDefinition = PlainCommand<never, unknown> | PoolCommand<never, unknown>;

/** Checks a definition's types against one another. */
export function defineCommand<Flags, Request>(
  definition: PlainCommand<Flags, Request> | PoolCommand<Flags, Request>,
): CommandDefinition {
  // Flags come from commander as the definition's own options declare them; the program builder keeps them together.
  return definition as unknown as CommandDefinition;
}

/** Arguments are an array of texts; this takes the one at a place commander has checked to be there. */
export function argumentAt(args: readonly string[], at: number): string {
  return args[at] ?? '';
}

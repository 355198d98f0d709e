import { Command, type CommanderError, Option } from 'commander';
import { DbupError, EXIT_CODES } from '../core/errors.js';
import type { Output } from '../ui/output.js';
import { COMMAND_NAMES, loadCommands } from './all-commands.js';
import type { CommandDefinition, OptionDefinition } from './command.js';
import type { SignalSource } from './interrupts.js';
import { endWithError, type Invocation, runCommand } from './runner.js';
import { SETTINGS } from './settings.js';

const DESCRIPTION = 'Every version of every container image, in one directory you can rsync.';
const EPILOGUE = `Examples:
  dbup save app:1.0                     save an image of the docker engine
  dbup load app:1.0~1                   load the version before the current one
  rsync -a ~/.local/share/dbup/pool/ host:pool/

\`dbup COMMAND --help\` shows the options and examples of a command; \`dbup help\` lists the other topics:
addresses, environment, exit-codes, json, rsync.`;

/** Thrown out of commander once a command line is understood; nothing runs inside of commander. */
class Understood {
  readonly invocation: Invocation;

  constructor(invocation: Invocation) {
    this.invocation = invocation;
  }
}

/** Thrown out of commander where help was asked for. */
class HelpWanted {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** Thrown out of commander where no command was given. */
class NothingWanted {
  readonly help: string;

  constructor(help: string) {
    this.help = help;
  }
}

/** Thrown out of commander where the words do not fit; the command is null where it is not known. */
class Misused {
  readonly error: DbupError;
  readonly command: string | null;

  constructor(error: DbupError, command: string | null) {
    this.error = error;
    this.command = command;
  }
}

/** Thrown out of commander at `--version`. */
class VersionWanted {}

/**
 * Runs the program on a command line.
 * @param words the command line after the program's name
 * @returns the exit code
 */
export async function main(words: readonly string[], output: Output, signals: SignalSource): Promise<number> {
  const json = words.includes('--json');
  try {
    const invocation = await understand(words, json);
    return await runCommand(invocation, { output, signals, helpOf });
  } catch (thrown) {
    if (thrown instanceof HelpWanted) {
      await output.result([thrown.text.trimEnd()]);
      return EXIT_CODES.ok.code;
    }
    if (thrown instanceof NothingWanted && !json) {
      // A script that lost its command must not go on as if it had been run.
      await output.notice(thrown.help.trimEnd());
      return EXIT_CODES.usage.code;
    }
    if (thrown instanceof NothingWanted) return endWithError(noCommand(), { output, command: null, json });
    if (thrown instanceof Misused) {
      return endWithError(thrown.error, { output, command: thrown.command, json });
    }
    return endWithError(thrown, { output, command: null, json });
  }
}

/** Reads the command line. Only the commands it may mean are loaded, unless it takes all of them to tell what is wrong. */
async function understand(words: readonly string[], json: boolean): Promise<Invocation> {
  const named = COMMAND_NAMES.filter((name) => words.includes(name));
  const first = parseWords(buildProgram(await loadCommands(named)), words);
  const thrown = first instanceof Understood ? first : parseWords(buildProgram(await loadCommands()), words);
  if (thrown instanceof Understood) return thrown.invocation;
  if (!(thrown instanceof VersionWanted)) throw thrown;
  const [definition] = await loadCommands(['version']);
  return { definition: definition!, args: [], flags: json ? { json } : {} };
}

/** What the program throws on these words; it always throws. */
function parseWords(program: Command, words: readonly string[]): unknown {
  try {
    program.parse(words, { from: 'user' });
  } catch (thrown) {
    return thrown;
  }
  return new NothingWanted(helpText(program));
}

/** The command line's grammar, made of the commands' definitions. */
export function buildProgram(definitions: readonly CommandDefinition[]): Command {
  const program = new Command('dbup');
  program
    .description(DESCRIPTION)
    .usage('[options] COMMAND')
    .helpCommand(false)
    .helpOption('-h, --help', 'show help')
    .addHelpText('after', `\n${EPILOGUE}`)
    .option('-V, --version', 'show the version')
    .showSuggestionAfterError(true)
    .configureOutput({ writeErr: () => {}, writeOut: () => {}, outputError: () => {} })
    .configureHelp({ showGlobalOptions: true, sortSubcommands: false });
  for (const { flags, does, otherwise } of Object.values(SETTINGS)) {
    program.addOption(new Option(flags, otherwise === 'false' ? does : `${does} (default: ${otherwise})`));
  }
  guard(program);
  program.on('option:version', () => {
    throw new VersionWanted();
  });
  for (const definition of definitions) addCommand(program, definition);
  return program;
}

function addCommand(program: Command, definition: CommandDefinition): void {
  const { name, summary, details, examples } = definition;
  const command = program.command(name).summary(summary);
  const sentence = `${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`;
  command.description(details === undefined ? sentence : `${sentence}\n\n${details}`);
  for (const { name: argument, does } of definition.arguments ?? []) command.argument(argument, does);
  for (const option of definition.options ?? []) command.addOption(commanderOption(option));
  const width = Math.max(...examples.map((example) => example.command.length));
  const lines = examples.map((example) => `  ${example.command.padEnd(width)}   ${example.does}`);
  command.addHelpText('after', `\nExamples:\n${lines.join('\n')}`);
  guard(command);
  command.action(() => {
    throw new Understood(invocationOf(command, definition));
  });
}

function commanderOption({ flags, does, parse, repeats }: OptionDefinition): Option {
  const option = new Option(flags, does);
  if (repeats) {
    option.argParser((text: string, before: unknown[] | undefined) => [
      ...(before ?? []),
      parse ? parse(text, option.long ?? option.flags) : text,
    ]);
  } else if (parse) option.argParser((text: string) => parse(text, option.long ?? option.flags));
  return option;
}

function invocationOf(command: Command, definition: CommandDefinition): Invocation {
  return { definition, args: command.args, flags: command.optsWithGlobals() };
}

/** Every way commander ends by itself becomes a thrown value of ours. */
function guard(command: Command): void {
  command.exitOverride((error: CommanderError) => {
    if (error.code === 'commander.helpDisplayed') throw new HelpWanted(helpText(command));
    if (error.code === 'commander.help') throw new NothingWanted(helpText(command));
    throw new Misused(usageError(command, error), command.parent ? command.name() : null);
  });
}

function helpText(command: Command): string {
  let text = '';
  command.configureOutput({
    writeOut: (piece) => {
      text += piece;
    },
    writeErr: () => {},
  });
  command.outputHelp();
  return text;
}

async function helpOf(name?: string): Promise<string | null> {
  const program = buildProgram(await loadCommands());
  if (name === undefined) return helpText(program);
  const command = program.commands.find((candidate) => candidate.name() === name);
  return command ? helpText(command) : null;
}

function noCommand(): DbupError {
  return new DbupError('USAGE', 'no command was given', { hint: '`dbup --help` lists them.' });
}

function usageError(command: Command, error: CommanderError): DbupError {
  const [first = '', ...rest] = error.message.replace(/^error: /, '').split('\n');
  const suggestion = rest
    .join(' ')
    .trim()
    .replace(/^\((.*)\)$/, '$1');
  const path = command.parent ? `dbup ${command.name()}` : 'dbup';
  const see = `\`${path} --help\` shows how it is written.`;
  return new DbupError('USAGE', first.replace(/\.$/, ''), {
    hint: suggestion === '' ? see : `${suggestion} ${see}`,
  });
}

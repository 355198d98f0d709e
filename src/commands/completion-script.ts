import { PROGRESS_MODES } from '../ui/reporter.js';
import type { CommandDefinition, Completion } from './command.js';
import { topicNames } from './help-topics.js';
import { SETTINGS } from './settings.js';

/** What stands for `command` is a list by then. */
type Candidates = Exclude<Completion, 'command'> | undefined;

/** What a shell has to know of an option. */
interface OptionWords {
  /** `-o` and `--output`. */
  names: string[];
  does: string;
  takesValue: boolean;
  completes: Candidates;
}

interface CommandWords {
  name: string;
  summary: string;
  options: OptionWords[];
  /** What its arguments are completed with. */
  completes: Candidates;
}

/** A script for a shell that completes commands, options, files, and references by asking `dbup ls --quiet`. */
export function completionScript(
  shell: 'bash' | 'zsh' | 'fish',
  definitions: readonly CommandDefinition[],
): string {
  const helpWords = [...definitions.map(({ name }) => name), ...topicNames()];
  const commands = definitions.map((definition) => commandWords(definition, helpWords));
  const globals = globalOptions();
  if (shell === 'bash') return bashScript(commands, globals);
  if (shell === 'zsh') return zshScript(commands, globals);
  return fishScript(commands, globals);
}

function commandWords(definition: CommandDefinition, helpWords: readonly string[]): CommandWords {
  const { name, summary, options = [], arguments: args = [] } = definition;
  const candidates = (completes: Completion | undefined): Candidates =>
    completes === 'command' ? helpWords : completes;
  const all = options.map(({ flags, does, completes }) => optionWords(flags, does, candidates(completes)));
  return { name, summary, options: all, completes: candidates(args[0]?.completes) };
}

function globalOptions(): OptionWords[] {
  const completes: Partial<Record<keyof typeof SETTINGS, Candidates>> = {
    pool: 'directory',
    cacheDir: 'directory',
    progress: PROGRESS_MODES,
  };
  const settings = Object.entries(SETTINGS).map(([name, { flags, does }]) =>
    optionWords(flags, does, completes[name as keyof typeof SETTINGS]),
  );
  return [...settings, optionWords('-h, --help', 'show help', undefined)];
}

function optionWords(flags: string, does: string, completes: Candidates): OptionWords {
  return {
    names: flags.match(/(?<![\w<])--?[a-zA-Z][a-z-]*/g) ?? [],
    does,
    takesValue: flags.includes('<'),
    completes,
  };
}

function valueOptionNames(options: readonly OptionWords[]): string[] {
  return options.filter(({ takesValue }) => takesValue).flatMap(({ names }) => names);
}

function bashScript(commands: readonly CommandWords[], globals: readonly OptionWords[]): string {
  const names = commands.map(({ name }) => name).join(' ');
  const all = [...globals, ...commands.flatMap(({ options }) => options)];
  const optionCases = commands.map(({ name, options }) => {
    const words = [...options, ...globals].flatMap((option) => option.names);
    return `    ${name}) options="${words.join(' ')}" ;;`;
  });
  const valueCases = [...groupByCompletion(all.filter(({ takesValue }) => takesValue))].map(
    ([action, options]) =>
      `    ${options.flatMap((option) => option.names).join('|')}) ${bashAction(action)}; return ;;`,
  );
  const argumentCases = commands
    .filter(({ completes }) => completes !== undefined)
    .map(({ name, completes }) => `    ${name}) ${bashAction(completes)} ;;`);
  return `# bash completion of dbup
__dbup_references() {
  command dbup "\${pool[@]}" ls --quiet 2>/dev/null
}
__dbup_words() {
  local word
  # A reference holds colons, which readline breaks words at: what stands before the last one is there already.
  local typed="$current" prefix=""
  if [[ "$typed" == *:* && "$COMP_WORDBREAKS" == *:* ]]; then prefix="\${typed%"\${typed##*:}"}"; fi
  while IFS= read -r word; do
    COMPREPLY+=("\${word#"$prefix"}")
  done < <(compgen -W "$1" -- "$typed")
}
__dbup_files() {
  local word
  while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen "$1" -- "$current")
  compopt -o filenames 2>/dev/null
}
_dbup() {
  local line="\${COMP_LINE:0:COMP_POINT}" current="" previous="" command="" options="" word at
  local -a words=() pool=()
  COMPREPLY=()
  read -r -a words <<<"$line"
  if [[ "$line" == *[[:space:]] ]]; then words+=(""); fi
  current="\${words[\${#words[@]} - 1]}"
  previous="\${words[\${#words[@]} - 2]}"
  for ((at = 1; at < \${#words[@]} - 1; at++)); do
    word="\${words[at]}"
    case "$word" in
    --pool) pool=(--pool "\${words[at + 1]}"); at=$((at + 1)) ;;
    ${valueOptionNames(all)
      .filter((name) => name !== '--pool')
      .join('|')}) at=$((at + 1)) ;;
    -*) ;;
    *) if [[ -z "$command" ]]; then command="$word"; fi ;;
    esac
  done
  case "$previous" in
${valueCases.join('\n')}
  esac
  if [[ "$current" == -* ]]; then
    options="${globals.flatMap((option) => option.names).join(' ')} --version"
    case "$command" in
${optionCases.join('\n')}
    esac
    __dbup_words "$options"
    return
  fi
  case "$command" in
    "") __dbup_words "${names}" ;;
${argumentCases.join('\n')}
  esac
}
complete -F _dbup dbup`;
}

function bashAction(completes: Candidates): string {
  if (completes === undefined) return ':';
  if (completes === 'file') return '__dbup_files -f';
  if (completes === 'directory') return '__dbup_files -d';
  if (completes === 'reference') return '__dbup_words "$(__dbup_references)"';
  return `__dbup_words "${completes.join(' ')}"`;
}

function groupByCompletion(options: readonly OptionWords[]): Map<Candidates, OptionWords[]> {
  const groups = new Map<Candidates, OptionWords[]>();
  for (const option of options) {
    const group = groups.get(option.completes);
    if (group) group.push(option);
    else groups.set(option.completes, [option]);
  }
  return groups;
}

function zshScript(commands: readonly CommandWords[], globals: readonly OptionWords[]): string {
  const all = [...globals, ...commands.flatMap(({ options }) => options)];
  const described = commands.map(
    ({ name, summary }) => `    ${zshQuote(`${name}:${summary.replaceAll(':', '\\:')}`)}`,
  );
  const valueCases = [...groupByCompletion(all.filter(({ takesValue }) => takesValue))].map(
    ([action, options]) =>
      `    ${options.flatMap((option) => option.names).join('|')}) ${zshAction(action)}; return ;;`,
  );
  const optionCases = commands.map(({ name, options }) => {
    const words = [...options, ...globals].flatMap((option) => option.names);
    return `      ${name}) options=(${words.join(' ')}) ;;`;
  });
  const argumentCases = commands
    .filter(({ completes }) => completes !== undefined)
    .map(({ name, completes }) => `    ${name}) ${zshAction(completes)} ;;`);
  return `#compdef dbup
# zsh completion of dbup
__dbup_references() {
  local -a references
  references=(\${(f)"$(command dbup "\${pool[@]}" ls --quiet 2>/dev/null)"})
  compadd -a references
}
_dbup() {
  local command="" word
  local -a pool options commands
  local -i at
  commands=(
${described.join('\n')}
  )
  for ((at = 2; at < CURRENT; at++)); do
    word="\${words[at]}"
    case "$word" in
    --pool) pool=(--pool "\${words[at + 1]}"); at+=1 ;;
    ${valueOptionNames(all)
      .filter((name) => name !== '--pool')
      .join('|')}) at+=1 ;;
    -*) ;;
    *) [[ -z "$command" ]] && command="$word" ;;
    esac
  done
  case "\${words[CURRENT - 1]}" in
${valueCases.join('\n')}
  esac
  if [[ "\${words[CURRENT]}" == -* ]]; then
    options=(${globals.flatMap((option) => option.names).join(' ')} --version)
    case "$command" in
${optionCases.join('\n')}
    esac
    compadd -a options
    return
  fi
  case "$command" in
    "") _describe command commands ;;
${argumentCases.join('\n')}
  esac
}
if [[ "\${funcstack[1]}" == _dbup ]]; then _dbup "$@"; else compdef _dbup dbup; fi`;
}

function zshAction(completes: Candidates): string {
  if (completes === undefined) return '_message value';
  if (completes === 'file') return '_files';
  if (completes === 'directory') return '_files -/';
  if (completes === 'reference') return '__dbup_references';
  return `compadd ${[...completes].join(' ')}`;
}

function zshQuote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function fishScript(commands: readonly CommandWords[], globals: readonly OptionWords[]): string {
  const lines = [
    '# fish completion of dbup',
    'function __dbup_references',
    '    set -l words (commandline -opc)',
    '    set -l pool',
    '    set -l at (contains -i -- --pool $words)',
    '    and set pool --pool $words[(math $at + 1)]',
    '    command dbup $pool ls --quiet 2>/dev/null',
    'end',
    'complete -c dbup -f',
    "complete -c dbup -n __fish_use_subcommand -l version -s V -d 'show the version'",
  ];
  for (const option of globals) lines.push(`complete -c dbup ${fishOption(option)}`);
  for (const { name, summary, options, completes } of commands) {
    lines.push(`complete -c dbup -n __fish_use_subcommand -a ${name} -d ${fishQuote(summary)}`);
    const here = `complete -c dbup -n ${fishQuote(`__fish_seen_subcommand_from ${name}`)}`;
    for (const option of options) lines.push(`${here} ${fishOption(option)}`);
    const action = fishAction(completes);
    if (action !== '') lines.push(`${here} ${action}`);
  }
  return lines.join('\n');
}

function fishOption({ names, does, takesValue, completes }: OptionWords): string {
  const flags = names.map((name) => (name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`));
  // -x is -r and -f: a value is needed, and it is no file.
  const value = !takesValue ? '' : completes === 'file' ? ' -r -F' : ` -x ${fishAction(completes)}`.trimEnd();
  return `${flags.join(' ')} -d ${fishQuote(does)}${value}`;
}

function fishAction(completes: Candidates): string {
  if (completes === undefined) return '';
  if (completes === 'file') return '-F';
  if (completes === 'directory') return "-a '(__fish_complete_directories)'";
  if (completes === 'reference') return "-a '(__dbup_references)'";
  return `-a ${fishQuote([...completes].join(' '))}`;
}

function fishQuote(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}

import { defineCommand, type Outcome } from './command.js';
import { oneOf } from './values.js';

const SHELLS = ['bash', 'zsh', 'fish'] as const;
type Shell = (typeof SHELLS)[number];

export const completionCommand = defineCommand<object, Shell>({
  name: 'completion',
  summary: 'print a completion script for bash, zsh or fish',
  details: 'It completes commands, options, files and the references of the pool.',
  arguments: [{ name: '<shell>', does: SHELLS.join(', '), completes: SHELLS }],
  examples: [
    { command: 'source <(dbup completion bash)', does: 'in ~/.bashrc' },
    { command: 'source <(dbup completion zsh)', does: 'in ~/.zshrc, after compinit' },
    { command: 'dbup completion fish > ~/.config/fish/completions/dbup.fish', does: 'for fish' },
  ],
  access: 'none',
  parse: (args) => oneOf(SHELLS)(args[0] ?? '', 'the shell'),
  async run(shell): Promise<Outcome> {
    const [{ completionScript }, { loadCommands }] = await Promise.all([
      import('./completion-script.js'),
      import('./all-commands.js'),
    ]);
    const script = completionScript(shell, await loadCommands());
    return { json: { shell, script }, lines: [script], quietLines: [script] };
  },
});

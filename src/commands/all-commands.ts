import type { CommandDefinition } from './command.js';

/** Every command, in the order help lists them: daily use first. Loaded one by one, for a quick start. */
const COMMANDS: Readonly<Record<string, () => Promise<CommandDefinition>>> = {
  save: async () => (await import('./save.js')).saveCommand,
  load: async () => (await import('./load.js')).loadCommand,
  estimate: async () => (await import('./estimate.js')).estimateCommand,
  ls: async () => (await import('./ls.js')).lsCommand,
  log: async () => (await import('./log.js')).logCommand,
  show: async () => (await import('./show.js')).showCommand,
  rollback: async () => (await import('./rollback.js')).rollbackCommand,
  tag: async () => (await import('./tag.js')).tagCommand,
  rm: async () => (await import('./rm.js')).rmCommand,
  gc: async () => (await import('./gc.js')).gcCommand,
  verify: async () => (await import('./verify.js')).verifyCommand,
  repair: async () => (await import('./repair.js')).repairCommand,
  parity: async () => (await import('./parity.js')).parityCommand,
  stats: async () => (await import('./stats.js')).statsCommand,
  reindex: async () => (await import('./reindex.js')).reindexCommand,
  init: async () => (await import('./init.js')).initCommand,
  completion: async () => (await import('./completion.js')).completionCommand,
  version: async () => (await import('./version.js')).versionCommand,
  help: async () => (await import('./help.js')).helpCommand,
};

export const COMMAND_NAMES: readonly string[] = Object.keys(COMMANDS);

/** Loads the definitions of some commands, or of all. */
export function loadCommands(names: readonly string[] = COMMAND_NAMES): Promise<CommandDefinition[]> {
  const loaders = COMMAND_NAMES.filter((name) => names.includes(name)).map((name) => COMMANDS[name]!);
  return Promise.all(loaders.map((load) => load()));
}

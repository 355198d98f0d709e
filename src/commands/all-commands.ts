import type { CommandDefinition } from './command.js';
import { completionCommand } from './completion.js';
import { gcCommand } from './gc.js';
import { helpCommand } from './help.js';
import { initCommand } from './init.js';
import { loadCommand } from './load.js';
import { logCommand } from './log.js';
import { lsCommand } from './ls.js';
import { reindexCommand } from './reindex.js';
import { repairCommand } from './repair.js';
import { rmCommand } from './rm.js';
import { rollbackCommand } from './rollback.js';
import { saveCommand } from './save.js';
import { showCommand } from './show.js';
import { statsCommand } from './stats.js';
import { tagCommand } from './tag.js';
import { verifyCommand } from './verify.js';
import { versionCommand } from './version.js';

/** Every command, in the order help lists them: daily use first. */
export function allCommands(): readonly CommandDefinition[] {
  return [
    saveCommand,
    loadCommand,
    lsCommand,
    logCommand,
    showCommand,
    rollbackCommand,
    tagCommand,
    rmCommand,
    gcCommand,
    verifyCommand,
    repairCommand,
    statsCommand,
    reindexCommand,
    initCommand,
    completionCommand,
    versionCommand,
    helpCommand,
  ];
}

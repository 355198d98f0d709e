import { DbupError } from '../core/errors.js';
import type { RepairResult } from '../operations/repair.js';
import { formatBytes, formatCount } from '../ui/format-units.js';
import { defineCommand, type Outcome } from './command.js';
import { findingLines, verdictExit } from './verify.js';

interface RepairFlags {
  from?: string;
}

export const repairCommand = defineCommand<RepairFlags, { from: string | null }>({
  name: 'repair',
  summary: 'heal damaged or missing files, from parity or another copy',
  details: [
    'Reads every byte of this pool, computes what is damaged or missing from its parity files (`dbup parity`), takes what',
    'these do not give from the other pool, where one is named and as far as that is sound, and says what is still wrong.',
    'The other pool is only read. Needs this pool for itself while it runs.',
  ].join(' '),
  options: [
    {
      flags: '--from <pool>',
      does: 'another copy of this pool, or one that shares content',
      completes: 'directory',
    },
  ],
  examples: [
    { command: 'dbup repair', does: 'from its own parity' },
    { command: 'dbup repair --from /mnt/backup/pool', does: 'from a copy on another disk' },
    { command: 'dbup repair --from ~/pool-of-host-b --json', does: 'for programs' },
  ],
  access: 'exclusive',
  despiteDescriptor: true,
  parse(_args, { from }) {
    if (from !== '') return { from: from ?? null };
    throw new DbupError('USAGE', 'no pool to repair from was named', {
      hint: 'Write `dbup repair --from OTHER_POOL`, or `dbup repair` to use parity alone.',
    });
  },
  async run({ from }, { pool, context }): Promise<Outcome> {
    const { repair } = await import('../operations/repair.js');
    const result = await repair(pool, from, context);
    const lines = linesOf(result, from);
    const wrong = result.damaged || result.incomplete;
    return { json: { from, ...result }, lines, quietLines: wrong ? lines : [], exit: verdictExit(result) };
  },
});

function linesOf(result: RepairResult, from: string | null): string[] {
  const lines = result.repaired.map(
    ({ file, action, sizeBytes }) =>
      `${action}: ${file}${sizeBytes > 0 ? ` (${formatBytes(sizeBytes)})` : ''}`,
  );
  if (!result.damaged && !result.incomplete) {
    const what =
      result.repaired.length === 0
        ? 'nothing to repair'
        : `${formatCount(result.repaired.length, 'file')} repaired`;
    return [...lines, `${what}; the pool is sound`];
  }
  return [
    ...lines,
    ...findingLines(result.findingsAfter),
    `still ${result.damaged ? 'DAMAGED' : 'INCOMPLETE'}: ${from === null ? 'this pool lacks' : 'neither pool holds'} ${formatCount(result.stillMissing, 'chunk')} that versions need`,
    ...(from === null ? ['`dbup repair --from OTHER_POOL` takes it from another copy.'] : []),
  ];
}

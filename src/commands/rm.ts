import { DbupError } from '../core/errors.js';
import type { KeepRules } from '../operations/retention.js';
import type { RemovalPlan, RemovalRequest } from '../operations/rm.js';
import { formatBytes, formatCount, formatTime, shortId } from '../ui/format-units.js';
import { renderTable } from '../ui/table.js';
import { defineCommand, type OptionDefinition, type Outcome } from './command.js';
import { someText, wholeNumber } from './values.js';

interface RmFlags {
  keepLast?: number;
  keepHourly?: number;
  keepDaily?: number;
  keepWeekly?: number;
  keepMonthly?: number;
  keepYearly?: number;
  keepWithin?: string;
  dryRun?: boolean;
}

interface RmRequest {
  removal: RemovalRequest;
  dryRun: boolean;
}

const MAX_KEEP = 1_000_000;

export const rmCommand = defineCommand<RmFlags, RmRequest>({
  name: 'rm',
  summary: 'forget versions: those named, or all but those that rules keep',
  details: [
    'A reference stands for all its versions, app:1.0~2 or app:1.0@SNAPSHOT for one. With --keep rules every',
    'version stays that some rule keeps; the rules apply to each reference by itself, and to those named only if',
    'any are named (app:* and other patterns too). The space is free again after `dbup gc`. A version whose snapshot',
    'file is damaged goes by its id: `dbup rm ID`, all 64 digits.',
  ].join(' '),
  arguments: [{ name: '[ref...]', does: 'references or versions', completes: 'reference' }],
  options: [
    keepOption('last', 'the newest N versions'),
    keepOption('hourly', 'the newest of each of N hours that have one'),
    keepOption('daily', 'the newest of each of N days that have one'),
    keepOption('weekly', 'the newest of each of N weeks that have one'),
    keepOption('monthly', 'the newest of each of N months that have one'),
    keepOption('yearly', 'the newest of each of N years that have one'),
    {
      flags: '--keep-within <duration>',
      does: 'keep what is younger than 12h, 30d, 1y6m before the newest',
      parse: someText,
    },
    { flags: '-n, --dry-run', does: 'say what would be forgotten, and forget nothing' },
  ],
  examples: [
    { command: 'dbup rm app:1.0~3', does: 'one version' },
    { command: 'dbup rm app:old', does: 'every version of app:old' },
    { command: 'dbup rm --keep-last 5 --keep-daily 14 --dry-run', does: 'what the rules would forget' },
    { command: 'dbup rm --keep-last 3 "ci/*"', does: 'the rules for some references only' },
  ],
  access: 'append',
  changesNothing: ({ dryRun }) => dryRun,
  parse: parseRequest,
  async run({ removal, dryRun }, { pool, context }): Promise<Outcome> {
    const { executeRemoval, planRemoval } = await import('../operations/rm.js');
    const plan = await planRemoval(pool, removal, context);
    if (!dryRun) await executeRemoval(pool, plan, context);
    return { json: { dryRun, ...plan }, lines: linesOf(plan, dryRun) };
  },
});

function keepOption(rule: string, does: string): OptionDefinition {
  return { flags: `--keep-${rule} <n>`, does: `keep ${does}`, parse: wholeNumber(0, MAX_KEEP) };
}

function parseRequest(args: readonly string[], flags: RmFlags): RmRequest {
  const dryRun = flags.dryRun ?? false;
  const keep = keepRules(flags);
  if (keep === null) {
    if (args.length > 0) return { removal: { addresses: [...args] }, dryRun };
    throw new DbupError('USAGE', 'nothing was named and no rule was given', {
      hint: 'Write `dbup rm REF`, or rules such as `dbup rm --keep-last 5`; --dry-run shows what they would forget.',
    });
  }
  const patterns = args.some((address) => /[*?[]/.test(address));
  if (patterns) return { removal: { addresses: [], keep: { ...keep, references: [...args] } }, dryRun };
  return { removal: { addresses: [...args], keep }, dryRun };
}

/** null where no rule is given. */
function keepRules(flags: RmFlags): KeepRules | null {
  const { keepLast, keepHourly, keepDaily, keepWeekly, keepMonthly, keepYearly, keepWithin } = flags;
  const rules: KeepRules = {
    ...(keepLast !== undefined && { last: keepLast }),
    ...(keepHourly !== undefined && { hourly: keepHourly }),
    ...(keepDaily !== undefined && { daily: keepDaily }),
    ...(keepWeekly !== undefined && { weekly: keepWeekly }),
    ...(keepMonthly !== undefined && { monthly: keepMonthly }),
    ...(keepYearly !== undefined && { yearly: keepYearly }),
    ...(keepWithin !== undefined && { within: keepWithin }),
  };
  return Object.keys(rules).length > 0 ? rules : null;
}

function linesOf({ keep, remove, unreadable }: RemovalPlan, dryRun: boolean): string[] {
  const fate = dryRun ? 'would forget' : 'forgotten';
  const removed = remove.map((version) => ({ version, fate }));
  // Without rules what stays is simply what was not named.
  const kept = keep
    .filter(({ reasons }) => reasons.length > 0)
    .map(({ version, reasons }) => ({ version, fate: `kept: ${reasons.join(', ')}` }));
  const entries = [...removed, ...kept];
  const table = renderTable(
    [
      { title: 'VERSION' },
      { title: 'SNAPSHOT' },
      { title: 'SAVED' },
      { title: 'SIZE', align: 'right' },
      { title: dryRun ? 'WHAT WOULD HAPPEN' : 'WHAT HAPPENED' },
    ],
    [
      ...entries.map((entry) => [
        entry.version.address,
        shortId(entry.version.snapshotId),
        formatTime(entry.version.createdAt),
        formatBytes(entry.version.imageBytes),
        entry.fate,
      ]),
      ...unreadable.map(({ snapshotId }) => ['unreadable', shortId(snapshotId), '-', '-', fate]),
    ],
  );
  const count = formatCount(remove.length + unreadable.length, 'version');
  const summary = dryRun
    ? `${count} would be forgotten; nothing was changed`
    : remove.length + unreadable.length === 0
      ? 'nothing to forget'
      : `${count} forgotten; \`dbup gc\` frees the space`;
  return entries.length + unreadable.length === 0 ? [summary] : [...table, summary];
}

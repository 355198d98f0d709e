import { DbupError } from '../core/errors.js';
import type { GcResult } from '../operations/gc.js';
import type { GcPlan } from '../operations/gc-plan.js';
import { formatBytes, formatCount } from '../ui/format-units.js';
import { renderFields } from '../ui/table.js';
import { defineCommand, type Outcome } from './command.js';
import { leftOutFailure, parityLines } from './parity.js';
import { LEVEL_SETTING, PARITY_SETTING } from './settings.js';

interface GcFlags {
  dryRun?: boolean;
  repack?: boolean;
  /** Checked with the other settings. */
  level?: string;
}

interface GcRequest {
  dryRun: boolean;
  repack: boolean;
}

const STALE_PARITY = 'parity of packs that are gone heals less than it could: run `dbup parity`';

export const gcCommand = defineCommand<GcFlags, GcRequest>({
  name: 'gc',
  summary: 'free the space of what no version needs',
  details: [
    'Removes packs that nothing needs, and rewrites those of which enough is garbage: what is rewritten travels',
    'again with the next sync, so little garbage is left where it is. Needs the pool for itself while it runs.',
    'With --repack everything is compressed anew, at a level that makes it smaller than a save has time for; packs',
    'that would not get smaller stay, and what once was a delta and no longer pays is stored plain. Parity files go with',
    'the last pack that they cover; with --parity those that lost some are made anew.',
  ].join(' '),
  options: [
    { flags: '-n, --dry-run', does: 'print the plan, and change nothing' },
    { flags: '--repack', does: 'compress everything anew, where that makes it smaller' },
    { flags: LEVEL_SETTING.flags, does: `with --repack, ${LEVEL_SETTING.does}` },
    { flags: PARITY_SETTING.flags, does: `then ${PARITY_SETTING.does}` },
  ],
  examples: [
    { command: 'dbup gc --dry-run', does: 'what would be freed and what rewritten' },
    { command: 'dbup gc', does: 'do it' },
    {
      command: 'dbup gc --repack --level max',
      does: 'make an archive as small as it gets, which takes long',
    },
    { command: 'dbup gc --lock-wait 600', does: 'wait up to ten minutes for others to finish' },
  ],
  access: 'exclusive',
  changesNothing: ({ dryRun }) => dryRun,
  parse(_args, { dryRun = false, repack = false, level }) {
    if (level !== undefined && !repack) {
      throw new DbupError('USAGE', '--level is for what --repack compresses anew', {
        hint: `Write \`dbup gc --repack --level ${level}\`, or leave --level out.`,
      });
    }
    return { dryRun, repack };
  },
  async run({ dryRun, repack }, { pool, context, settings }): Promise<Outcome> {
    const { planGc } = await import('../operations/gc-plan.js');
    const options = repack ? { repack: { level: settings.level } } : {};
    const plan = await planGc(pool, options, context);
    for (const { message } of plan.packs.damaged) context.report({ type: 'warning', message });
    if (dryRun) return { json: { dryRun, plan, result: null }, lines: planLines(plan) };
    const { executeGc } = await import('../operations/gc.js');
    const result = await executeGc(pool, plan, context);
    for (const { message } of result.leftDamaged) context.report({ type: 'warning', message });
    if (settings.parityPercent === 0) {
      if (result.parityFilesStale > 0) context.report({ type: 'note', message: STALE_PARITY });
      const failure = leftDamage(result);
      return {
        json: { dryRun, plan, result },
        lines: resultLines(result, plan),
        ...(failure && { failure }),
      };
    }
    const { protect } = await import('../operations/protect.js');
    const parity = await protect(pool, { sharePercent: settings.parityPercent }, context);
    const failure = leftDamage(result) ?? leftOutFailure(parity);
    const lines = [...resultLines(result, plan), ...parityLines(parity)];
    return { json: { dryRun, plan, result, parity }, lines, ...(failure && { failure }) };
  },
});

/** Packs that were worth a rewrite and could not be read whole: the rest is done, and the pool wants a repair. */
function leftDamage({ leftDamaged }: GcResult): DbupError | null {
  if (leftDamaged.length === 0) return null;
  return new DbupError(
    'POOL_DAMAGED',
    `${formatCount(leftDamaged.length, 'pack')} left as they are: damaged`,
    {
      hint: 'Run `dbup verify --read-data` to see what is hit, then `dbup repair --from OTHER_POOL`.',
      details: { packs: leftDamaged.map(({ name }) => name) },
    },
  );
}

function planLines({ packs, temporaryFiles, ...plan }: GcPlan): string[] {
  const sum = (list: readonly { sizeBytes: number }[]): string =>
    formatBytes(list.reduce((total, { sizeBytes }) => total + sizeBytes, 0));
  return [
    ...renderFields([
      ['Needed', formatBytes(plan.liveBytes)],
      ['Garbage', formatBytes(plan.garbageBytes)],
      ['Remove', `${formatCount(packs.remove.length, 'pack')}, ${sum(packs.remove)}`],
      ['Rewrite', `${formatCount(packs.rewrite.length, 'pack')}, ${sum(packs.rewrite)}`],
      ['Keep', formatCount(packs.keepCount, 'pack')],
      ['Temporary', `${formatCount(temporaryFiles.count, 'file')}, ${formatBytes(temporaryFiles.bytes)}`],
    ]),
    plan.repackLevel === null
      ? `would free about ${formatBytes(plan.freedBytes)} and write about ${formatBytes(plan.rewrittenBytes)} anew; nothing was changed`
      : `would compress ${formatBytes(plan.rewrittenBytes)} anew and write what gets smaller; nothing was changed`,
  ];
}

function resultLines(result: GcResult, plan: GcPlan): string[] {
  const { packsRemoved, packsRewritten, temporaryFilesRemoved, parityFilesRemoved, deltasReleased } = result;
  const left = Math.max(0, plan.garbageBytes + plan.temporaryFiles.bytes - result.freedBytes);
  if (packsRemoved + packsRewritten + temporaryFilesRemoved + parityFilesRemoved === 0) {
    if (result.leftDamaged.length > 0) return [`nothing freed; ${formatBytes(left)} of garbage are left`];
    if (plan.repackLevel !== null) return ['nothing gets smaller'];
    const rest = left > 0 ? `; ${formatBytes(left)} of garbage are not worth a rewrite` : '';
    return [`nothing to free${rest}`];
  }
  const did = [
    `${formatCount(packsRemoved, 'pack')} removed`,
    `${packsRewritten} rewritten (${formatBytes(result.writtenBytes)} written)`,
    ...(deltasReleased > 0 ? [`${formatCount(deltasReleased, 'delta')} made plain`] : []),
    ...(temporaryFilesRemoved > 0 ? [`${formatCount(temporaryFilesRemoved, 'temporary file')} removed`] : []),
    ...(parityFilesRemoved > 0 ? [`${formatCount(parityFilesRemoved, 'parity file')} removed`] : []),
  ];
  const { freedBytes } = result;
  const change = freedBytes < 0 ? `grew by ${formatBytes(-freedBytes)}` : `freed ${formatBytes(freedBytes)}`;
  return [`${change}: ${did.join(', ')}`];
}

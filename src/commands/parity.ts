import { DbupError } from '../core/errors.js';
import type { ProtectResult } from '../operations/protect.js';
import { formatBytes, formatCount } from '../ui/format-units.js';
import { defineCommand, type Outcome } from './command.js';
import { PARITY_SETTING } from './settings.js';
import { parityShare } from './values.js';

interface ParityFlags {
  remove?: boolean;
}

interface ParityRequest {
  /** From the argument; the setting holds otherwise. */
  sharePercent: number | undefined;
  remove: boolean;
}

const DEFAULT_SHARE_PERCENT = 10;

export const parityCommand = defineCommand<ParityFlags, ParityRequest>({
  name: 'parity',
  summary: 'protect the pool against damage, with parity files beside the packs',
  details: [
    'Writes Reed-Solomon parity for everything that none of that share covers yet, and keeps copies of the snapshots.',
    '`dbup repair` then heals packs of which up to N % are damaged, cut off or overwritten, and packs that are lost, as',
    'far as they are N % of what was protected together. Parity files are named by their contents and never change:',
    'rsync sends only new ones. Another N makes new ones and then removes the old; a second time there is nothing to do.',
  ].join(' '),
  arguments: [
    { name: '[share]', does: `part that may be damaged, as 10% or 10 (default: ${DEFAULT_SHARE_PERCENT}%)` },
  ],
  options: [
    { flags: PARITY_SETTING.flags, does: 'the same, spelled as at save' },
    { flags: '--remove', does: 'remove all parity files' },
  ],
  examples: [
    { command: 'dbup parity', does: `protect what is not protected yet, with ${DEFAULT_SHARE_PERCENT} %` },
    { command: 'dbup parity 25%', does: 'heal more, for an archive on one disk' },
    { command: 'dbup save --parity 10% app:1.0', does: 'protect what a save adds, at once' },
    { command: 'dbup parity --remove', does: 'have the space back' },
  ],
  access: 'append',
  parse([share], { remove = false }) {
    const sharePercent = share === undefined ? undefined : parityShare(share, 'the share');
    if (remove && sharePercent !== undefined) {
      throw new DbupError('USAGE', '--remove and a share contradict each other', {
        hint: 'Give one of them.',
      });
    }
    return { sharePercent, remove };
  },
  async run({ sharePercent, remove }, { pool, context, settings }): Promise<Outcome> {
    const { protect, removeParity } = await import('../operations/protect.js');
    const share = sharePercent ?? (settings.parityPercent || DEFAULT_SHARE_PERCENT);
    const result = remove ? await removeParity(pool) : await protect(pool, { sharePercent: share }, context);
    for (const { message } of result.leftOut) context.report({ type: 'warning', message });
    const failure = leftOutFailure(result);
    return { json: result, lines: parityLines(result), ...(failure && { failure }) };
  },
});

/** What is damaged now can be healed by no parity made now. */
export function leftOutFailure({ leftOut }: ProtectResult): DbupError | null {
  if (leftOut.length === 0) return null;
  return new DbupError(
    'POOL_DAMAGED',
    `no parity was made of ${formatCount(leftOut.length, 'file')}: damaged`,
    {
      hint: 'Run `dbup repair`, with --from OTHER_POOL where there is another copy, and then `dbup parity`.',
      details: { files: leftOut.map(({ file }) => file) },
    },
  );
}

export function parityLines(result: ProtectResult): string[] {
  const { added, removed, sharePercent, packsCovered, coveredBytes, parityBytes } = result;
  const gone = removed.length > 0 ? [`${formatCount(removed.length, 'parity file')} removed`] : [];
  if (sharePercent === 0) return gone.length > 0 ? gone : ['there are no parity files'];
  const addedBytes = added.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const did =
    added.length > 0
      ? [`${formatCount(added.length, 'parity file')} added, ${formatBytes(addedBytes)}`, ...gone]
      : [...gone, 'nothing to add'];
  return [
    did.join('; '),
    `${formatCount(packsCovered, 'pack')}, ${formatBytes(coveredBytes)}, protected against ${sharePercent} % of damage by ${formatBytes(parityBytes)}`,
  ];
}

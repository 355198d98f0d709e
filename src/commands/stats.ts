import type { KindBytes, PoolStats, StatsResult, VersionStats } from '../operations/stats.js';
import { formatBytes, formatCount } from '../ui/format-units.js';
import { renderFields } from '../ui/table.js';
import { defineCommand, type Outcome } from './command.js';

export const statsCommand = defineCommand<object, string | undefined>({
  name: 'stats',
  summary: 'measure the pool, or what one version costs it',
  arguments: [{ name: '[ref]', does: 'a version', completes: 'reference' }],
  examples: [
    { command: 'dbup stats', does: 'dedup and compression of the whole pool' },
    { command: 'dbup stats app:1.0~3', does: 'what `dbup rm app:1.0~3` and `dbup gc` would free' },
    { command: 'dbup stats --json', does: 'for programs' },
  ],
  access: 'read',
  parse: (args) => args[0],
  async run(address, { pool, context }): Promise<Outcome> {
    const { stats } = await import('../operations/stats.js');
    const result = await stats(pool, address, context);
    const lines = linesOf(result);
    return { json: result, lines, quietLines: lines };
  },
});

function linesOf({ pool, version }: StatsResult): string[] {
  return version ? versionLines(version) : poolLines(pool);
}

function poolLines(pool: PoolStats): string[] {
  const kind = ({ storedBytes, plainBytes }: KindBytes): string =>
    `${formatBytes(storedBytes)} stored of ${formatBytes(plainBytes)}`;
  return renderFields([
    ['Versions', `${pool.snapshots} of ${formatCount(pool.references, 'reference')}`],
    ['Saved', `${formatBytes(pool.imageBytesTotal)}, every version counted whole`],
    ['Distinct', `${formatBytes(pool.plainBytes)} in ${formatCount(pool.chunks, 'chunk')}`],
    ['Stored', `${formatBytes(pool.packBytes)} in ${formatCount(pool.packs, 'pack')}`],
    ['Dedup', `${formatRatio(pool.dedupRatio)} (saved / distinct)`],
    ['Compression', `${formatRatio(pool.compressionRatio)} (distinct / stored)`],
    [
      'Garbage',
      pool.garbageBytes === null
        ? 'unknown: `dbup verify` says what is damaged'
        : formatBytes(pool.garbageBytes),
    ],
    ['File data', kind(pool.byKind.data)],
    ['Skeletons', kind(pool.byKind.skeleton)],
    ['Recipes', kind(pool.byKind.recipe)],
    ['Footers', formatBytes(pool.byKind.footerBytes)],
    ['Catalog', pool.catalogPath ?? 'in memory only'],
  ]);
}

function versionLines(version: VersionStats): string[] {
  return renderFields([
    ['Version', version.address],
    ['Snapshot', version.snapshotId],
    ['Saved', formatBytes(version.imageBytes)],
    ['Distinct', formatBytes(version.plainBytes)],
    ['Stored', formatBytes(version.storedBytes)],
    ['Shared', `${formatBytes(version.sharedBytes)} with other versions`],
    ['Unique', `${formatBytes(version.uniqueBytes)}, which \`dbup rm\` and \`dbup gc\` would free`],
    ...(version.missingChunks > 0
      ? [['Missing', `${formatCount(version.missingChunks, 'chunk')}; sync again`] as const]
      : []),
  ]);
}

function formatRatio(ratio: number): string {
  return Number.isFinite(ratio) && ratio > 0 ? `${ratio.toFixed(2)}x` : '-';
}

import { formatCount, formatDuration } from '../ui/format-units.js';
import { defineCommand, type Outcome } from './command.js';

export const reindexCommand = defineCommand<object, null>({
  name: 'reindex',
  summary: 'make the catalog again from the files of the pool',
  details: 'Seldom needed: a catalog that is lost, stale or damaged is noticed and made again by itself.',
  examples: [
    { command: 'dbup reindex', does: 'the catalog of the default pool' },
    { command: 'dbup reindex --pool /mnt/pool --json', does: 'of another one, for programs' },
  ],
  access: 'read',
  parse: () => null,
  async run(_request, { pool, context }): Promise<Outcome> {
    const { reindex } = await import('../operations/reindex.js');
    const result = await reindex(pool, context);
    for (const { message } of result.unusable) context.report({ type: 'warning', message });
    const counts = [
      formatCount(result.snapshots, 'version'),
      formatCount(result.packs, 'pack'),
      formatCount(result.chunks, 'chunk'),
    ];
    return {
      json: result,
      lines: [
        `catalog made again in ${formatDuration(result.durationMs)}: ${counts.join(', ')}`,
        result.catalogPath ?? 'it is in memory only: the cache directory cannot be written',
      ],
    };
  },
});

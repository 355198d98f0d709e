import type { VersionSummary } from '../operations/version-summary.js';
import { formatBytes, formatTime, shortId } from '../ui/format-units.js';
import { renderTable } from '../ui/table.js';
import { argumentAt, defineCommand, type Outcome } from './command.js';

export const logCommand = defineCommand<object, string>({
  name: 'log',
  summary: 'list the versions of an image, the newest first',
  details: 'NEW is what the save of that version added to the pool. Times are local; --json has them in UTC.',
  arguments: [{ name: '<ref>', does: 'an image of the pool', completes: 'reference' }],
  examples: [
    { command: 'dbup log app:1.0', does: 'every version with its address, time, size and id' },
    { command: 'dbup log app:1.0 --json', does: 'for programs' },
  ],
  access: 'read',
  parse: (args) => argumentAt(args, 0),
  async run(reference, { pool, context }): Promise<Outcome> {
    const { listVersions } = await import('../operations/list.js');
    const versions = await listVersions(pool, reference, context);
    return {
      json: { reference: versions[0]?.reference ?? reference, versions },
      lines: renderVersions(versions),
      quietLines: versions.map(({ reference: name, snapshotId }) => `${name}@${shortId(snapshotId)}`),
    };
  },
});

/** A table of versions, one a line. */
export function renderVersions(versions: readonly VersionSummary[]): string[] {
  return renderTable(
    [
      { title: 'VERSION' },
      { title: 'SNAPSHOT' },
      { title: 'SAVED' },
      { title: 'SIZE', align: 'right' },
      { title: 'NEW', align: 'right' },
      { title: 'IMAGE ID' },
      { title: 'NOTE' },
    ],
    versions.map((version) => [
      version.address,
      shortId(version.snapshotId),
      formatTime(version.createdAt),
      formatBytes(version.imageBytes),
      formatBytes(version.newBytes),
      shortId(version.imageId),
      version.rollbackOf === undefined ? '' : `rollback to ${shortId(version.rollbackOf)}`,
    ]),
  );
}

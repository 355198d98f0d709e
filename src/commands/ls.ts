import type { ImageList } from '../operations/list.js';
import { formatAge, formatBytes, shortId } from '../ui/format-units.js';
import { renderTable } from '../ui/table.js';
import { defineCommand, type Outcome } from './command.js';

export const lsCommand = defineCommand<object, null>({
  name: 'ls',
  summary: 'list the images of the pool',
  examples: [
    { command: 'dbup ls', does: 'every reference and its current version' },
    { command: 'dbup ls -q', does: 'the references alone, one a line' },
    { command: 'dbup ls --json', does: 'for programs' },
  ],
  access: 'read',
  parse: () => null,
  async run(_request, { pool, context }): Promise<Outcome> {
    const { listImages } = await import('../operations/list.js');
    const { lacksSnapshotsDirectory, NO_SNAPSHOTS_DIRECTORY } = await import(
      '../pool/snapshots-directory.js'
    );
    const list = await listImages(pool, context);
    if (await lacksSnapshotsDirectory(pool)) {
      context.report({ type: 'warning', message: NO_SNAPSHOTS_DIRECTORY });
    }
    for (const { message } of list.unusable) context.report({ type: 'warning', message });
    return {
      json: list,
      lines: linesOf(list, context.now()),
      quietLines: list.images.map(({ reference }) => reference),
    };
  },
});

function linesOf({ images }: ImageList, nowMs: number): string[] {
  if (images.length === 0) return ['The pool is empty; `dbup save IMAGE` fills it.'];
  return renderTable(
    [
      { title: 'REFERENCE' },
      { title: 'IMAGE ID' },
      { title: 'SAVED' },
      { title: 'VERSIONS', align: 'right' },
      { title: 'SIZE', align: 'right' },
    ],
    images.map(({ reference, versionCount, current }) => [
      reference,
      shortId(current.imageId),
      formatAge(current.createdAt, nowMs),
      String(versionCount),
      formatBytes(current.imageBytes),
    ]),
  );
}

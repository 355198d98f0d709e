import { toDbupError } from '../core/errors.js';
import type { LoadResult } from '../operations/load.js';
import { shortId } from '../ui/format-units.js';
import { argumentAt, defineCommand, type Outcome } from './command.js';
import { loadedLine, loadTo } from './load.js';

interface RollbackFlags {
  to?: string;
  /** False with `--no-load`. */
  load?: boolean;
}

interface RollbackRequest {
  reference: string;
  to: string | undefined;
  loads: boolean;
}

export const rollbackCommand = defineCommand<RollbackFlags, RollbackRequest>({
  name: 'rollback',
  summary: 'make an earlier version current again and load it into the engine',
  details: [
    'History is not rewritten: the earlier version is appended once more and is the current one from then on.',
    'Without --to it is the version before the current one.',
  ].join(' '),
  arguments: [{ name: '<ref>', does: 'an image of the pool', completes: 'reference' }],
  options: [
    { flags: '--to <version>', does: '~N, a snapshot id of `dbup log`, or an image id (sha256:…)' },
    { flags: '--no-load', does: 'change the pool only, not the engine' },
  ],
  examples: [
    { command: 'dbup rollback app:1.0', does: 'to the version before the current one' },
    { command: 'dbup rollback app:1.0 --to ~3', does: 'three saves back' },
    { command: 'dbup rollback app:1.0 --to 3f1ac2d4 --no-load', does: 'to that snapshot, in the pool only' },
  ],
  access: 'append',
  parse: (args, { to, load = true }) => ({ reference: argumentAt(args, 0), to, loads: load }),
  async run({ reference, to, loads }, call): Promise<Outcome> {
    const { rollback } = await import('../operations/rollback.js');
    const { version, rolledBackTo } = await rollback(call.pool, reference, to, call.context);
    const lines = [
      `${version.reference}: rolled back to ${shortId(rolledBackTo)}, which is now current as ${shortId(version.snapshotId)}`,
    ];
    let loaded: LoadResult | null = null;
    if (loads) {
      try {
        loaded = await loadTo(version.reference, { kind: 'engine' }, {}, call);
      } catch (error) {
        // The pool is rolled back all the same; whoever reads only the error must know it.
        call.context.report({ type: 'warning', message: `${lines[0]}; but it could not be loaded` });
        throw toDbupError(error, `loading ${version.reference}`);
      }
      lines.push(loadedLine(loaded, { kind: 'engine' }));
    }
    return {
      json: { version, rolledBackTo, loaded },
      lines,
      quietLines: [`${version.reference}@${shortId(version.snapshotId)}`],
    };
  },
});

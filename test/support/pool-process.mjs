/**
 * A process that uses a pool: `node pool-process.mjs DIST POOL COMMAND [ARGUMENT]`. Commands: `save FILE`;
 * `hold read|append|exclusive`, which says `held` and keeps the pool open until it is killed.
 * Prints one line of JSON: `{"ok":…}` or `{"code":…}`.
 */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [, , dist, directory, command, argument] = process.argv;
const at = (path) => pathToFileURL(join(dist, path)).href;
const { openOrCreatePool, openPool } = await import(at('pool/pool.js'));
const { save } = await import(at('operations/save.js'));
const { quietContext } = await import(at('core/context.js'));
const cacheRoot = process.env.TEST_CACHE_ROOT ?? null;

try {
  if (command === 'hold') {
    await openPool(directory, { access: argument, cacheRoot });
    process.stdout.write('held\n');
    setInterval(() => {}, 1000);
  } else {
    const pool = await openOrCreatePool(directory, { access: 'append', cacheRoot, threads: 1 });
    try {
      const { images } = await save(pool, { kind: 'archive', path: argument }, {}, quietContext());
      process.stdout.write(`${JSON.stringify({ ok: images.map(({ snapshotId }) => snapshotId) })}\n`);
    } finally {
      await pool.close();
    }
  }
} catch (error) {
  process.stdout.write(`${JSON.stringify({ code: error.code ?? String(error), message: error.message })}\n`);
}

/**
 * `npm run test:crash`: every moment of every operation, with every kind of fault, and a disk that fills up at every
 * moment of a large save. Prints how many moments there were of each, and writes the figures into docs/reliability.md.
 *
 *   npm run test:crash -- [--seed N] [--only OPERATION[/KIND[/N[/DETAIL]]]] [--full-disk]
 *
 * `--only save/power/17/nothing` repeats one point with the seed that was printed; `--full-disk` runs that part alone.
 * With either, nothing is written.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const PAGE = join(ROOT, 'docs/reliability.md');

/** Columns of the table, and the kinds of points that each one counts. */
const COLUMNS = {
  'errors of the disk': /^E[A-Z]+(-stays)?$/,
  'short reads and writes': /^short-/,
  killed: /^death(-torn)?$/,
  'power lost': /^power(-torn)?$/,
  'power lost after a second try': /-(retry|gc|again)-power$/,
  'a catalog lost, old or damaged': /-catalog$/,
};

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    only: { type: 'string' },
    'full-disk': { type: 'boolean' },
    /** Writes the page from reports that are there, without running anything. */
    reports: { type: 'string' },
  },
});

function run(file, env) {
  const words = ['vitest', 'run', file, '--disable-console-intercept'];
  const { status } = spawnSync('npx', words, {
    cwd: ROOT,
    stdio: 'inherit',
    env: { ...process.env, ...env },
  });
  return status === 0;
}

function readReports(directory) {
  return readdirSync(directory)
    .filter((name) => name.endsWith('.json'))
    .sort()
    .map((name) => [name.slice(0, -'.json'.length), JSON.parse(readFileSync(join(directory, name), 'utf8'))]);
}

function sum(counts, kinds) {
  return counts.filter(({ kind }) => kinds.test(kind)).reduce((total, { points }) => total + points, 0);
}

function countsTable(reports) {
  const rows = reports.map(([name, { counts }]) => [
    `\`${name}\``,
    ...Object.values(COLUMNS).map((kinds) => sum(counts, kinds)),
    sum(counts, /./),
    counts.reduce((total, { judged }) => total + judged, 0),
  ]);
  const totals = rows[0].slice(1).map((_, i) => rows.reduce((total, row) => total + row[i + 1], 0));
  const head = ['', ...Object.keys(COLUMNS), 'moments', 'different states'];
  const lines = [...rows, ['**all**', ...totals.map((total) => `**${total}**`)]];
  return {
    total: totals.at(-2),
    judged: totals.at(-1),
    text: [head, head.map((_, i) => (i === 0 ? '---' : '---:')), ...lines]
      .map((cells) => `| ${cells.join(' | ')} |`)
      .join('\n'),
  };
}

function fullDiskText({ fileSystem, imageBytes, poolBytes, runs }) {
  const failed = runs.filter(({ outcome }) => outcome === 'DISK_FULL').length;
  const whole = runs.length - failed;
  const megabytes = (bytes) => Math.round(bytes / 1e6);
  return [
    `A save of ${megabytes(imageBytes)} MB (${megabytes(poolBytes)} MB in the pool) into an ${fileSystem} file system with`,
    `${megabytes(runs[0].freeBytes)} to ${megabytes(runs.at(-1).freeBytes)} MB free, in ${runs.length} steps: ${failed} ended in exit code 5 and DISK_FULL, ${whole} came`,
    'through. Each time the earlier version loaded exactly, `verify --read-data` found nothing, and the same command succeeded after',
    'space had been made.',
  ].join('\n');
}

function writePage(reports, fullDisk) {
  const { text, total, judged } = countsTable(reports);
  const { seed } = reports[0][1];
  const failures = reports.reduce((sumSoFar, [, report]) => sumSoFar + report.failures, 0);
  const lines = [
    `${total} moments, ${judged} different states judged, ${failures} failures (seed ${seed}).`,
    '',
    text,
    ...(fullDisk ? ['', fullDiskText(fullDisk)] : []),
  ];
  const page = readFileSync(PAGE, 'utf8');
  const marked = /<!-- crash -->[\s\S]*?<!-- \/crash -->/;
  if (!marked.test(page)) throw new Error(`${PAGE} has no place for the figures`);
  writeFileSync(PAGE, page.replace(marked, `<!-- crash -->\n${lines.join('\n')}\n<!-- /crash -->`));
  console.log(lines.join('\n'));
}

const seed = values.seed === undefined ? {} : { DBUP_TEST_SEED: values.seed };
const reports = values.reports ?? mkdtempSync(join(tmpdir(), 'dbup-crash-'));
let good = true;
if (values.reports === undefined) {
  const env = { ...seed, DBUP_CRASH_REPORT: reports, ...(values.only && { DBUP_CRASH_ONLY: values.only }) };
  if (!values['full-disk']) good = run('test/crash/explorer.test.ts', env);
  if (values.only === undefined) good = run('test/crash/full-disk.test.ts', env) && good;
}
if (good && values.only === undefined && !values['full-disk']) {
  const all = readReports(reports);
  const fullDisk = all.find(([name]) => name === 'full-disk')?.[1];
  writePage(
    all.filter(([name]) => name !== 'full-disk'),
    fullDisk,
  );
}
if (values.reports === undefined) rmSync(reports, { recursive: true });
process.exitCode = good ? 0 : 1;

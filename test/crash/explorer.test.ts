import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type ExploreOptions, Explorer } from './explorer/explore.js';
import { makePools } from './explorer/pools.js';
import { makeSubjects } from './explorer/subjects.js';

const { DBUP_CRASH_ONLY: only, DBUP_CRASH_REPORT: report, DBUP_CRASH_SUBJECTS: chosen } = process.env;
const isFull = report !== undefined;
const SEED = Number(process.env.DBUP_TEST_SEED ?? 4_004);
/** Threads start anew for each save of a gzip layer: that takes ten times as long as others. */
const TOO_SLOW = ['save-stream'];

// In memory where there is such a thing: nothing here waits for a disk.
const root = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'dbup-explorer-'));
const pools = await makePools(join(root, 'pools'));
const subjects = makeSubjects(pools).filter(({ name }) => {
  if (only !== undefined) return only.split('/')[0] === name;
  return isFull ? (chosen?.split(',').includes(name) ?? true) : !TOO_SLOW.includes(name);
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const options: ExploreOptions = {
  seed: SEED,
  directory: join(root, 'work'),
  foreignCatalog: pools.foreignCatalog,
  ...(isFull || only !== undefined ? { lots: 3 } : { lots: 1, sample: 1, kinds: 2 }),
  ...(only !== undefined && { only }),
};

describe('a fault at any moment leaves every version, and the same command succeeds afterwards', () => {
  console.log(`seed ${SEED}; every moment: npm run test:crash`);

  it.each(subjects)('$name', { timeout: 3 * 3_600_000 }, async (subject) => {
    const explorer = new Explorer(subject, options);
    await explorer.explore();
    const counts = [...explorer.counts.values()];
    const points = counts.reduce((sum, count) => sum + count.points, 0);
    if (report !== undefined)
      writeFileSync(
        join(report, `${subject.name}.json`),
        JSON.stringify({ seed: SEED, counts, failures: explorer.failures.length }),
      );
    const told = explorer.failures.slice(0, 20).map(({ point, fired, problems }) => {
      return `${point} (${fired})\n  ${problems.join('\n  ')}`;
    });
    expect(explorer.failures.length, `seed ${SEED}, of ${points} points:\n${told.join('\n')}`).toBe(0);
    expect(points).toBeGreaterThan(0);
  });
});

import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { playSequence, runSequences, smallestFailure } from './run-sequences.js';
import type { Step } from './steps.js';
import { takeStep } from './take-step.js';
import { makeShelf, modelDirectory, SharedWorkers, Tally, World } from './world.js';

const SEED = Number(process.env.DBUP_TEST_SEED ?? 4_001);
const STEPS = 200;

const save = (pool: number, image: number, version: number): Step => ({
  do: 'save',
  ...{ pool, image, version, reference: 0, dies: null },
});

describe('pools against their model', () => {
  test(`${STEPS} random steps lose nothing`, async () => {
    console.log(`seed ${SEED}; 100,000 steps and more: npm run test:model`);
    const tally = await runSequences({ seed: SEED, steps: STEPS });
    expect(tally.total).toBeGreaterThanOrEqual(STEPS);
    expect(tally.deaths).toBeGreaterThan(10);
    expect(tally.loadsExact).toBeGreaterThan(100);
    expect([...tally.steps.keys()]).toEqual(expect.arrayContaining(['save', 'rm', 'gc', 'sync', 'at once']));
  }, 300_000);

  test('what is lost is noticed, and the sequence shrunk to the step that matters', async () => {
    const parent = modelDirectory();
    const { shelf, directory } = await makeShelf(parent, SEED);
    await using threads = new SharedWorkers();
    /** The third save loses the pool's oldest snapshot. */
    const play = async (sequence: readonly Step[]): Promise<void> => {
      await using world = await World.create(parent, shelf, new Tally(), threads);
      for (const step of sequence) {
        if (step.do === 'save' && step.version === 2) {
          const snapshots = join(world.places[0]!.site.directory, 'snapshots');
          const [name] = await readdir(snapshots).catch(() => []);
          if (name !== undefined) await rm(join(snapshots, name));
        }
        await takeStep(world, step);
      }
    };
    const load: Step = { do: 'load', pool: 0, pick: 3 };
    const sequence = [
      load,
      save(0, 0, 1),
      load,
      save(0, 1, 0),
      load,
      { ...save(0, 0, 2), dies: null },
      load,
    ] as Step[];
    try {
      const error = await play(sequence).catch((failure: Error) => failure);
      expect(error).toBeInstanceOf(Error);
      const { message } = await smallestFailure(play, sequence, error as Error, SEED);
      expect(message).toMatch(/lost \[[0-9a-f]{8}\]|has lost/);
      expect(message).toContain('2 of 7 steps');
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  }, 120_000);

  test('a copy cut off before snapshots/ is neither saved to nor collected', async () => {
    const parent = modelDirectory();
    const { shelf, directory } = await makeShelf(parent, SEED);
    await using threads = new SharedWorkers();
    await using world = await World.create(parent, shelf, new Tally(), threads);
    const { site, model } = world.places[1]!;
    const sync = { do: 'sync', pool: 1, from: 0, order: 'names', leftover: 'none', remove: 'no' } as const;
    const refused: Step[] = [save(1, 1, 0), { do: 'gc', pool: 1, how: 'all garbage', dies: null }];
    try {
      for (const image of [0, 2]) await takeStep(world, save(0, image, 0));
      // The descriptor, the lock and one of two packs.
      await takeStep(world, { ...sync, stopAfter: 3 });
      expect(await site.lacksSnapshots()).toBe(true);
      const packs = await site.names('packs');
      for (const step of [...refused, { do: 'at once', steps: refused } as const])
        await takeStep(world, step);
      expect(await site.names('packs')).toEqual(packs);
      await takeStep(world, { ...sync, stopAfter: null });
      expect(model.versions.size).toBe(2);
      for (const step of refused) await takeStep(world, step);
      expect(model.versions.size).toBe(3);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  }, 60_000);

  test('a sequence can be played again', async () => {
    const tally = await playSequence(SEED, [
      save(0, 0, 0),
      { do: 'sync', pool: 1, from: 0, order: 'backwards', stopAfter: 2, leftover: 'none', remove: 'no' },
      { do: 'sync', pool: 1, from: 0, order: 'names', stopAfter: null, leftover: 'none', remove: 'no' },
      { do: 'gc', pool: 1, how: 'repack', dies: null },
    ]);
    expect(tally.total).toBe(4);
  }, 60_000);
});

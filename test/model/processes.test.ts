import { describe, expect, test } from 'vitest';
import { rsyncAvailable } from '../support/rsync.js';
import { canBeTwoHosts, playProcesses } from './play-processes.js';

const SEED = Number(process.env.DBUP_TEST_SEED ?? 4_002);
const ROUNDS = 6;

describe.skipIf(!rsyncAvailable())('many real processes on one pool', () => {
  test('killed, stopped for long and with wrong clocks, lose nothing', async () => {
    console.log(`seed ${SEED}; more rounds: npm run test:model -- --rounds N`);
    const figures = await playProcesses({ seed: SEED, rounds: ROUNDS, otherHost: false });
    expect(figures.processes).toBe(ROUNDS * 4 + 1);
    expect(figures.stopped).toBeGreaterThan(0);
    expect(figures.killed).toBeGreaterThan(0);
    expect(figures.changed).toBe(0);
  }, 300_000);

  const two = canBeTwoHosts();
  if (!two) console.warn('skipping two hosts without common locks: that takes root, /dev/fuse and bindfs');
  test.skipIf(!two)(
    'of two hosts whose locks do not reach each other, lose nothing',
    async () => {
      const figures = await playProcesses({ seed: SEED + 1, rounds: ROUNDS, otherHost: true });
      expect(figures.processes).toBe(ROUNDS * 4 + 1);
    },
    300_000,
  );
});

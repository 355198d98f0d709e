import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { DbupError } from '../../src/core/errors.js';
import { SEED } from '../oci/only-dbup-errors.js';
import { ALL_TARGETS } from './all-targets.js';
import { accepts, acceptsOr, type FuzzTarget } from './fuzz-target.js';
import { Crash, inputOf, runTarget } from './run-target.js';

const CRASHERS = 'fixtures/fuzz';

afterAll(async () => {
  for (const target of ALL_TARGETS) await target.close?.();
});

/** A target of a few bytes whose runs are `run`. */
function target(run: FuzzTarget['run']): FuzzTarget {
  const make: FuzzTarget['make'] = (random) => random.bytes(4);
  return { name: 'made', runs: '', inputs: 0, shortInputs: 0, make, run };
}

describe('the fuzzer', () => {
  it('tells target, number and bytes of an input at which something unknown is thrown', async () => {
    const fails = target((bytes) => {
      if (bytes[0] === 77) throw new TypeError('broken');
      return true;
    });
    const crash = await runTarget(fails, { seed: 1, count: 5000 }).catch((error: unknown) => error);
    expect(crash).toBeInstanceOf(Crash);
    const { index, bytes, message } = crash as Crash;
    expect(message).toContain('TypeError: broken');
    expect(bytes[0]).toBe(77);
    expect(await inputOf(fails, 1, index)).toEqual(bytes);
    await expect(runTarget(fails, { seed: 1, first: index, count: 1 })).rejects.toThrow(Crash);
  });

  it('does not let an input take long', async () => {
    const slow = target(() => {
      const before = process.cpuUsage();
      for (let seconds = 0; seconds < 0.1; ) {
        const { user, system } = process.cpuUsage(before);
        seconds = (user + system) / 1e6;
      }
      return true;
    });
    await expect(runTarget(slow, { seed: 1, count: 1, mostCpuSeconds: 0.05 })).rejects.toThrow('of CPU time');
  });

  it('takes documented refusals only', () => {
    const thrower = (error: Error) => () => {
      throw error;
    };
    expect(accepts(thrower(new DbupError('POOL_DAMAGED', 'so')))).toBe(false);
    expect(() => accepts(thrower(new DbupError('INTERNAL', 'so')))).toThrow('so');
    expect(() => accepts(thrower(new RangeError('so')))).toThrow('so');
    expect(acceptsOr([Error], thrower(new Error('so')))).toBe(false);
    expect(() => acceptsOr([Error], thrower(new WebAssembly.RuntimeError('so')))).toThrow('so');
  });
});

/** Here only what would never end counts; the long run holds each input to its share of time. */
const ENDLESS_CPU_SECONDS = 60;

describe.each(ALL_TARGETS.map((one) => [one.name, one] as const))('%s', (name, one) => {
  it(`takes ${one.shortInputs} inputs of seed ${SEED}`, async () => {
    const { inputs } = await runTarget(one, {
      seed: SEED,
      count: one.shortInputs,
      mostCpuSeconds: ENDLESS_CPU_SECONDS,
    });
    expect(inputs).toBe(one.shortInputs);
  });

  const directory = join(CRASHERS, name);
  for (const file of existsSync(directory) ? readdirSync(directory) : []) {
    it(`takes ${file}, which broke something once`, async () => {
      const bytes = new Uint8Array(readFileSync(join(directory, file)));
      await runTarget({ ...one, make: () => bytes }, { seed: 0, count: 1 });
    });
  }
});

it('every kept input has its target', () => {
  const names = ALL_TARGETS.map((one) => one.name);
  expect(new Set(names).size).toBe(names.length);
  for (const directory of existsSync(CRASHERS) ? readdirSync(CRASHERS) : [])
    expect(names).toContain(directory);
});

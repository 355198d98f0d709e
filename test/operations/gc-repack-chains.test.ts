import { describe, expect, it } from 'vitest';
import { quietContext } from '../../src/core/context.js';
import type { DbupError } from '../../src/core/errors.js';
import { executeGc, type GcResult } from '../../src/operations/gc.js';
import { planGc } from '../../src/operations/gc-plan.js';
import { executeRemoval, planRemoval } from '../../src/operations/rm.js';
import { verify } from '../../src/operations/verify.js';
import { openPool } from '../../src/pool/pool.js';
import { type BlockingReads, nodeBlockingReads, nodeFileSystem } from '../../src/store/file-system.js';
import { blocksOf, packNames, saveAsDelta, wrongBases } from '../support/delta-pool.js';
import { dockerArchive } from '../support/images.js';
import { concatBytes, noise, seededRandom, tarEnd, tarFile } from '../support/tar-builder.js';
import { SmallPool } from './small-pool.js';

const context = quietContext();

async function forget(pool: SmallPool, address: string): Promise<void> {
  await pool.with('append', async (open) => {
    await executeRemoval(open, await planRemoval(open, { addresses: [address] }, context), context);
  });
}

async function expectSound(pool: SmallPool): Promise<void> {
  const { findings } = await pool.with('read', (open) => verify(open, { readData: true }, context));
  expect(findings).toEqual([]);
  expect(wrongBases(await blocksOf(pool))).toEqual([]);
}

/** Repacks with packs of 40 KiB, and a disk that does not give the bytes of the N-th read of a block. */
async function repackUnreadable(
  pool: SmallPool,
  unreadable: number,
): Promise<{ fired: boolean; result: GcResult }> {
  let reads = 0;
  const read: BlockingReads['read'] = (...asked) => {
    if (++reads === unreadable) throw Object.assign(new Error('EIO: a bad sector'), { code: 'EIO' });
    return nodeBlockingReads.read(...asked);
  };
  const fs = { ...nodeFileSystem, blocking: { ...nodeBlockingReads, read } };
  const options = { access: 'exclusive', cacheRoot: null, threads: 1, fs, packTargetBytes: 40_960 } as const;
  const open = await openPool(pool.directory, options);
  try {
    const plan = await planGc(open, { repack: { level: 3 } }, context);
    const result = await executeGc(open, plan, context);
    return { fired: reads >= unreadable, result };
  } finally {
    await open.close();
  }
}

/** Files in which every so many bytes one is that of the seed; some bits of them may be flipped. */
function image(
  reference: string,
  seed: number,
  files: number,
  everyBytes: number,
  { flips = 0, first = 0 } = {},
): Uint8Array {
  const parts = Array.from({ length: files }, (_, i) => {
    const file = first + i;
    const bytes = noise(8000 + file, 30_000);
    const random = seededRandom(seed);
    for (let at = 0; at + everyBytes < bytes.length; at += everyBytes)
      bytes[at + Math.floor(random() * everyBytes)] = seed;
    for (let at = 0; at < flips; at++) bytes[at * 5_000] = bytes[at * 5_000]! ^ 1;
    return tarFile(`root/file-${file}`, bytes);
  });
  return dockerArchive({ references: [reference], layers: [concatBytes([...parts, tarEnd()])] });
}

/** One whose bases are let go of and rewritten first, by the names of the packs, and what leans on them is found to be unreadable then. */
async function poolWithBasesFirst(): Promise<{ pool: SmallPool; bottom: string; top: string }> {
  for (let seed = 1; ; seed++) {
    const pool = await SmallPool.create();
    await pool.save(image('bottom:1', seed, 8, 15_000));
    const [bottom] = await packNames(pool);
    await pool.save(image('half:1', seed, 4, 15_000));
    const half = image('top:1', seed, 4, 15_000, { flips: 2, first: 4 });
    const [top] = await saveAsDelta(pool, half, [bottom!]);
    await forget(pool, 'bottom:1');
    if (bottom! < top!) return { pool, bottom: bottom!, top: top! };
    await pool[Symbol.asyncDispose]();
  }
}

describe('gc --repack of deltas that lean on deltas', () => {
  it('lets go of one of which little is needed, and keeps the one that leans on it', async () => {
    await using pool = await SmallPool.create();
    await pool.save(image('bottom:1', 1, 8, 15_000));
    // Far from its bases: all of it takes more than one file of it on its own.
    const middle = await saveAsDelta(pool, image('middle:1', 2, 8, 8), await packNames(pool));
    const top = image('top:1', 2, 1, 8, { flips: 1 });
    await saveAsDelta(pool, top, middle);
    await forget(pool, 'middle:1');
    const dataDepths = async (): Promise<number[]> =>
      (await blocksOf(pool))
        .filter(({ kind }) => kind === 1)
        .map(({ depth }) => depth)
        .sort();
    expect(await dataDepths()).toEqual([0, 1, 2]);
    await pool.with('exclusive', async (open) =>
      executeGc(open, await planGc(open, { repack: { level: 3 } }, context), context),
    );
    expect(await dataDepths()).toEqual([0, 2]);
    expect((await pool.load('top:1')).equals(top)).toBe(true);
    await expectSound(pool);
  });

  it('leaves bases where they are that a pack goes on leaning on, as it cannot be read', async () => {
    const { pool: prepared, bottom, top } = await poolWithBasesFirst();
    await using _ = prepared;
    const expected = await prepared.loadAll();
    let stayed = 0;
    for (let unreadable = 1; ; unreadable++) {
      await using pool = await prepared.copy();
      const outcome = await repackUnreadable(pool, unreadable).catch((error: DbupError) => error);
      if (outcome instanceof Error) expect(outcome).toMatchObject({ code: 'POOL_DAMAGED' });
      else if (!outcome.fired) break;
      else {
        const { leftDamaged, packsWritten } = outcome.result;
        expect(leftDamaged.length, `read ${unreadable}`).toBeGreaterThan(0);
        const files = await pool.files();
        const isLeft = leftDamaged.some(({ name }) => name === top);
        if (!isLeft || packsWritten === 0 || !files.includes(`packs/${bottom}`)) continue;
        stayed++;
        await expectSound(pool);
        expect(await pool.loadAll(), `read ${unreadable}`).toEqual(expected);
      }
    }
    expect(stayed).toBeGreaterThan(0);
  });
});

import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { quietContext } from '../../src/core/context.js';
import { executeGc, type GcResult } from '../../src/operations/gc.js';
import { type GcOptions, planGc } from '../../src/operations/gc-plan.js';
import { executeRemoval, planRemoval } from '../../src/operations/rm.js';
import { verify } from '../../src/operations/verify.js';
import type { FileSystem } from '../../src/store/file-system.js';
import { blocksOf, packNames, type SeenBlock, saveAsDelta, wrongBases } from '../support/delta-pool.js';
import { dockerArchive, dockerArchiveOf, layerTar } from '../support/images.js';
import { concatBytes, noise, seededRandom, tarEnd, tarFile } from '../support/tar-builder.js';
import { FailingFileSystem } from './failing-file-system.js';
import { SmallPool } from './small-pool.js';

const context = quietContext();
const EVERYTHING: GcOptions = { maxUnusedPercent: 0, minGarbagePercent: 0 };
const FILE_BYTES = 120_000;
const LONG = process.env.DBUP_LONG_TESTS === '1';
if (!LONG) console.log('gc with more seeds: skipped, set DBUP_LONG_TESTS=1');

/** A layer of files in which bytes are strewn that are other in each version: no chunk stays as it was. */
function strewn(seed: number, files: number, mtime = 1): Uint8Array {
  const parts = Array.from({ length: files }, (_, file) => {
    const bytes = noise(7000 + file, FILE_BYTES);
    const random = seededRandom(seed * 100 + file);
    for (let at = 0; at < bytes.length; at += 4000) bytes[at + Math.floor(random() * 4000)] = seed;
    return tarFile(`root/file-${file}`, bytes, { mtime });
  });
  return concatBytes([...parts, tarEnd()]);
}

const version = (seed: number, files = 2): Uint8Array =>
  dockerArchive({ references: ['app:1.0'], layers: [strewn(seed, files)] });

async function forget(pool: SmallPool, ...addresses: string[]): Promise<void> {
  await pool.with('append', async (open) => {
    await executeRemoval(open, await planRemoval(open, { addresses }, context), context);
  });
}

function collect(pool: SmallPool, options: GcOptions = EVERYTHING, fs?: FileSystem): Promise<GcResult> {
  return pool.with(
    'exclusive',
    async (open) => executeGc(open, await planGc(open, options, context), context),
    fs,
  );
}

async function expectSame(pool: SmallPool, expected: Map<string, Buffer | Error>): Promise<void> {
  const loaded = await pool.loadAll();
  expect([...loaded.keys()].sort()).toEqual([...expected.keys()].sort());
  for (const [id, bytes] of loaded) {
    if (!Buffer.isBuffer(bytes)) throw bytes;
    expect(bytes.equals(expected.get(id) as Buffer)).toBe(true);
  }
}

async function expectSound(pool: SmallPool): Promise<void> {
  const { findings } = await pool.with('read', (open) => verify(open, { readData: true }, context));
  expect(findings).toEqual([]);
  expect(wrongBases(await blocksOf(pool))).toEqual([]);
}

/** Skeletons and recipes have blocks of their own, which are small. */
async function largestDelta(pool: SmallPool): Promise<SeenBlock> {
  const deltas = (await blocksOf(pool)).filter(({ depth }) => depth === 1);
  return deltas.reduce((largest, block) => (block.plainBytes > largest.plainBytes ? block : largest));
}

async function packBytes(pool: SmallPool): Promise<number> {
  return (await blocksOf(pool)).reduce((sum, { storedBytes }) => sum + storedBytes, 0);
}

describe('gc and delta blocks', () => {
  let chain: SmallPool;

  /** app:1.0~3 is plain, ~2 a delta of it, ~1 of that, and the current one of that: depth 3. */
  beforeAll(async () => {
    chain = await SmallPool.create();
    await chain.save(version(1));
    let packs = (await chain.files()).filter((file) => file.startsWith('packs')).map((file) => file.slice(6));
    for (const seed of [2, 3, 4]) packs = await saveAsDelta(chain, version(seed), packs);
    await chain.save(dockerArchive({ references: ['other:1'], layers: [layerTar(9, 2, 60_000)] }));
  });
  afterAll(async () => chain[Symbol.asyncDispose]());

  it('has a pool to work with: deltas of depth 1 to 3, which load', async () => {
    const depths = (await blocksOf(chain)).map(({ depth }) => depth);
    expect([...new Set(depths)].sort()).toEqual([0, 1, 2, 3]);
    await expectSound(chain);
    for (const [i, seed] of [4, 3, 2, 1].entries())
      expect((await chain.load(`app:1.0~${i}`)).equals(version(seed))).toBe(true);
  });

  it('keeps every base of a live delta, of any depth, and nothing but', async () => {
    await using pool = await chain.copy();
    await forget(pool, 'app:1.0~1', 'app:1.0~2', 'app:1.0~3', 'other:1');
    const expected = await pool.loadAll();
    await collect(pool);
    await expectSame(pool, expected);
    await expectSound(pool);
    expect((await collect(pool)).packsWritten).toBe(0);
  });

  it('frees bases with the last delta over them', async () => {
    await using pool = await chain.copy();
    await forget(pool, 'app:1.0');
    await collect(pool);
    const plainBytes = (await blocksOf(pool)).reduce((sum, block) => sum + block.plainBytes, 0);
    expect(plainBytes).toBeLessThan(140_000);
    await expectSound(pool);
  });

  it('a delta that was left behind without its bases is as good as absent: the same image is stored again', async () => {
    await using pool = await chain.copy();
    await forget(pool, 'app:1.0');
    const blocks = await blocksOf(pool);
    const base = blocks.find(
      ({ kind, depth, plainBytes }) => kind === 1 && depth === 0 && plainBytes > 1.5 * FILE_BYTES,
    )!;
    await rm(join(pool.directory, 'packs', base.pack));
    await pool.save(version(3));
    expect((await pool.load('app:1.0')).equals(version(3))).toBe(true);
    const { findings } = await pool.with('read', (open) => verify(open, { readData: true }, context));
    expect(findings.filter(({ images }) => images.length > 0)).toEqual([]);
  });

  it('codes what is left of a delta block against the same bases', async () => {
    await using pool = await SmallPool.create();
    await pool.save(version(1, 4));
    const bases = (await pool.files())[0]!.slice(6);
    // Two images saved together share a delta block; one of them is forgotten.
    const both = [...Array(2).keys()].map((i) =>
      concatBytes([
        ...[2 * i, 2 * i + 1].map((file) => {
          const bytes = noise(7000 + file, FILE_BYTES);
          bytes[5000] = 1;
          return tarFile(`root/file-${file}`, bytes);
        }),
        tarEnd(),
      ]),
    );
    const archive = dockerArchiveOf(both.map((layer, i) => ({ references: [`half:${i}`], layers: [layer] })));
    await saveAsDelta(pool, archive, [bases]);
    await pool.save(dockerArchive({ references: ['half:0'], layers: [both[0]!] }));
    await forget(pool, 'half:0~1', 'half:1', 'app:1.0');
    const before = await largestDelta(pool);
    const expected = await pool.loadAll();
    await collect(pool);
    const after = await largestDelta(pool);
    expect(after.plainBytes).toBeLessThan(before.plainBytes * 0.6);
    expect(after.codec).toBe(2);
    expect(after.storedBytes).toBeLessThan(after.plainBytes);
    await expectSame(pool, expected);
    await expectSound(pool);
  });

  it('can die at any call and loses nothing', async () => {
    await using prepared = await chain.copy();
    await forget(prepared, 'app:1.0~1', 'app:1.0~2', 'other:1');
    const expected = await prepared.loadAll();
    await everyCall(prepared, expected, EVERYTHING);
  });

  it.each(LONG ? [...Array(40).keys()] : [1, 2])(
    'any versions forgotten, in any order: what is left loads (seed %s)',
    async (seed) => {
      await using pool = await chain.copy();
      const random = seededRandom(seed);
      for (let round = 0; round < 3; round++) {
        const left = [...(await pool.loadAll()).keys()];
        if (left.length < 2) break;
        await forget(pool, left[Math.floor(random() * left.length)]!);
        const expected = await pool.loadAll();
        const options = random() < 0.3 ? { repack: { level: random() < 0.5 ? 3 : 19 } } : EVERYTHING;
        await collect(pool, options);
        await expectSame(pool, expected);
        await expectSound(pool);
      }
    },
  );

  it.each([1, 2])(
    'keeps the bases of both copies where two sites leaned on different ones (%s)',
    async (turn) => {
      await using here = await SmallPool.create();
      await using there = await SmallPool.create();
      // Each site has a version of its own to lean on for the one they share.
      const own = [2, 3].map((seed) =>
        dockerArchive({ references: [`own:${seed}`], layers: [strewn(seed, 2)] }),
      );
      for (const [i, pool] of [here, there].entries()) {
        await pool.save(own[i]!);
        // Headers of its own keep the pack of each site alive.
        const images = [
          { references: ['app:1.0'], layers: [strewn(5, 2)] },
          { references: [`site:${i}`], layers: [strewn(5, 2, 100 + i)] },
        ];
        await saveAsDelta(pool, dockerArchiveOf(images), await packNames(pool));
      }
      for (const directory of ['packs', 'snapshots'])
        await cp(join(there.directory, directory), join(here.directory, directory), { recursive: true });
      const data = (await blocksOf(here)).filter(({ kind, depth }) => kind === 1 && depth === 1);
      expect(data.length).toBe(2);
      expect(data[0]!.chunkIds.filter((id) => data[1]!.chunkIds.includes(id)).length).toBeGreaterThan(3);
      expect(data[0]!.baseIds).not.toEqual(data[1]!.baseIds);
      for (const reference of turn === 1 ? ['own:2', 'own:3'] : ['own:3', 'own:2']) {
        await forget(here, reference);
        const expected = await here.loadAll();
        // Nothing but what is garbage altogether, then everything, then everything again.
        for (const options of [{ maxUnusedPercent: 100 }, EVERYTHING, { repack: { level: 3 } }, EVERYTHING]) {
          await collect(here, options);
          await expectSame(here, expected);
          await expectSound(here);
        }
      }
    },
  );

  describe('--repack', () => {
    it('writes nothing the second time, at any level', async () => {
      for (const level of [3, 19]) {
        await using pool = await chain.copy();
        const expected = await pool.loadAll();
        const before = await packBytes(pool);
        const first = await collect(pool, { repack: { level } });
        expect(first.packsWritten).toBeGreaterThan(0);
        expect(await packBytes(pool)).toBeLessThanOrEqual(before);
        await expectSame(pool, expected);
        await expectSound(pool);
        const files = await pool.files();
        expect(await collect(pool, { repack: { level } })).toMatchObject({ writtenBytes: 0, freedBytes: 0 });
        expect(await pool.files()).toEqual(files);
      }
    });

    it('never makes a block larger: a lower level changes nothing', async () => {
      await using pool = await chain.copy();
      await collect(pool, { repack: { level: 19 } });
      const files = await pool.files();
      expect(await collect(pool, { repack: { level: 1 } })).toMatchObject({
        writtenBytes: 0,
        packsRemoved: 0,
      });
      expect(await pool.files()).toEqual(files);
    });

    it('makes deltas plain that alone keep their bases, and frees these', async () => {
      await using pool = await chain.copy();
      await forget(pool, 'app:1.0~1', 'app:1.0~2', 'app:1.0~3');
      const expected = await pool.loadAll();
      // Three versions of bases for one: plain is smaller.
      const result = await collect(pool, { repack: { level: 3 } });
      expect(result.deltasReleased).toBeGreaterThan(0);
      const blocks = await blocksOf(pool);
      expect(blocks.filter(({ kind, depth }) => kind === 1 && depth > 0)).toEqual([]);
      expect(blocks.reduce((sum, { plainBytes }) => sum + plainBytes, 0)).toBeLessThan(
        2.2 * FILE_BYTES + 140_000,
      );
      await expectSame(pool, expected);
      await expectSound(pool);
      expect(await collect(pool, { repack: { level: 3 } })).toMatchObject({ writtenBytes: 0, freedBytes: 0 });
    });

    it('keeps deltas that pay', async () => {
      await using pool = await chain.copy();
      // Of the small ones, of recipes and skeletons, some may not.
      const dataDepths = async (): Promise<number[]> =>
        (await blocksOf(pool))
          .filter(({ kind, depth }) => kind === 1 && depth > 0)
          .map(({ depth }) => depth)
          .sort();
      const before = await dataDepths();
      await collect(pool, { repack: { level: 3 } });
      expect(await dataDepths()).toEqual(before);
      expect(before.at(-1)).toBe(3);
    });

    it('leaves a damaged pack where it is, and does the rest', async () => {
      await using pool = await chain.copy();
      const base = (await blocksOf(pool)).find(
        ({ kind, depth, plainBytes }) => kind === 1 && depth === 0 && plainBytes > 1.5 * FILE_BYTES,
      )!;
      const path = `${pool.directory}/packs/${base.pack}`;
      const bytes = await readFile(path);
      bytes[base.offsetBytes + 100] = bytes[base.offsetBytes + 100]! ^ 1;
      await writeFile(path, bytes);
      const result = await collect(pool, { repack: { level: 19 } });
      expect(result.leftDamaged.map(({ name }) => name)).toContain(base.pack);
      expect(await pool.files()).toContain(`packs/${base.pack}`);
      // Healed, everything is as it was.
      bytes[base.offsetBytes + 100] = bytes[base.offsetBytes + 100]! ^ 1;
      await writeFile(path, bytes);
      await expectSame(pool, await chain.loadAll());
      await expectSound(pool);
    });

    it('can die at any call and loses nothing', async () => {
      await using prepared = await chain.copy();
      await forget(prepared, 'app:1.0~1', 'app:1.0~2', 'app:1.0~3');
      const expected = await prepared.loadAll();
      await everyCall(prepared, expected, { repack: { level: 3 } });
    });
  });
});

/** Lets each call that changes the disk fail in its turn, or every third where time is short. */
async function everyCall(
  prepared: SmallPool,
  expected: Map<string, Buffer | Error>,
  options: GcOptions,
): Promise<void> {
  let calls = 1;
  for (; ; calls += LONG ? 1 : 3) {
    await using pool = await prepared.copy();
    const disk = new FailingFileSystem(calls);
    const outcome = await collect(pool, options, disk).catch((error: { code: string }) => error.code);
    if (!disk.failed) break;
    expect(outcome).toBe('IO_ERROR');
    await expectSame(pool, expected);
    if (calls % 4 !== 1) continue;
    // What a failure leaves behind is garbage like any other.
    await collect(pool, options);
    await expectSame(pool, expected);
    await expectSound(pool);
  }
  expect(calls).toBeGreaterThan(8);
}

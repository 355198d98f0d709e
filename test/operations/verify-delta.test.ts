import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { quietContext } from '../../src/core/context.js';
import { sha256Hex } from '../../src/hash/sha256.js';
import type { VerifyOptions, VerifyResult } from '../../src/operations/findings.js';
import { type RepairResult, repair } from '../../src/operations/repair.js';
import { stats } from '../../src/operations/stats.js';
import { verify } from '../../src/operations/verify.js';
import { blocksOf, packNames, type SeenBlock, saveAsDelta } from '../support/delta-pool.js';
import { dockerArchive, layerTar, sha256Of } from '../support/images.js';
import { concatBytes, noise, tarEnd, tarFile } from '../support/tar-builder.js';
import { SmallPool } from './small-pool.js';

const context = quietContext();
const FILE_BYTES = 90_000;
const CONTENT = noise(7, FILE_BYTES);

/** One file with some bytes that are other in each version. */
function version(seed: number): Uint8Array {
  const bytes = CONTENT.slice();
  for (let at = seed; at < bytes.length; at += 9000) bytes[at] = bytes[at]! ^ seed;
  const layer = concatBytes([tarFile('file', bytes), tarEnd()]);
  return dockerArchive({ references: [`app:${seed}`], layers: [layer] });
}

const check = (pool: SmallPool, options: VerifyOptions = { readData: true }): Promise<VerifyResult> =>
  pool.with('read', (open) => verify(open, options, context));

const mend = (pool: SmallPool, other: SmallPool): Promise<RepairResult> =>
  pool.with('exclusive', (open) => repair(open, other.directory, context));

/** The block of file bytes at a depth. */
async function dataBlock(pool: SmallPool, depth: number): Promise<SeenBlock> {
  const blocks = await blocksOf(pool);
  return blocks.find((block) => block.kind === 1 && block.depth === depth && block.plainBytes >= FILE_BYTES)!;
}

async function flip(pool: SmallPool, block: SeenBlock): Promise<void> {
  const path = join(pool.directory, 'packs', block.pack);
  const bytes = await readFile(path);
  const at = block.offsetBytes + (block.storedBytes >> 1);
  bytes[at] = bytes[at]! ^ 0x10;
  await writeFile(path, bytes);
}

/** app:1 is plain, app:2 a delta of it, app:3 of that, and so on; other:1 has nothing to do with them. */
async function makeChain(seeds: readonly number[]): Promise<SmallPool> {
  const pool = await SmallPool.create();
  await pool.save(version(seeds[0]!));
  let packs = await packNames(pool);
  for (const seed of seeds.slice(1)) packs = await saveAsDelta(pool, version(seed), packs);
  await pool.save(dockerArchive({ references: ['other:1'], layers: [layerTar(9, 1, 30_000)] }));
  return pool;
}

describe('verify, repair and stats with delta blocks', () => {
  let chain: SmallPool;
  let loads: Map<string, Buffer | Error>;

  beforeAll(async () => {
    chain = await makeChain([1, 2, 3, 4]);
    loads = await chain.loadAll();
  });
  afterAll(async () => chain[Symbol.asyncDispose]());

  async function expectHealed(pool: SmallPool): Promise<void> {
    expect(await check(pool)).toMatchObject({ findings: [], damaged: false, incomplete: false });
    for (const [id, bytes] of await pool.loadAll()) {
      if (!Buffer.isBuffer(bytes)) throw bytes;
      expect(bytes.equals(loads.get(id) as Buffer)).toBe(true);
    }
  }

  it('finds nothing in a sound pool', async () => {
    expect((await blocksOf(chain)).filter(({ kind }) => kind === 1).map(({ depth }) => depth)).toContain(3);
    expect(await check(chain)).toMatchObject({ findings: [], imagesHit: [] });
    expect(await check(chain, { readData: false })).toMatchObject({ findings: [] });
  });

  it.each([0, 1, 2, 3])(
    'names the block of depth %s that is damaged, once, with all it takes along',
    async (depth) => {
      await using pool = await chain.copy();
      const culprit = await dataBlock(pool, depth);
      await flip(pool, culprit);
      const { findings, imagesHit, damaged } = await check(pool);
      expect(damaged).toBe(true);
      const hit = ['app:1', 'app:2', 'app:3', 'app:4'].slice(depth);
      expect([...imagesHit].sort()).toEqual(hit);
      const blocks = findings.filter(({ kind }) => kind === 'block-damaged');
      expect(blocks.map(({ file }) => file)).toEqual([`packs/${culprit.pack}`]);
      expect([...blocks[0]!.images].sort()).toEqual(hit);
      expect(blocks[0]!.message).toContain(`block at ${culprit.offsetBytes}`);
      expect(findings.filter(({ file }) => file !== `packs/${culprit.pack}`)).toEqual([]);
      // One version alone, though only its own blocks are asked for, and a part of the packs.
      const one = await check(pool, { readData: true, address: 'app:4' });
      expect(one.findings.map(({ file }) => file)).toEqual([`packs/${culprit.pack}`]);
      for (let seed = 0; seed < 3; seed++) {
        const part = await check(pool, { readData: 30, seed });
        for (const { file } of part.findings) expect(file).toBe(`packs/${culprit.pack}`);
      }
      expect((await mend(pool, chain)).repaired.map(({ action }) => action)).toEqual(['replaced']);
      await expectHealed(pool);
    },
  );

  it.each([0, 1, 2])('tells what a missing pack takes along, at depth %s', async (depth) => {
    await using pool = await chain.copy();
    const { pack } = await dataBlock(pool, depth);
    await rm(join(pool.directory, 'packs', pack));
    for (const readData of [false, true]) {
      const result = await check(pool, { readData });
      expect(result).toMatchObject({ damaged: false, incomplete: true });
      expect(result.findings.map(({ kind }) => kind)).toEqual(['chunk-missing']);
      expect([...result.imagesHit].sort()).toEqual(['app:1', 'app:2', 'app:3', 'app:4'].slice(depth));
    }
    expect((await mend(pool, chain)).repaired).toMatchObject([{ file: `packs/${pack}`, action: 'added' }]);
    await expectHealed(pool);
  });

  it.each([0, 1, 2, 3])(
    'heals depth %s from a pool that has the same chunks the other way round',
    async (depth) => {
      // Here 1 < 2 < 3 < 4; there 4 is plain and 1 is the deepest.
      await using other = await makeChain([4, 3, 2, 1]);
      await using damaged = await chain.copy();
      await flip(damaged, await dataBlock(damaged, depth));
      expect(await mend(damaged, other)).toMatchObject({ findingsAfter: [], stillMissing: 0 });
      await expectHealed(damaged);
      await using missing = await chain.copy();
      const { pack } = await dataBlock(missing, depth);
      await rm(join(missing.directory, 'packs', pack));
      expect(await mend(missing, other)).toMatchObject({ findingsAfter: [], stillMissing: 0 });
      await expectHealed(missing);
    },
  );

  it('finds a snapshot that gives a digest the recipe of other bytes', async () => {
    await using pool = await chain.copy();
    // A layer of one version under the digest of a layer of another, in a snapshot that is sound in itself.
    const files = (await pool.files()).filter((file) => file.startsWith('snapshots'));
    const texts = await Promise.all(files.map((file) => readFile(join(pool.directory, file), 'utf8')));
    const layerOf = (text: string): { digest: string; recipeId: string; mediaType: string } =>
      JSON.parse(text).blobs.find(
        ({ mediaType }: { mediaType: string }) => mediaType.includes('layer') || mediaType.includes('rootfs'),
      );
    const one = texts.find((text) => text.includes('"app:1"'))!;
    const two = texts.find((text) => text.includes('"app:2"'))!;
    const forged = one
      .replaceAll(layerOf(one).recipeId, layerOf(two).recipeId)
      .replaceAll('"app:1"', '"forged:1"');
    expect(forged).not.toBe(one);
    await writeFile(join(pool.directory, 'snapshots', sha256Hex(Buffer.from(forged))), forged);
    expect((await check(pool, { readData: false })).findings).toEqual([]);
    const { findings, damaged, imagesHit } = await check(pool);
    expect(damaged).toBe(true);
    expect(findings.map(({ kind }) => kind)).toEqual(['blob-damaged']);
    expect(findings[0]!.message).toContain(layerOf(one).digest);
    expect(imagesHit).toEqual(['forged:1']);
    expect((await check(pool, { readData: true, address: 'app:1' })).findings).toEqual([]);
  });

  it('accounts for every byte', async () => {
    const { bytes, deltas, byKind, packBytes } = (
      await chain.with('read', (open) => stats(open, undefined, context))
    ).pool;
    const files = [...(await chain.files()), 'dbup-pool.json'];
    const sizes = await Promise.all(
      files.map(async (file) => (await readFile(join(chain.directory, file))).length),
    );
    const onDisk = sizes.reduce((sum, size) => sum + size, 0);
    const { totalBytes, ...parts } = bytes;
    expect(totalBytes).toBe(onDisk);
    expect(Object.values(parts).reduce((sum, part) => sum + part, 0)).toBe(onDisk);
    expect(bytes.frameBytes).toBe((await packNames(chain)).length * 64);
    const blocks = await blocksOf(chain);
    expect(bytes.baseIdBytes).toBe(32 * blocks.reduce((sum, { baseIds }) => sum + baseIds.length, 0));
    expect(deltas.map(({ depth }) => depth)).toEqual([1, 2, 3]);
    for (const { depth, blocks: count } of deltas)
      expect(count).toBe(blocks.filter((block) => block.depth === depth).length);
    const { data, skeleton, recipe, footerBytes } = byKind;
    expect(data.storedBytes + skeleton.storedBytes + recipe.storedBytes + footerBytes).toBe(packBytes);
    expect(data.deltaStoredBytes + skeleton.deltaStoredBytes + recipe.deltaStoredBytes).toBe(
      bytes.deltaBytes,
    );
  });

  it('counts what cannot be read as such', async () => {
    await using pool = await chain.copy();
    const { pack } = await dataBlock(pool, 0);
    await writeFile(join(pool.directory, 'packs', pack), Buffer.alloc(777));
    const { bytes, garbageBytes } = (await pool.with('read', (open) => stats(open, undefined, context))).pool;
    expect(bytes.unusableBytes).toBe(777);
    expect(garbageBytes === null || garbageBytes >= 0).toBe(true);
    expect(sha256Of(await readFile(join(pool.directory, 'packs', pack)))).not.toBe(pack);
  });
});

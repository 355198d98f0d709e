import { afterAll, describe, expect, it } from 'vitest';
import { quietContext } from '../../src/core/context.js';
import type { DbupError } from '../../src/core/errors.js';
import { LIMITS } from '../../src/core/limits.js';
import { sha256, sha256Hex } from '../../src/hash/sha256.js';
import { BlockCache } from '../../src/pool/block-cache.js';
import { type ScannedBlock, scanBlocks } from '../../src/pool/block-scan.js';
import { BlockWorkers } from '../../src/pool/block-workers.js';
import type { ChunkCatalog } from '../../src/pool/chunk-catalog.js';
import { noise } from '../support/tar-builder.js';
import { LeaningPool, type MadeBlock } from './leaning-pool.js';

const KiB = 1024;
const SEED = 20260102;
const workers = new BlockWorkers(2);
afterAll(() => workers.close());

/** What is stored where nothing comes to decode it. */
const UNREAD = noise(99, 30);

/** A later form of some bytes. */
function changed(bytes: Uint8Array, by: number): Uint8Array {
  const copy = Uint8Array.from(bytes);
  for (let at = by % 97; at < copy.length; at += 997) copy[at]! ^= by & 255;
  return copy;
}

/** Numbers below `bound`, the same for the same seed. */
function generator(seed: number): (bound: number) => number {
  let state = seed >>> 0;
  return (bound) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * bound);
  };
}

async function read(pool: LeaningPool, chunks: ChunkCatalog, chunk: Uint8Array): Promise<Uint8Array> {
  return new BlockCache(pool.layout, chunks, workers).readChunk(sha256(chunk));
}

async function failure(pool: LeaningPool, chunk: Uint8Array): Promise<DbupError> {
  const found = await read(pool, await pool.chunks(), chunk).catch((error) => error);
  expect(found).toBeInstanceOf(Error);
  return found;
}

async function scan(pool: LeaningPool): Promise<ScannedBlock[]> {
  const chunks = await pool.chunks();
  const addresses = chunks.packs.flatMap(({ footer }, packIndex) =>
    footer.blocks.map((_, blockIndex) => ({ packIndex, blockIndex })),
  );
  const found: ScannedBlock[] = [];
  const parts = { layout: pool.layout, workers, chunks, context: quietContext() };
  for await (const block of scanBlocks(parts, addresses))
    found.push({ ...block, plain: block.plain.slice() });
  return found;
}

describe('delta blocks', () => {
  it(`come back from chains of depth 4, in a cache too small for any, to many readers (seed ${SEED})`, async () => {
    await using pool = await LeaningPool.create();
    const next = generator(SEED);
    // Each level leans on five chunks of levels below, from five blocks.
    const levels: Uint8Array[][] = [Array.from({ length: 40 }, (_, i) => noise(i, 30 * KiB + next(9000)))];
    for (let depth = 1; depth <= 4; depth++) {
      const below = levels[depth - 1]!;
      const blocks: MadeBlock[] = [];
      for (let i = 0; i < 24; i++) {
        const bases = new Set([below[next(below.length)]!]);
        while (bases.size < 5) {
          const level = levels[next(depth)]!;
          bases.add(level[next(level.length)]!);
        }
        // Something of each, so that none is left out.
        const parts = [...bases].map((base) => base.subarray(0, 12 * KiB));
        const whole = changed(Buffer.concat(parts), depth * 31 + i);
        blocks.push({ chunks: [whole.slice(0, 20 * KiB), whole.slice(20 * KiB)], bases: [...bases], depth });
      }
      levels.push(blocks.flatMap(({ chunks }) => chunks));
      await pool.addPack(blocks);
    }
    await pool.addPack(levels[0]!.map((chunk) => ({ chunks: [chunk] })));
    const chunks = await pool.chunks();
    const all = levels.flat();
    const cache = new BlockCache(pool.layout, chunks, workers, { budgetBytes: 0 });
    const reader = async (number: number): Promise<number> => {
      const choose = generator(SEED + number);
      let right = 0;
      for (let round = 0; round < 6; round++) {
        // Held together: nobody gets further by someone else's letting go.
        const wanted = Array.from({ length: 8 }, () => all[choose(all.length)]!);
        const leases = wanted.map((chunk) => cache.lease(sha256(chunk)));
        for (let i = 0; i < leases.length; i++) {
          await leases[i]!.ready;
          if (Buffer.from(leases[i]!.bytes).equals(wanted[i]!)) right++;
        }
        for (const lease of leases) lease.release();
      }
      return right;
    };
    const right = await Promise.all(Array.from({ length: 10 }, (_, i) => reader(i)));
    expect(right).toEqual(Array.from({ length: 10 }, () => 48));
    expect((await scan(pool)).every(({ damage, badChunks }) => !damage && badChunks.length === 0)).toBe(true);
  });

  it('come back when the deepest is asked for first and all of them at once, by one thread', async () => {
    await using pool = await LeaningPool.create();
    const chain = [noise(1, 9000)];
    for (let depth = 1; depth <= LIMITS.deltaDepth; depth++) chain.push(changed(chain[depth - 1]!, depth));
    for (let depth = LIMITS.deltaDepth; depth >= 0; depth--) {
      const bases = depth > 0 ? [chain[depth - 1]!] : [];
      await pool.addPack([{ chunks: [chain[depth]!], bases, depth }]);
    }
    const lone = new BlockWorkers(1);
    const cache = new BlockCache(pool.layout, await pool.chunks(), lone);
    const leases = chain.map((chunk) => cache.lease(sha256(chunk))).reverse();
    await Promise.all(leases.map(({ ready }) => ready));
    for (const { bytes, id } of leases) expect(sha256Hex(bytes)).toBe(Buffer.from(id).toString('hex'));
    await lone.close();
  });

  it('use the shallowest copy of a base, so that two that lean on each other after a merge are read', async () => {
    await using pool = await LeaningPool.create();
    const [a, b] = [noise(1, 5000), changed(noise(1, 5000), 9)];
    const pairs = [
      [{ chunks: [a] }, { chunks: [b], bases: [a] }],
      [{ chunks: [b] }, { chunks: [a], bases: [b] }],
    ];
    for (const blocks of pairs) await pool.addPack(blocks);
    const chunks = await pool.chunks();
    for (const chunk of [a, b]) {
      expect(await read(pool, chunks, chunk)).toEqual(chunk);
      const { packIndex, blockIndex } = chunks.table.location(chunks.table.find(sha256(chunk)));
      expect(chunks.packs[packIndex]!.footer.blocks[blockIndex]!.depth).toBe(0);
    }
    expect((await scan(pool)).every(({ damage, badChunks }) => !damage && badChunks.length === 0)).toBe(true);
  });

  it('that go in circles are incomplete', async () => {
    await using pool = await LeaningPool.create();
    const [a, b, c] = [noise(1, 5000), noise(2, 5000), noise(3, 5000)];
    const stored = UNREAD;
    await pool.addPack([{ chunks: [a], bases: [b], depth: 2, stored }]);
    await pool.addPack([{ chunks: [b], bases: [a], depth: 3, stored }]);
    await pool.addPack([{ chunks: [c], bases: [b], depth: 3, stored }]);
    const error = await failure(pool, a);
    expect(error).toMatchObject({ code: 'POOL_INCOMPLETE', details: { chunk: sha256Hex(b) } });
    expect(error.message).toContain('depth 3');
    expect(await failure(pool, c)).toMatchObject({ code: 'POOL_INCOMPLETE' });
    expect((await scan(pool)).map(({ damage }) => damage?.code)).toEqual(Array(3).fill('POOL_INCOMPLETE'));
  });

  it('that lie about their depth are incomplete, and name the block', async () => {
    await using pool = await LeaningPool.create();
    const [a, b, c] = [noise(1, 5000), changed(noise(1, 5000), 2), noise(3, 5000)];
    await pool.addPack([{ chunks: [a] }, { chunks: [b], bases: [a], depth: 1 }]);
    const name = await pool.addPack([{ chunks: [c], bases: [b], depth: 1, stored: UNREAD }]);
    expect(await failure(pool, c)).toMatchObject({
      code: 'POOL_INCOMPLETE',
      details: { chunk: sha256Hex(b), pack: name, blockOffsetBytes: 16 },
    });
    expect(await read(pool, await pool.chunks(), b)).toEqual(b);
  });

  it('without a base are incomplete, and whatever leans on them', async () => {
    await using pool = await LeaningPool.create();
    const [a, b, c] = [noise(1, 5000), noise(2, 5000), noise(3, 5000)];
    const name = await pool.addPack([{ chunks: [b], bases: [a], stored: UNREAD }]);
    const above = await pool.addPack([{ chunks: [c], bases: [b], depth: 2, stored: UNREAD }]);
    const details = { chunk: sha256Hex(a), pack: name, blockOffsetBytes: 16 };
    expect(await failure(pool, b)).toMatchObject({ code: 'POOL_INCOMPLETE', details });
    const error = await failure(pool, c);
    expect(error).toMatchObject({ code: 'POOL_INCOMPLETE', details: { ...details, block: { pack: above } } });
    expect(error.message).toContain('its base cannot be read');
  });

  it('of more base bytes than the limit are refused before anything of them is read', async () => {
    await using pool = await LeaningPool.create();
    const plainBytes = LIMITS.chunkBytes;
    const bases = [1, 2, 3].map((i) => noise(i, 9));
    const large = (base: Uint8Array): MadeBlock => ({
      chunks: [base],
      chunkBytes: [plainBytes],
      stored: noise(1, 50),
    });
    const most = [...bases.slice(0, 2)];
    const [tooLarge, fits] = [noise(8, 40), noise(9, 40)];
    await pool.addPack(bases.map(large));
    const stored = noise(4, 60);
    await pool.addPack([
      { chunks: [tooLarge], bases, stored },
      { chunks: [fits], bases: most, stored },
    ]);
    const error = await failure(pool, tooLarge);
    expect(error).toMatchObject({ code: 'POOL_DAMAGED' });
    expect(error.message).toContain(`more than ${LIMITS.deltaBaseBytes} bytes`);
    // At the limit it is read, and found to be no zstd.
    expect((await failure(pool, fits)).message).toContain('zstd says');
  });

  it('whose base cannot be read name the base', async () => {
    await using pool = await LeaningPool.create();
    const [a, b, c] = [noise(1, 5000), changed(noise(1, 5000), 3), changed(noise(1, 5000), 4)];
    const culprit = await pool.addPack([{ chunks: [a] }]);
    await pool.addPack([{ chunks: [b], bases: [a] }]);
    const top = await pool.addPack([{ chunks: [c], bases: [b], depth: 2 }]);
    await pool.flip(culprit, 100);
    expect(await failure(pool, c)).toMatchObject({
      code: 'POOL_DAMAGED',
      details: {
        pack: culprit,
        base: { pack: culprit, blockOffsetBytes: 16 },
        block: { pack: top, blockOffsetBytes: 16 },
      },
    });
    const found = await scan(pool);
    expect(found.map(({ damage }) => damage?.details.pack)).toEqual([culprit, culprit, culprit]);
    expect(found.map(({ damage }) => damage?.details.base !== undefined).sort()).toEqual([false, true, true]);
  });

  it('whose base is not what its id says name the base, when they come out wrong and when they do not at all', async () => {
    await using pool = await LeaningPool.create();
    const [a, b, c] = [noise(1, 5000), changed(noise(1, 5000), 3), changed(noise(1, 5000), 4)];
    const wrong = changed(a, 77);
    const culprit = await pool.addPack([{ chunks: [wrong], chunkIds: [sha256(a)] }]);
    const leaning = await pool.addPack([{ chunks: [b], bases: [a] }]);
    const undecodable = await pool.addPack([{ chunks: [c], bases: [a], stored: noise(5, 30) }]);
    const base = { pack: culprit, blockOffsetBytes: 16, chunk: sha256Hex(a) };
    const details = { ...base, base, block: { pack: undecodable, blockOffsetBytes: 16 } };
    expect(await failure(pool, c)).toMatchObject({ code: 'POOL_DAMAGED', details });
    const found = await scan(pool);
    const chunks = await pool.chunks();
    const of = (name: string): ScannedBlock =>
      found.find(({ packIndex }) => chunks.packs[packIndex]!.name === name)!;
    expect(of(culprit)).toMatchObject({ badChunks: [0], badBase: null, damage: null });
    expect(of(leaning)).toMatchObject({ badChunks: [0], badBase: base, damage: null });
    expect(of(undecodable)).toMatchObject({ damage: { details } });
  });

  it('that are damaged themselves name no base', async () => {
    await using pool = await LeaningPool.create();
    const [a, b, c] = [noise(1, 5000), changed(noise(1, 5000), 3), changed(noise(1, 5000), 4)];
    await pool.addPack([{ chunks: [a] }]);
    const flipped = await pool.addPack([{ chunks: [b], bases: [a] }]);
    const senseless = await pool.addPack([{ chunks: [c], bases: [a], stored: noise(5, 30) }]);
    await pool.flip(flipped, 50);
    for (const [chunk, pack] of [
      [b, flipped],
      [c, senseless],
    ] as const) {
      const error = await failure(pool, chunk);
      expect(error).toMatchObject({ code: 'POOL_DAMAGED', details: { pack, blockOffsetBytes: 16 } });
      expect(error.details.base).toBeUndefined();
    }
  });
});

import { closeSync, openSync, writeSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { sha256 } from '../../src/hash/sha256.js';
import { BlockCache } from '../../src/pool/block-cache.js';
import { BlockWorkers } from '../../src/pool/block-workers.js';
import { type BlockingReads, nodeBlockingReads } from '../../src/store/file-system.js';
import { SpillFile, type SpillPlace } from '../../src/store/spill-file.js';
import { noise, seededRandom } from '../support/tar-builder.js';
import { LeaningPool } from './leaning-pool.js';

const KiB = 1024;
const SEED = 20261123;
const directory = await mkdtemp(join(tmpdir(), 'dbup-spill-'));
afterAll(() => rm(directory, { recursive: true, force: true }));

/** A cache that keeps nothing in memory, over a block that leans on nothing and one that leans on it. */
async function cacheOver(pool: LeaningPool, spill: SpillFile | null) {
  const plain = noise(1, 40 * KiB);
  const delta = Uint8Array.from(plain, (byte, i) => (i % 997 === 0 ? byte ^ 1 : byte));
  await pool.addPack([{ chunks: [plain] }]);
  await pool.addPack([{ chunks: [delta], bases: [plain] }]);
  let decodes = 0;
  // Each block is read at once.
  const read: BlockingReads['read'] = (...asked) => {
    decodes++;
    return nodeBlockingReads.read(...asked);
  };
  const workers = new BlockWorkers(1, { ...nodeBlockingReads, read });
  const cache = new BlockCache(pool.layout, await pool.chunks(), workers, { budgetBytes: 0, spill });
  /** How many blocks are decoded for a chunk, which must come out right. */
  const decodesFor = async (chunk: Uint8Array): Promise<number> => {
    const before = decodes;
    expect(Buffer.from(await cache.readChunk(sha256(chunk))).equals(chunk)).toBe(true);
    return decodes - before;
  };
  return { plain, delta, decodesFor };
}

/** Gives places in another file instead, for ever to be tried. */
class OtherFile extends SpillFile {
  readonly places: SpillPlace[] = [];
  readonly #fd: number | null;

  constructor(fd: number | null = null) {
    super(directory);
    this.#fd = fd;
  }

  override reserve(sizeBytes: number): SpillPlace | null {
    const place = super.reserve(sizeBytes)!;
    if (this.#fd !== null) place.fd = this.#fd;
    this.places.push(place);
    return place;
  }
}

describe('decoded blocks in a spill file', () => {
  it('are not decoded again: those that lean on others at once, others from the second time on', async () => {
    await using pool = await LeaningPool.create();
    const spill = new SpillFile(directory);
    const { plain, delta, decodesFor } = await cacheOver(pool, spill);
    expect([await decodesFor(delta), await decodesFor(delta), await decodesFor(delta)]).toEqual([2, 0, 0]);
    // It was decoded once for the delta.
    expect([await decodesFor(plain), await decodesFor(plain)]).toEqual([1, 0]);
    spill.close();
  });

  it('are decoded each time where there is no file', async () => {
    for (const spill of [null, new SpillFile(join(directory, 'none'))]) {
      await using pool = await LeaningPool.create();
      const { plain, delta, decodesFor } = await cacheOver(pool, spill);
      expect([await decodesFor(delta), await decodesFor(delta), await decodesFor(plain)]).toEqual([2, 2, 1]);
    }
  });

  it('are decoded again where the file has other bytes, and are put there again', async () => {
    await using pool = await LeaningPool.create();
    const spill = new OtherFile();
    const { delta, decodesFor } = await cacheOver(pool, spill);
    await decodesFor(delta);
    const [{ fd, offsetBytes }] = spill.places as [SpillPlace];
    writeSync(fd, noise(9, 100), 0, 100, offsetBytes + 5 * KiB);
    // The base is put aside the second time.
    expect([await decodesFor(delta), await decodesFor(delta)]).toEqual([2, 0]);
    expect(spill.places.length).toBe(3);
    spill.close();
  });

  it('are decoded each time on a disk that is full, which is tried once', async () => {
    await using pool = await LeaningPool.create();
    const full = openSync('/dev/full', 'r+');
    const spill = new OtherFile(full);
    const { delta, decodesFor } = await cacheOver(pool, spill);
    expect([await decodesFor(delta), await decodesFor(delta), await decodesFor(delta)]).toEqual([2, 2, 2]);
    expect(spill.places.length).toBe(1);
    spill.close();
    closeSync(full);
  });

  it('are decoded each time where the file cannot be read', async () => {
    await using pool = await LeaningPool.create();
    const unreadable = openSync('/dev/null', 'w');
    const spill = new OtherFile(unreadable);
    const { delta, decodesFor } = await cacheOver(pool, spill);
    expect([await decodesFor(delta), await decodesFor(delta), await decodesFor(delta)]).toEqual([2, 2, 2]);
    expect(spill.places.length).toBeGreaterThan(2);
    spill.close();
    closeSync(unreadable);
  });

  it(`come back right to many readers of two threads, from a file with room for few (seed ${SEED})`, async () => {
    await using pool = await LeaningPool.create();
    const spill = new OtherFile();
    const small = new SpillFile(directory, 300 * KiB);
    const plains = Array.from({ length: 12 }, (_, i) => noise(i, 50 * KiB));
    const deltas = plains.map((plain, i) =>
      Uint8Array.from(plain, (byte, at) => (at % 613 === i ? ~byte : byte)),
    );
    await pool.addPack(plains.map((plain) => ({ chunks: [plain] })));
    await pool.addPack(deltas.map((delta, i) => ({ chunks: [delta], bases: [plains[i]!] })));
    const workers = new BlockWorkers(2);
    const chunks = await pool.chunks();
    const all = [...plains, ...deltas];
    const right = await Promise.all(
      [small, small, spill].map(async (file, number) => {
        const cache = new BlockCache(pool.layout, chunks, workers, { budgetBytes: 0, spill: file });
        const random = seededRandom(SEED + number);
        let count = 0;
        for (let round = 0; round < 60; round++) {
          const wanted = all[Math.floor(random() * all.length)]!;
          if (Buffer.from(await cache.readChunk(sha256(wanted))).equals(wanted)) count++;
        }
        return count;
      }),
    );
    expect(right).toEqual([60, 60, 60]);
    await workers.close();
    small.close();
    spill.close();
  });
});

import { afterAll, describe, expect, it } from 'vitest';
import { addDifferences, type FlatDelta } from '../../src/compress/delta/flat-delta.js';
import { sha256 } from '../../src/hash/sha256.js';
import { BlockCache } from '../../src/pool/block-cache.js';
import { BlockWorkers } from '../../src/pool/block-workers.js';
import { type BlockAddress, type ChunkCatalog, locateChunk } from '../../src/pool/chunk-catalog.js';
import { DeltaChains } from '../../src/pool/delta-chains.js';
import { EDITS, makeCode, numbersFrom } from '../compress/delta/pairs.js';
import { LeaningPool } from './leaning-pool.js';

const CHUNK_BYTES = 3000;
const VERSIONS = 9;
const SEEDS = Array.from({ length: 8 }, (_, i) => 7_000 + i);
const workers = new BlockWorkers(2);
afterAll(() => workers.close());

function split(bytes: Uint8Array): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) chunks.push(bytes.slice(at, at + CHUNK_BYTES));
  return chunks;
}

const hex = (chunk: Uint8Array): string => Buffer.from(sha256(chunk)).toString('hex');

/** Versions of some code, each an edit or three away from the one before. */
function versionsOf(seed: number): Uint8Array[] {
  const next = numbersFrom(seed);
  const edits = [EDITS.shift!, EDITS.shift!, EDITS.change!, EDITS.insert!, EDITS.remove!, EDITS.move!];
  const versions = [makeCode(next, 30_000)];
  while (versions.length < VERSIONS) {
    let bytes = versions.at(-1)!;
    for (let i = 1 + (next() % 3); i > 0; i--) bytes = edits[next() % edits.length]!(bytes, next);
    versions.push(Uint8Array.from(bytes));
  }
  return versions;
}

/** Stores each version as one block over the chunks of the one before. @returns the chunks of each */
async function fill(pool: LeaningPool, versions: readonly Uint8Array[]): Promise<Uint8Array[][]> {
  const stored: Uint8Array[][] = [];
  const known = new Set<string>();
  for (const [depth, bytes] of versions.entries()) {
    const chunks = split(bytes);
    const own = chunks.filter((chunk) => !known.has(hex(chunk)));
    for (const chunk of own) known.add(hex(chunk));
    if (own.length > 0)
      await pool.addPack([{ chunks: own, depth, ...(depth > 0 && { bases: stored[depth - 1]! }) }]);
    stored.push(chunks);
  }
  return stored;
}

function blockOf(chunks: ChunkCatalog, chunk: Uint8Array): BlockAddress {
  const { packIndex, blockIndex } = locateChunk(chunks, sha256(chunk))!;
  return { packIndex, blockIndex };
}

/** The plain bytes, put together here from the chunks' own bytes. */
function assemble(
  { ends, sources, sourceNumbers, offsets, differences }: FlatDelta,
  chunkAt: (entry: number) => Uint8Array,
): Uint8Array {
  const bytes = new Uint8Array(ends.at(-1)!);
  let at = 0;
  ends.forEach((end, i) => {
    const source = sources[sourceNumbers[i]!]!;
    const from = typeof source === 'number' ? chunkAt(source) : source;
    bytes.set(from.subarray(offsets[i]!, offsets[i]! + end - at), at);
    at = end;
  });
  addDifferences(bytes, differences);
  return bytes;
}

describe('chains of deltas', () => {
  it(`come down to chunks that lean on nothing, exactly or as a guess that says so (seeds ${SEEDS[0]} to ${SEEDS.at(-1)})`, async () => {
    const seen = { flat: 0, left: 0, guesses: 0, differences: 0, deep: 0 };
    for (const seed of SEEDS) {
      await using pool = await LeaningPool.create();
      const stored = await fill(pool, versionsOf(seed));
      const chunks = await pool.chunks();
      const bytesOf = new Map(
        stored.flat().map((chunk) => [chunks.table.find(sha256(chunk)), chunk] as const),
      );
      const chains = new DeltaChains({ layout: pool.layout, chunks, workers });
      for (const chunk of new Set(stored.flat())) {
        const address = blockOf(chunks, chunk);
        const { footer } = chunks.packs[address.packIndex]!;
        const { depth, firstChunk, chunkCount } = footer.blocks[address.blockIndex]!;
        if (depth === 0) continue;
        const plain = Buffer.concat(
          Array.from({ length: chunkCount }, (_, i) => {
            const at = (firstChunk + i) * 32;
            return bytesOf.get(chunks.table.find(footer.chunkIds.subarray(at, at + 32)))!;
          }),
        );
        const flat = await chains.flatten(address);
        if (flat === null) {
          seen.left++;
          continue;
        }
        seen.flat++;
        if (flat.guesses.length > 0) seen.guesses++;
        else {
          const bytes = assemble(flat, (entry) => bytesOf.get(entry)!);
          expect(plain.equals(bytes), `seed ${seed}, depth ${depth}`).toBe(true);
        }
        seen.differences += flat.differences.at.length;
        if (depth > 6) seen.deep++;
      }
    }
    // Otherwise what is to be shown was not tried. Some deltas are of another form.
    expect(seen.flat).toBeGreaterThan(4 * seen.left);
    expect(seen.guesses).toBeGreaterThan(0);
    expect(seen.differences).toBeGreaterThan(0);
    expect(seen.deep).toBeGreaterThan(0);
  });

  it('are read as what was stored, whatever was guessed', async () => {
    await using pool = await LeaningPool.create();
    const stored = await fill(pool, versionsOf(SEEDS[1]!));
    const cache = new BlockCache(pool.layout, await pool.chunks(), workers);
    for (const chunk of stored.flat().reverse()) expect(await cache.readChunk(sha256(chunk))).toEqual(chunk);
  });

  it('that are damaged in the middle name the block that is', async () => {
    await using pool = await LeaningPool.create();
    const chain = [makeCode(numbersFrom(5), 20_000)];
    const names: string[] = [];
    for (let depth = 0; depth < 6; depth++) {
      if (depth > 0) chain.push(EDITS.change!(chain[depth - 1]!, numbersFrom(depth)));
      const bases = depth > 0 ? [chain[depth - 1]!] : [];
      names.push(await pool.addPack([{ chunks: [chain[depth]!], bases, depth }]));
    }
    await pool.flip(names[3]!, 20);
    const cache = new BlockCache(pool.layout, await pool.chunks(), workers);
    expect(await cache.readChunk(sha256(chain[2]!))).toEqual(chain[2]);
    await expect(cache.readChunk(sha256(chain[5]!))).rejects.toMatchObject({
      code: 'POOL_DAMAGED',
      details: { pack: names[3] },
    });
  });
});

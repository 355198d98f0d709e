import { describe, expect, it } from 'vitest';
import { sha256 } from '../../src/hash/sha256.js';
import { type ChunkCatalog, locateChunk } from '../../src/pool/chunk-catalog.js';
import { noise } from '../support/tar-builder.js';
import { LeaningPool } from './leaning-pool.js';

const [A, B, C] = [noise(1, 500), noise(2, 500), noise(3, 500)];

function packOf(chunks: ChunkCatalog, chunk: Uint8Array): string {
  return chunks.packs[locateChunk(chunks, sha256(chunk))!.packIndex]!.name;
}

describe('the chunk catalog', () => {
  it('uses the shallowest copy of a chunk, whatever the packs are called, and the first of those by name', async () => {
    await using pool = await LeaningPool.create();
    await pool.addPack([{ chunks: [A] }]);
    // Seven packs with a copy of C at depth 3 to 1 and 0, told apart by another chunk.
    const depths = [3, 2, 1, 0, 0, 2, 1];
    const names: string[] = [];
    for (const [i, depth] of depths.entries()) {
      const leans = depth > 0 ? { bases: [A], depth, stored: noise(50, 20) } : {};
      names.push(await pool.addPack([{ chunks: [C], ...leans }, { chunks: [noise(10 + i, 40)] }]));
    }
    const rank = (name: string): [number, string] => [depths[names.indexOf(name)]!, name];
    const order = [...names].sort((a, b) => {
      const [left, right] = [rank(a), rank(b)];
      return left[0] - right[0] || (left[1] < right[1] ? -1 : 1);
    });
    const gone = new Set<string>();
    for (const name of order) {
      expect(packOf(await pool.chunks(gone), C)).toBe(name);
      gone.add(name);
    }
    // When all are a last resort, the order among them is the same.
    expect(packOf(await pool.chunks(gone), C)).toBe(order[0]);
  });

  it('keeps the packs in the order of their names, those of last resort behind', async () => {
    await using pool = await LeaningPool.create();
    const names: string[] = [];
    for (const chunk of [A, B, C]) names.push(await pool.addPack([{ chunks: [chunk] }]));
    const sorted = [...names].sort();
    expect((await pool.chunks()).packs.map(({ name }) => name)).toEqual(sorted);
    const { packs } = await pool.chunks(new Set([sorted[0]!]));
    expect(packs.map(({ name }) => name)).toEqual([sorted[1], sorted[2], sorted[0]]);
  });
});

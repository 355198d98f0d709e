import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ChunkTable, PENDING_PACK } from '../../src/catalog/chunk-table.js';
import { sha256 } from '../../src/hash/sha256.js';

const SEED = 4711;

/** Ids that collide in their first word, or not at all. */
function idOf(value: number, collide: boolean): Uint8Array {
  const id = new Uint8Array(sha256(Uint8Array.of(value & 255, value >> 8)));
  if (collide) id.fill(7, 0, 4);
  return id;
}

describe('a chunk table', () => {
  it(`answers as a map does, whatever is added in whatever order (seed ${SEED})`, () => {
    const entry = fc.record({ value: fc.nat(3000), collide: fc.boolean(), pack: fc.nat(9) });
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 3000 }), fc.nat(50), (entries, expected) => {
        const table = new ChunkTable(expected);
        const map = new Map<string, number>();
        for (const { value, collide, pack } of entries) {
          const id = idOf(value, collide);
          const key = Buffer.from(id).toString('hex');
          const place = { packIndex: pack, blockIndex: value, offsetBytes: value * 2, sizeBytes: value + 1 };
          expect(table.add(id, 0, place)).toBe(!map.has(key));
          if (!map.has(key)) map.set(key, pack);
        }
        expect(table.count).toBe(map.size);
        for (const { value, collide } of entries) {
          const id = idOf(value, collide);
          const found = table.find(id);
          expect(table.location(found)).toEqual({
            packIndex: map.get(Buffer.from(id).toString('hex')),
            blockIndex: value,
            offsetBytes: value * 2,
            sizeBytes: value + 1,
          });
          expect(Buffer.from(table.id(found)).equals(id)).toBe(true);
        }
        expect(table.find(idOf(60_000, false))).toBe(-1);
        expect(table.find(idOf(60_000, true))).toBe(-1);
      }),
      { seed: SEED, numRuns: 30 },
    );
  });

  it('takes as many ids with equal words as a footer may hold, without a walk over all of them for each', () => {
    // Walks over all that came before would take far longer than a test may.
    const count = 500_000;
    const words = new Uint32Array(count * 8);
    for (let i = 0; i < count; i++) words[i * 8 + 7] = i;
    const table = new ChunkTable(count);
    const block = { firstChunk: 0, chunkCount: count, depth: 0 };
    table.addPack(0, words, new Uint32Array(count).fill(1), [block], 0);
    expect(table.count).toBe(count);
  });

  it('finds ids that stand anywhere in a larger array, and tells what is not yet in a pack', () => {
    const table = new ChunkTable();
    const bytes = new Uint8Array(100);
    bytes.set(idOf(5, false), 13);
    table.add(bytes, 13, { packIndex: PENDING_PACK, blockIndex: 0, offsetBytes: 0, sizeBytes: 9 });
    expect(table.packIndex(table.find(idOf(5, false)))).toBe(PENDING_PACK);
    expect(table.sizeBytes(table.find(bytes, 13))).toBe(9);
  });

  it('takes the blocks of one depth from a pack, and keeps the copy that came first', () => {
    const ids = [0, 1, 2, 3].map((value) => idOf(value, true));
    const words = Uint32Array.from({ length: 32 }, (_, i) => Buffer.concat(ids).readUInt32LE(i * 4));
    const blocks = [
      { firstChunk: 0, chunkCount: 2, depth: 2 },
      { firstChunk: 2, chunkCount: 2, depth: 0 },
    ];
    const table = new ChunkTable();
    table.addPack(7, words, Uint32Array.of(10, 20, 30, 40), blocks, 0);
    expect(ids.map((id) => table.find(id) >= 0)).toEqual([false, false, true, true]);
    // The same chunks in another pack, the other way round.
    table.addPack(8, words, Uint32Array.of(10, 20, 30, 40), [{ firstChunk: 0, chunkCount: 4, depth: 1 }], 1);
    table.addPack(7, words, Uint32Array.of(10, 20, 30, 40), blocks, 2);
    const places = ids.map((id) => table.location(table.find(id)));
    expect(
      places.map(({ packIndex, blockIndex, offsetBytes }) => [packIndex, blockIndex, offsetBytes]),
    ).toEqual([
      [8, 0, 0],
      [8, 0, 10],
      [7, 1, 0],
      [7, 1, 30],
    ]);
    expect(table.count).toBe(4);
  });
});

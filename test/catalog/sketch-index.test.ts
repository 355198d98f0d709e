import { describe, expect, it } from 'vitest';
import { SketchIndex } from '../../src/catalog/sketch-index.js';
import { SeededRandom } from '../chunk/generators.js';

/** Random features, none of them 0. */
function sketches(random: SeededRandom, chunks: number): Uint32Array {
  return Uint32Array.from({ length: chunks * 6 }, () => random.next());
}

const chunkOf = (pack: Uint32Array, chunk: number) => pack.slice(chunk * 6, chunk * 6 + 6);
const places = (matches: { packIndex: number; chunk: number }[]) =>
  matches.map(({ packIndex, chunk }) => [packIndex, chunk]);

describe('SketchIndex', () => {
  it('finds nothing in an empty index, nor by an empty sketch', () => {
    const index = new SketchIndex();
    expect(index.find(Uint32Array.of(1, 2, 3, 4, 5, 6), 3)).toEqual([]);
    index.addPack(0, new Uint32Array(60));
    index.addPack(1, new Uint32Array(0));
    expect(index.find(new Uint32Array(6), 3)).toEqual([]);
  });

  it('finds every chunk of many packs by any one feature, while the table grows', () => {
    const random = new SeededRandom(5);
    const index = new SketchIndex();
    const packs = Array.from({ length: 24 }, (_, i) => sketches(random, 1 + i * 10));
    packs.forEach((pack, i) => {
      index.addPack(1000 + i, pack);
    });
    let lost = 0;
    let asked = 0;
    packs.forEach((pack, i) => {
      for (let chunk = 0; chunk < pack.length / 6; chunk++) {
        const expected = { packIndex: 1000 + i, chunk, equal: 6 };
        const found = index.find(chunkOf(pack, chunk), 4);
        expect(found).toHaveLength(1);
        expect(found[0]!.equal).toBeGreaterThanOrEqual(2);
        expect(found[0]).toEqual({ ...expected, equal: found[0]!.equal });
        const one = Uint32Array.from({ length: 6 }, (_, j) => (j === chunk % 6 ? pack[chunk * 6 + j]! : 0));
        asked++;
        if (index.find(one, 4).length === 0) lost++;
      }
    });
    expect(lost / asked).toBeLessThan(0.05);
  });

  it('ranks by equal features, then by how rare they are, then the newest first', () => {
    const index = new SketchIndex();
    index.addPack(
      3,
      Uint32Array.of(...[11, 22, 33, 4, 5, 6], ...[11, 22, 7, 8, 9, 10], ...[11, 12, 13, 14, 15, 16]),
    );
    index.addPack(4, Uint32Array.of(...[11, 17, 18, 19, 20, 21], ...[23, 24, 25, 26, 27, 99]));
    expect(index.find(Uint32Array.of(11, 22, 33, 44, 55, 99), 9)).toEqual([
      { packIndex: 3, chunk: 0, equal: 3 },
      { packIndex: 3, chunk: 1, equal: 2 },
      { packIndex: 4, chunk: 1, equal: 1 },
      { packIndex: 4, chunk: 0, equal: 1 },
      { packIndex: 3, chunk: 2, equal: 1 },
    ]);
    expect(index.find(Uint32Array.of(11, 22, 33, 44, 55, 99), 2)).toHaveLength(2);
    expect(index.find(Uint32Array.of(11, 22, 33, 44, 55, 99), 0)).toEqual([]);
  });

  it('counts a feature above 2^31 and words of a larger buffer', () => {
    const index = new SketchIndex();
    const buffer = Uint32Array.of(1, 2, 3, 0xffffffff, 0x80000000, 0, 0, 0, 0, 5);
    index.addPack(0, buffer.subarray(3, 9));
    expect(index.find(Uint32Array.of(0xffffffff, 0x80000000, 0, 0, 0, 5), 5)).toEqual([
      { packIndex: 0, chunk: 0, equal: 2 },
    ]);
  });

  it('stays within its bound, and lets the newest displace the oldest', () => {
    const random = new SeededRandom(9);
    const index = new SketchIndex(0, 1024);
    const packs = Array.from({ length: 40 }, () => sketches(random, 500));
    packs.forEach((pack, i) => {
      index.addPack(i, pack);
    });
    expect(index.sizeBytes).toBe(1024 * 64);
    const share = (pack: number) => {
      let found = 0;
      for (let chunk = 0; chunk < 500; chunk++) {
        if (places(index.find(chunkOf(packs[pack]!, chunk), 1))[0]?.[0] === pack) found++;
      }
      return found / 500;
    };
    expect(share(39)).toBeGreaterThan(0.99);
    expect(share(38)).toBeGreaterThan(0.99);
    expect(share(0)).toBe(0);
  });

  it('keeps seven chunks of one feature, the newest', () => {
    const index = new SketchIndex(0, 8);
    for (let pack = 0; pack < 20; pack++) index.addPack(pack, Uint32Array.of(77, 0, 0, 0, 0, 0));
    const found = index.find(Uint32Array.of(77, 0, 0, 0, 0, 0), 20);
    expect(places(found)).toEqual([19, 18, 17, 16, 15, 14, 13].map((pack) => [pack, 0]));
  });

  it('answers alike whether it grew or had its size from the start', () => {
    const random = new SeededRandom(21);
    const packs = Array.from({ length: 10 }, () => sketches(random, 400));
    const grown = new SketchIndex();
    const ready = new SketchIndex(4000);
    expect(ready.sizeBytes).toBeGreaterThan(grown.sizeBytes);
    packs.forEach((pack, i) => {
      grown.addPack(i, pack);
      ready.addPack(i, pack);
    });
    expect(grown.sizeBytes).toBe(ready.sizeBytes);
    for (let chunk = 0; chunk < 400; chunk++) {
      const sketch = chunkOf(packs[chunk % 10]!, chunk);
      const expected = [[chunk % 10, chunk]];
      expect(places(grown.find(sketch, 9))).toEqual(expected);
      expect(places(ready.find(sketch, 9))).toEqual(expected);
    }
  });

  it('refuses words that are not six a chunk', () => {
    expect(() => new SketchIndex().addPack(0, new Uint32Array(7))).toThrow(RangeError);
  });
});

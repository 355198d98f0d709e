import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CHUNK_MEMORY_RESERVED_BYTES, createChunkMemory } from '../../src/chunk/chunker.js';
import { createSketchOracle } from '../../src/chunk/sketch/sketch-oracle.js';
import { createSketcher, SKETCH_FEATURES } from '../../src/chunk/sketch/sketcher.js';
import { type DataSpec, fnv1a32, generate, SeededRandom } from './generators.js';

interface GoldenVector extends DataSpec {
  dataFnv1a32: number;
  sketch: number[];
}

const FIXTURES = new URL('../../fixtures/sketch/', import.meta.url);
const goldenFiles = readdirSync(FIXTURES)
  .sort()
  .map((name) => ({
    name,
    vectors: JSON.parse(readFileSync(new URL(name, FIXTURES), 'utf8')) as GoldenVector[],
  }));

const NO_SKETCH = [0, 0, 0, 0, 0, 0];
/** The oracle takes a third of a second a megabyte where every position is sampled. */
const ORACLE_LARGEST_BYTES = 100_000;

/** The sketch of bytes that lie in a memory among others, on which it must not depend. */
function sketchOf(bytes: Uint8Array, misalignment = 0, around = 0x3c): number[] {
  const offset = CHUNK_MEMORY_RESERVED_BYTES + misalignment;
  const memory = createChunkMemory(offset + bytes.length + 64);
  const all = new Uint8Array(memory.buffer).fill(around);
  all.set(bytes, offset);
  const into = new Uint32Array(SKETCH_FEATURES).fill(7);
  createSketcher(memory).sketch(offset, bytes.length, into);
  return [...into];
}

function oracleOf(bytes: Uint8Array): number[] {
  const into = new Uint32Array(SKETCH_FEATURES).fill(7);
  createSketchOracle(bytes).sketch(0, bytes.length, into);
  return [...into];
}

const make = (generator: string, seed: number, lengthBytes: number, argument = 0) =>
  generate({ generator, seed, argument, lengthBytes });

const equalFeatures = (a: number[], b: number[]) =>
  a.filter((feature, i) => feature !== 0 && feature === b[i]).length;

describe('golden sketches written by the C++ twin', () => {
  it('are there', () => {
    expect(goldenFiles.map(({ name }) => name)).toEqual(['edges.json', 'large.json', 'ordinary.json']);
    const sketches = goldenFiles.flatMap(({ vectors }) => vectors.map(({ sketch }) => sketch));
    expect(sketches.some((sketch) => sketch.every((feature) => feature !== 0))).toBe(true);
    expect(sketches.some((sketch) => new Set(sketch).size > 1 && sketch.includes(0))).toBe(true);
  });

  it.each(goldenFiles)('$name', ({ vectors }) => {
    for (const { sketch, dataFnv1a32, ...spec } of vectors) {
      const bytes = generate(spec);
      const title = `${spec.generator} seed ${spec.seed} argument ${spec.argument} length ${spec.lengthBytes}`;
      expect(fnv1a32(bytes), title).toBe(dataFnv1a32);
      expect(sketchOf(bytes, spec.seed % 64), title).toEqual(sketch);
      if (bytes.length <= ORACLE_LARGEST_BYTES) expect(oracleOf(bytes), title).toEqual(sketch);
    }
  });
});

describe('the kernel and the oracle', () => {
  it('agree for any data, length and alignment', () => {
    const data = fc.record({
      generator: fc.constantFrom(
        'random',
        'text',
        'executable',
        'every-eighth',
        'sparse',
        'periodic',
        'counter',
      ),
      seed: fc.integer({ min: 1, max: 0xffff_ffff }),
      argument: fc.integer({ min: 1, max: 300 }),
      lengthBytes: fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 0, max: 20_000 })),
    });
    fc.assert(
      fc.property(
        data,
        fc.integer({ min: 0, max: 63 }),
        fc.integer({ min: 0, max: 255 }),
        (spec, at, around) => {
          const bytes = generate(spec);
          expect(sketchOf(bytes, at, around)).toEqual(oracleOf(bytes));
        },
      ),
      { seed: 20_261_122, numRuns: 200 },
    );
  });

  it('agree for every length up to 400 and around a mebibyte', () => {
    const bytes = make('executable', 3, 2 ** 20 + 70);
    for (let length = 0; length <= 400; length++) {
      const part = bytes.slice(1000, 1000 + length);
      expect(sketchOf(part, length % 16), `length ${length}`).toEqual(oracleOf(part));
    }
    for (const length of [2 ** 20 - 1, 2 ** 20, 2 ** 20 + 70]) {
      expect(sketchOf(bytes.slice(0, length), 5), `length ${length}`).toEqual(
        oracleOf(bytes.slice(0, length)),
      );
    }
  });

  it('agree where two bytes are all there is', () => {
    const random = new SeededRandom(11);
    for (let round = 0; round < 50; round++) {
      const pair = [random.below(256), random.below(256)];
      const bytes = Uint8Array.from({ length: 1000 }, () => pair[random.below(2)]!);
      expect(sketchOf(bytes), `pair ${pair}`).toEqual(oracleOf(bytes));
    }
  });
});

describe('a sketch', () => {
  it('is none for fewer than 64 bytes, and for one byte repeated', () => {
    expect(sketchOf(make('every-eighth', 1, 63))).toEqual(NO_SKETCH);
    expect(sketchOf(make('every-eighth', 1, 64))).not.toEqual(NO_SKETCH);
    for (let byte = 0; byte < 256; byte++) {
      expect(sketchOf(make('constant', 1, 1000, byte), 0, byte ^ 0xff)).toEqual(NO_SKETCH);
    }
  });

  it('is the same from a sketcher that sketched other chunks before', () => {
    const bytes = make('text', 8, 30_000);
    const memory = createChunkMemory(CHUNK_MEMORY_RESERVED_BYTES + bytes.length);
    new Uint8Array(memory.buffer).set(bytes, CHUNK_MEMORY_RESERVED_BYTES);
    const sketcher = createSketcher(memory);
    const into = new Uint32Array(SKETCH_FEATURES);
    for (const [start, end] of [
      [0, 30_000],
      [100, 20_000],
      [0, 10],
      [29_000, 30_000],
    ] as const) {
      sketcher.sketch(CHUNK_MEMORY_RESERVED_BYTES + start, end - start, into);
      expect([...into]).toEqual(sketchOf(bytes.slice(start, end)));
    }
    const after = new Uint8Array(memory.buffer, CHUNK_MEMORY_RESERVED_BYTES, bytes.length);
    expect(Buffer.compare(after, bytes)).toBe(0);
    expect(new Uint8Array(memory.buffer, 0, CHUNK_MEMORY_RESERVED_BYTES).every((byte) => byte === 0)).toBe(
      true,
    );
  });

  it('refuses words that cannot hold it and a range outside the memory', () => {
    const sketcher = createSketcher(createChunkMemory(2 * CHUNK_MEMORY_RESERVED_BYTES));
    expect(() => sketcher.sketch(65_536, 100, new Uint32Array(5))).toThrow(RangeError);
    expect(() => sketcher.sketch(65_536, 65_537, new Uint32Array(6))).toThrow(WebAssembly.RuntimeError);
  });

  it.each(['random', 'text', 'executable'])(
    'of %s data survives edits, shifts and other ends',
    (generator) => {
      const random = new SeededRandom(77);
      let found = 0;
      const rounds = 40;
      for (let seed = 1; seed <= rounds; seed++) {
        const bytes = make(generator, seed, 64 * 1024);
        const shifted = new Uint8Array(bytes.length);
        shifted.set(bytes.subarray(8_000), 123);
        for (let edit = 0; edit < 100; edit++)
          shifted[random.below(shifted.length)]! ^= 1 + random.below(255);
        if (equalFeatures(sketchOf(bytes), sketchOf(shifted)) > 0) found++;
      }
      expect(found).toBe(rounds);
    },
  );

  it.each([
    ['random', 0],
    ['text', 0.01],
    ['executable', 0.01],
  ])('of %s data shares next to nothing with those of unrelated chunks', (generator, largestShare) => {
    const features = Array.from({ length: 200 }, (_, i) =>
      sketchOf(make(generator, i + 1, 16 * 1024)),
    ).flat();
    const repeated = features.length - new Set(features).size;
    expect(repeated / features.length).toBeLessThanOrEqual(largestShare);
  });

  it('has features whose bits are even, though they are of the least of many', () => {
    const counts = new Array<number>(32).fill(0);
    const chunks = 500;
    for (let seed = 1; seed <= chunks; seed++) {
      for (const feature of sketchOf(make('random', seed, 4096))) {
        for (let bit = 0; bit < 32; bit++) counts[bit]! += (feature >>> bit) & 1;
      }
    }
    const sigma = Math.sqrt(chunks * SKETCH_FEATURES) / 2;
    for (const count of counts)
      expect(Math.abs(count - (chunks * SKETCH_FEATURES) / 2)).toBeLessThan(5 * sigma);
  });
});

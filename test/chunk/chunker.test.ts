import { readdirSync, readFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  CHUNK_MEMORY_RESERVED_BYTES,
  chunkerMasks,
  createChunker,
  createChunkMemory,
} from '../../src/chunk/chunker.js';
import {
  type ChunkerParameters,
  DEFAULT_CHUNKER_PARAMETERS,
  validateChunkerParameters,
} from '../../src/chunk/chunker-parameters.js';
import { DbupError } from '../../src/core/errors.js';
import { cutsOfSlices, cutsOfWhole, loadKernel, loadOracle } from './chunk-stream.js';
import { type DataSpec, fnv1a32, generate, SeededRandom } from './generators.js';

interface GoldenVector extends DataSpec {
  dataFnv1a32: number;
  parameters: ChunkerParameters;
  cuts: number[];
}

const FIXTURES = new URL('../../fixtures/chunker/', import.meta.url);
const goldenFiles = readdirSync(FIXTURES).map((name) => ({
  name,
  vectors: JSON.parse(readFileSync(new URL(name, FIXTURES), 'utf8')) as GoldenVector[],
}));

const title = (vector: GoldenVector) =>
  `${vector.generator} seed ${vector.seed} argument ${vector.argument} length ${vector.lengthBytes} avg ${vector.parameters.avgBytes}`;

/** The oracle takes a second for 16 MB, so the largest vectors are left to the kernel. */
const ORACLE_LARGEST_BYTES = 3_000_000;

describe('golden vectors written by the C++ twin', () => {
  it('are there', () => {
    expect(goldenFiles.map(({ name }) => name)).toEqual([
      'default.json',
      'edges-default.json',
      'edges-small.json',
      'largest.json',
      'odd.json',
      'small.json',
    ]);
    expect(goldenFiles.every(({ vectors }) => vectors.length > 0)).toBe(true);
  });

  describe.each(goldenFiles)('$name', ({ vectors }) => {
    it.each(vectors.map((vector) => [title(vector), vector] as const))('%s', (_title, vector) => {
      const bytes = generate(vector);
      expect(fnv1a32(bytes)).toBe(vector.dataFnv1a32);
      const stream = loadKernel(vector.parameters, bytes, vector.seed % 64);
      expect(cutsOfWhole(stream)).toEqual(vector.cuts);
      const random = new SeededRandom(vector.seed);
      const largest = Math.max(64, vector.parameters.avgBytes);
      expect(cutsOfSlices(stream, () => 1 + random.below(largest))).toEqual(vector.cuts);
      if (bytes.length <= ORACLE_LARGEST_BYTES) {
        expect(cutsOfWhole(loadOracle(vector.parameters, bytes))).toEqual(vector.cuts);
      }
    });
  });

  it.each(goldenFiles.find(({ name }) => name === 'small.json')!.vectors.map((v) => [title(v), v] as const))(
    'byte by byte: %s',
    (_title, vector) => {
      const bytes = generate(vector);
      expect(cutsOfSlices(loadKernel(vector.parameters, bytes), () => 1)).toEqual(vector.cuts);
      expect(cutsOfSlices(loadOracle(vector.parameters, bytes), () => 1)).toEqual(vector.cuts);
    },
  );
});

describe('the kernel and the oracle', () => {
  const parameters = fc
    .record({ avgBits: fc.integer({ min: 7, max: 12 }), min: fc.double({ min: 0, max: 1, noNaN: true }) })
    .chain(({ avgBits, min }) => {
      const avgBytes = 2 ** avgBits;
      const minBytes = 64 + Math.floor(min * (avgBytes - 65));
      return fc
        .integer({ min: avgBytes + 1, max: avgBytes * 8 })
        .map((maxBytes): ChunkerParameters => ({ algorithm: 'xgear-1', minBytes, avgBytes, maxBytes }));
    });

  it('agree for any parameters, data, alignment and slicing', () => {
    const seed = 20_261_122;
    const data = fc.record({
      generator: fc.constantFrom('random', 'text', 'executable', 'every-eighth'),
      seed: fc.integer({ min: 1, max: 0xffff_ffff }),
      argument: fc.constant(0),
      lengthBytes: fc.integer({ min: 0, max: 20_000 }),
    });
    fc.assert(
      fc.property(parameters, data, fc.integer({ min: 0, max: 63 }), (chosen, spec, misalignment) => {
        const bytes = generate(spec);
        const expected = cutsOfWhole(loadOracle(chosen, bytes));
        const stream = loadKernel(chosen, bytes, misalignment);
        const random = new SeededRandom(spec.seed);
        expect(cutsOfWhole(stream)).toEqual(expected);
        expect(cutsOfSlices(stream, () => 1 + random.below(700))).toEqual(expected);
      }),
      { seed, numRuns: 150 },
    );
  });

  it('cut every chunk the same on its own: bytes before its start do not matter', () => {
    const bytes = generate({ generator: 'executable', seed: 99, argument: 0, lengthBytes: 3_000_000 });
    const cuts = cutsOfWhole(loadKernel(DEFAULT_CHUNKER_PARAMETERS, bytes));
    expect(cuts.length).toBeGreaterThan(15);
    cuts.forEach((end, index) => {
      const alone = bytes.slice(cuts[index - 1] ?? 0, end);
      expect(cutsOfWhole(loadKernel(DEFAULT_CHUNKER_PARAMETERS, alone))).toEqual([alone.length]);
    });
  });
});

describe('where cuts fall', () => {
  const { minBytes, avgBytes, maxBytes } = DEFAULT_CHUNKER_PARAMETERS;
  const firstCut = (generator: string, argument: number, lengthBytes = maxBytes + 1000) =>
    cutsOfWhole(
      loadKernel(DEFAULT_CHUNKER_PARAMETERS, generate({ generator, seed: 1, argument, lengthBytes })),
    )[0];

  // A planted cut at n is one at n + 3, n + 5 and n + 6 too: the signs of s8 there are those of its newest byte.
  it('not before the minimum, and at it', () => {
    expect(firstCut('planted-strict', minBytes - 7)).toBe(maxBytes);
    expect(firstCut('planted-strict', minBytes - 6)).toBe(minBytes);
    expect(firstCut('planted-strict', minBytes - 1)).toBe(minBytes + 2);
    expect(firstCut('planted-strict', minBytes)).toBe(minBytes);
  });

  it('loosely from the average on, strictly before', () => {
    expect(firstCut('planted-loose', avgBytes - 7)).toBe(maxBytes);
    expect(firstCut('planted-loose', avgBytes - 6)).toBe(avgBytes);
    expect(firstCut('planted-loose', avgBytes - 1)).toBe(avgBytes + 2);
    expect(firstCut('planted-loose', avgBytes)).toBe(avgBytes);
    expect(firstCut('planted-strict', avgBytes - 1)).toBe(avgBytes - 1);
  });

  it('at the maximum whatever the bytes', () => {
    expect(firstCut('planted-strict', maxBytes - 1)).toBe(maxBytes - 1);
    expect(firstCut('planted-strict', maxBytes + 1)).toBe(maxBytes);
  });

  it('nowhere else in a run of any one byte, or a pattern of 2 or 4', () => {
    for (let byte = 0; byte < 256; byte++) expect(firstCut('constant', byte)).toBe(maxBytes);
    for (let seed = 1; seed < 20; seed++) {
      for (const argument of [2, 4]) {
        const bytes = generate({ generator: 'periodic', seed, argument, lengthBytes: maxBytes * 2 });
        expect(cutsOfWhole(loadKernel(DEFAULT_CHUNKER_PARAMETERS, bytes))).toEqual([maxBytes, maxBytes * 2]);
      }
    }
  });

  it('nowhere in fewer bytes than the minimum, none at all included', () => {
    const { chunker, offsetBytes } = loadKernel(DEFAULT_CHUNKER_PARAMETERS, new Uint8Array(100));
    expect(chunker.findCut(offsetBytes, 0, 0)).toBe(0);
    expect(chunker.findCut(offsetBytes, 0, 100)).toBe(0);
  });

  it.each([
    ['random', 70_000, 84_000],
    ['text', 65_000, 100_000],
    ['executable', 65_000, 110_000],
  ])('%s data: the mean chunk is between %d and %d bytes', (generator, lowest, highest) => {
    const lengthBytes = 32 * 1024 * 1024;
    const bytes = generate({ generator, seed: 77, argument: 0, lengthBytes });
    const cuts = cutsOfWhole(loadKernel(DEFAULT_CHUNKER_PARAMETERS, bytes));
    const lengths = cuts.map((end, index) => end - (cuts[index - 1] ?? 0));
    const mean = lengthBytes / cuts.length;
    expect(mean).toBeGreaterThan(lowest);
    expect(mean).toBeLessThan(highest);
    expect(lengths.slice(0, -1).every((length) => length >= minBytes && length <= maxBytes)).toBe(true);
    expect(lengths.filter((length) => length === maxBytes).length / lengths.length).toBeLessThan(0.01);
  });

  it.each(['random', 'text', 'executable'])(
    '%s data: bytes inserted in front move the cuts along',
    (generator) => {
      const bytes = generate({ generator, seed: 5, argument: 0, lengthBytes: 16 * 1024 * 1024 });
      const original = new Set(chunkHashes(bytes));
      for (const insertedBytes of [1, 13, 4096]) {
        const shifted = new Uint8Array(insertedBytes + bytes.length);
        shifted.set(generate({ generator: 'random', seed: 6, argument: 0, lengthBytes: insertedBytes }));
        shifted.set(bytes, insertedBytes);
        const hashes = chunkHashes(shifted);
        expect(hashes.filter((hash) => original.has(hash)).length / hashes.length).toBeGreaterThan(0.9);
      }
    },
  );
});

function chunkHashes(bytes: Uint8Array): string[] {
  const cuts = cutsOfWhole(loadKernel(DEFAULT_CHUNKER_PARAMETERS, bytes));
  return cuts.map((end, index) => {
    const start = cuts[index - 1] ?? 0;
    return `${end - start}:${fnv1a32(bytes.subarray(start, end))}`;
  });
}

describe('validateChunkerParameters', () => {
  const valid: ChunkerParameters = { algorithm: 'xgear-1', minBytes: 64, avgBytes: 128, maxBytes: 129 };

  it('accepts the defaults and both ends of the range, and drops unknown fields', () => {
    expect(validateChunkerParameters(DEFAULT_CHUNKER_PARAMETERS)).toEqual(DEFAULT_CHUNKER_PARAMETERS);
    expect(validateChunkerParameters({ ...valid, more: 1 })).toEqual(valid);
    const largest = { ...valid, minBytes: 2 ** 21 - 1, avgBytes: 2 ** 21, maxBytes: 2 ** 22 };
    expect(validateChunkerParameters(largest)).toEqual(largest);
  });

  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['a string', 'xgear-1'],
    ['no algorithm', { minBytes: 64, avgBytes: 128, maxBytes: 129 }],
    ['another algorithm', { ...valid, algorithm: 'xgear-2' }],
    ['a very long algorithm', { ...valid, algorithm: 'x'.repeat(100_000) }],
    ['min too small', { ...valid, minBytes: 63 }],
    ['min equal to avg', { ...valid, minBytes: 128 }],
    ['avg not a power of two', { ...valid, avgBytes: 127 }],
    ['avg equal to max', { ...valid, maxBytes: 128 }],
    ['max too large', { ...valid, maxBytes: 2 ** 22 + 1 }],
    ['a fraction', { ...valid, minBytes: 64.5 }],
    ['NaN', { ...valid, maxBytes: Number.NaN }],
    ['a negative', { ...valid, minBytes: -64 }],
    ['a numeric string', { ...valid, minBytes: '64' }],
    ['a missing number', { algorithm: 'xgear-1', minBytes: 64, avgBytes: 128 }],
  ])('refuses %s', (_name, value) => {
    const error = thrownBy(() => validateChunkerParameters(value));
    expect(error.code).toBe('POOL_FORMAT_UNSUPPORTED');
    expect(error.hint).toContain('pool descriptor');
    expect(error.message.length).toBeLessThan(300);
  });

  it('guards createChunker', () => {
    const memory = createChunkMemory(2 * CHUNK_MEMORY_RESERVED_BYTES);
    expect(thrownBy(() => createChunker({ ...valid, minBytes: 1 }, memory)).code).toBe(
      'POOL_FORMAT_UNSUPPORTED',
    );
  });
});

function thrownBy(action: () => unknown): DbupError {
  try {
    action();
  } catch (error) {
    if (error instanceof DbupError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('chunkerMasks', () => {
  it.each([
    [128, { outer: 0xc0, strict: 0xf8, loose: 0x80 }],
    [64 * 1024, { outer: 0xfe, strict: 0xf0, loose: 0x00 }],
    [128 * 1024, { outer: 0xfe, strict: 0xf8, loose: 0x80 }],
    [2 * 1024 * 1024, { outer: 0xff, strict: 0xfe, loose: 0xe0 }],
  ])('of %d', (avgBytes, masks) => {
    expect(chunkerMasks(avgBytes)).toEqual(masks);
  });
});

describe('createChunkMemory', () => {
  it('is shared, zeroed, and at least as large as asked', () => {
    const memory = createChunkMemory(CHUNK_MEMORY_RESERVED_BYTES + 1);
    expect(memory.buffer).toBeInstanceOf(SharedArrayBuffer);
    expect(memory.buffer.byteLength).toBe(2 * CHUNK_MEMORY_RESERVED_BYTES);
    expect(new Uint8Array(memory.buffer).every((byte) => byte === 0)).toBe(true);
  });

  it.each([0, -1, CHUNK_MEMORY_RESERVED_BYTES, 2 ** 32 + 1, 1e6 + 0.5, Number.NaN])(
    'refuses %d',
    (sizeBytes) => {
      expect(thrownBy(() => createChunkMemory(sizeBytes)).code).toBe('INTERNAL');
    },
  );

  it('is left as it was by a search, the reserved part too', () => {
    const bytes = generate({ generator: 'text', seed: 8, argument: 0, lengthBytes: 300_000 });
    const memory = createChunkMemory(CHUNK_MEMORY_RESERVED_BYTES + bytes.length);
    new Uint8Array(memory.buffer).set(bytes, CHUNK_MEMORY_RESERVED_BYTES);
    const before = fnv1a32(new Uint8Array(memory.buffer));
    createChunker(DEFAULT_CHUNKER_PARAMETERS, memory).findCut(CHUNK_MEMORY_RESERVED_BYTES, 0, bytes.length);
    expect(fnv1a32(new Uint8Array(memory.buffer))).toBe(before);
  });

  it('may be searched to its last byte and not beyond', () => {
    const parameters: ChunkerParameters = {
      algorithm: 'xgear-1',
      minBytes: 64,
      avgBytes: 128,
      maxBytes: 4096,
    };
    const memory = createChunkMemory(2 * CHUNK_MEMORY_RESERVED_BYTES);
    const chunker = createChunker(parameters, memory);
    const end = memory.buffer.byteLength;
    for (let length = 0; length < 300; length++) expect(chunker.findCut(end - length, 0, length)).toBe(0);
    expect(() => chunker.findCut(end - 100, 0, 400)).toThrow('memory access out of bounds');
  });

  it('can be filled by one thread and searched by another', async () => {
    const bytes = generate({ generator: 'random', seed: 9, argument: 0, lengthBytes: 1_000_000 });
    const memory = createChunkMemory(CHUNK_MEMORY_RESERVED_BYTES + bytes.length);
    const chunker = createChunker(DEFAULT_CHUNKER_PARAMETERS, memory);
    await new Promise<void>((resolve, reject) => {
      const source = `const { memory, bytes, offset } = require('node:worker_threads').workerData;
        new Uint8Array(memory.buffer).set(bytes, offset);`;
      const worker = new Worker(source, {
        eval: true,
        workerData: { memory, bytes, offset: CHUNK_MEMORY_RESERVED_BYTES },
      });
      worker.once('error', reject).once('exit', () => resolve());
    });
    const cut = chunker.findCut(CHUNK_MEMORY_RESERVED_BYTES, 0, bytes.length);
    expect(cut).toBe(cutsOfWhole(loadOracle(DEFAULT_CHUNKER_PARAMETERS, bytes))[0]);
  });
});

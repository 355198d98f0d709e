import { describe, expect, it } from 'vitest';
import type { PackRecord } from '../../src/catalog/catalog.js';
import { BasePins } from '../../src/pool/base-pins.js';
import { BlockBases, NO_BASE } from '../../src/pool/block-bases.js';
import { buildChunkCatalog, type ChunkCatalog } from '../../src/pool/chunk-catalog.js';

const CHUNK_BYTES = 1000;

/** A block of these chunks over these bases; names are one character each. */
type Block = { chunks: string; bases?: string; depth?: number; storedBytes?: number };

const idOf = (name: string): Uint8Array => new Uint8Array(32).fill(name.charCodeAt(0));

function idsOf(names: string): Uint8Array {
  return new Uint8Array(Buffer.concat([...names].map(idOf)));
}

function catalogOf(packs: Record<string, Block[]>): ChunkCatalog {
  const records = Object.entries(packs).map(([name, blocks]): PackRecord => {
    const chunks = blocks.map((block) => block.chunks).join('');
    let [firstChunk, firstBase] = [0, 0];
    const entries = blocks.map(({ chunks: own, bases = '', depth = 0, storedBytes = 500 }) => {
      const entry = {
        ...{ offsetBytes: 16, storedBytes, plainBytes: own.length * CHUNK_BYTES, kind: 1, xxh64: 0n },
        ...{ firstChunk, chunkCount: own.length, firstBase, baseCount: bases.length },
        ...{ depth, codec: bases === '' ? 1 : 2 },
      };
      firstChunk += own.length;
      firstBase += bases.length;
      return entry;
    });
    const footer = {
      blocks: entries,
      chunkCount: chunks.length,
      chunkIds: idsOf(chunks),
      chunkBytes: new Uint32Array(chunks.length).fill(CHUNK_BYTES),
      baseIds: idsOf(blocks.map(({ bases = '' }) => bases).join('')),
      sketches: null,
    };
    return { name, sizeBytes: 10_000, footer };
  });
  return buildChunkCatalog(records, []);
}

function pinsOf(chunks: ChunkCatalog, named: string): { pins: BasePins; needed(): string } {
  const pins = new BasePins(chunks, (entry) =>
    named.includes(String.fromCharCode(chunks.table.id(entry)[0]!)),
  );
  const needed = (): string =>
    Array.from({ length: chunks.table.count }, (_, entry) => entry)
      .filter((entry) => pins.has(entry))
      .map((entry) => String.fromCharCode(chunks.table.id(entry)[0]!))
      .sort()
      .join('');
  return { pins, needed };
}

describe('what blocks lean on', () => {
  /** c over b over a, and d over a as well; x and y stand alone. */
  const chain = {
    p1: [{ chunks: 'ax' }],
    p2: [{ chunks: 'b', bases: 'a', depth: 1, storedBytes: 100 }],
    p3: [{ chunks: 'c', bases: 'b', depth: 2, storedBytes: 50 }],
    p4: [{ chunks: 'd', bases: 'a', depth: 1 }, { chunks: 'y' }],
  };

  it('is needed with it, through any depth', () => {
    expect(pinsOf(catalogOf(chain), 'c').needed()).toBe('abc');
    expect(pinsOf(catalogOf(chain), 'dy').needed()).toBe('ady');
    expect(pinsOf(catalogOf(chain), 'x').needed()).toBe('x');
  });

  it('counts against a block as far as nothing else needs it, and asking changes nothing', () => {
    const chunks = catalogOf(chain);
    const top = { packIndex: 2, blockIndex: 0 };
    const alone = pinsOf(chunks, 'c');
    // b takes its block's 100 bytes, a half of its block's 500; 36 each in footers.
    for (let again = 0; again < 3; again++) expect(alone.pins.pinnedBytes(top)).toBe(100 + 250 + 2 * 36);
    expect(alone.needed()).toBe('abc');
    expect(pinsOf(chunks, 'cd').pins.pinnedBytes(top)).toBe(100 + 36);
    expect(pinsOf(chunks, 'bc').pins.pinnedBytes(top)).toBe(0);
    expect(pinsOf(chunks, 'ac').pins.pinnedBytes(top)).toBe(100 + 36);
  });

  it('goes with the last block that leans on it', () => {
    const { pins, needed } = pinsOf(catalogOf(chain), 'cd');
    expect(pins.blocks().map(({ packIndex }) => packIndex)).toEqual([2, 1, 3]);
    pins.release({ packIndex: 2, blockIndex: 0 });
    expect(needed()).toBe('acd');
    expect(pins.blocks().map(({ packIndex }) => packIndex)).toEqual([3]);
    pins.release({ packIndex: 3, blockIndex: 0 });
    expect(needed()).toBe('cd');
    expect(pins.leans({ packIndex: 3, blockIndex: 0 })).toBe(false);
  });

  it('stays released when what leans on its chunks is asked about', () => {
    const { pins, needed } = pinsOf(catalogOf(chain), 'c');
    const [top, middle] = [
      { packIndex: 2, blockIndex: 0 },
      { packIndex: 1, blockIndex: 0 },
    ];
    pins.release(middle);
    expect(needed()).toBe('bc');
    pins.pinnedBytes(top);
    expect(pins.leans(middle)).toBe(false);
    expect(pins.blocks()).toEqual([top]);
    expect(needed()).toBe('bc');
  });

  it('is needed again where the pack stays as it is', () => {
    const { pins, needed } = pinsOf(catalogOf(chain), 'c');
    pins.release({ packIndex: 2, blockIndex: 0 });
    expect(needed()).toBe('c');
    pins.restorePack(2);
    expect(needed()).toBe('abc');
    pins.release({ packIndex: 1, blockIndex: 0 });
    pins.release({ packIndex: 2, blockIndex: 0 });
    expect(needed()).toBe('c');
    // Nothing of it is needed now: it leans on nothing, until the one above does again.
    pins.restorePack(1);
    expect(needed()).toBe('c');
    pins.restorePack(2);
    expect(needed()).toBe('abc');
    pins.restorePack(2);
    pins.release({ packIndex: 2, blockIndex: 0 });
    expect(needed()).toBe('c');
  });

  it('counts for every copy of a chunk that a reader may use, where a deleter asks', () => {
    const twice = {
      p0: [{ chunks: 'ab' }],
      p1: [{ chunks: 'c', bases: 'a', depth: 1 }],
      p2: [{ chunks: 'c', bases: 'b', depth: 1 }],
      p3: [{ chunks: 'c', bases: 'z', depth: 2 }],
    };
    const chunks = catalogOf(twice);
    const entry = chunks.table.find(idOf('c'));
    expect(new BlockBases(chunks).leaningBlocksOf(entry).length).toBe(1);
    expect(new BlockBases(chunks, { everyCopy: true }).leaningBlocksOf(entry).length).toBe(2);
    expect(pinsOf(chunks, 'c').needed()).toBe('abc');
  });

  it('is missing where it is absent or lies too deep', () => {
    const chunks = catalogOf({
      p0: [{ chunks: 'a' }],
      p1: [{ chunks: 'b', bases: 'a', depth: 2 }],
      p2: [{ chunks: 'c', bases: 'abz', depth: 2 }],
    });
    const found: number[] = [];
    new BlockBases(chunks).forEach({ packIndex: 2, blockIndex: 0 }, (entry) => found.push(entry));
    expect(found).toEqual([chunks.table.find(idOf('a')), NO_BASE, NO_BASE]);
  });

  it('decides which copy of a chunk is one: not one that lacks a base, while there is another', () => {
    const chunks = catalogOf({
      p0: [{ chunks: 'a' }],
      p1: [{ chunks: 'c', bases: 'z', depth: 1 }],
      p2: [{ chunks: 'c', bases: 'a', depth: 3 }],
      p3: [{ chunks: 'd', bases: 'z', depth: 1 }],
    });
    expect(chunks.table.location(chunks.table.find(idOf('c'))).packIndex).toBe(2);
    expect(chunks.table.location(chunks.table.find(idOf('d'))).packIndex).toBe(3);
    const whole = buildChunkCatalog([...chunks.packs], [], new Set(), { onlyWhole: true });
    expect(whole.table.find(idOf('d'))).toBe(-1);
    expect(whole.table.find(idOf('c'))).toBeGreaterThanOrEqual(0);
  });
});

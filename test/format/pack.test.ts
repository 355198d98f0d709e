import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../src/core/limits.js';
import { BLOCK_CODEC, type BlockEntry } from '../../src/format/block-entry.js';
import {
  basesOfBlock,
  checkPackHeader,
  decodePackFooter,
  encodePackFooter,
  encodePackHeader,
  PACK_FEATURE,
  sketchesOfBlock,
} from '../../src/format/pack.js';
import { decodePackTrailer, PACK_HEADER_BYTES, PACK_TRAILER_BYTES } from '../../src/format/pack-trailer.js';
import { xxh64 } from '../../src/hash/xxh64.js';
import { SEED } from '../oci/only-dbup-errors.js';
import { acceptsOrRefuses, damaged } from './only-pool-errors.js';

interface Shape {
  blocks: {
    storedBytes: number;
    codec: number;
    kind: number;
    chunks: number[];
    depth?: number;
    bases?: number;
  }[];
  sketches?: boolean;
}

const chunkSizes = fc.array(fc.integer({ min: 1, max: 500_000 }), { minLength: 1, maxLength: 20 });
const shapes: fc.Arbitrary<Shape> = fc.record({
  blocks: fc.array(
    fc.oneof(
      fc.record({
        storedBytes: fc.integer({ min: 1, max: LIMITS.blockStoredBytes }),
        codec: fc.constantFrom(BLOCK_CODEC.raw, BLOCK_CODEC.zstd),
        kind: fc.nat(255),
        chunks: chunkSizes,
      }),
      fc.record({
        storedBytes: fc.integer({ min: 1, max: LIMITS.blockStoredBytes }),
        codec: fc.constant(BLOCK_CODEC.delta),
        kind: fc.nat(255),
        chunks: chunkSizes,
        depth: fc.integer({ min: 1, max: LIMITS.deltaDepth }),
        bases: fc.integer({ min: 1, max: 200 }),
      }),
    ),
    { maxLength: 12 },
  ),
  sketches: fc.boolean(),
});

/** Ids of chunks are even in their last byte, those of bases odd. */
function idOf(number: number, isBase = false): Uint8Array {
  const id = Buffer.alloc(32, number & 255);
  id.writeUInt32BE(number * 2 + (isBase ? 1 : 0), 28);
  return new Uint8Array(id);
}

/** The entries of a pack of that shape, and its footer with the trailer. */
function build({ blocks, sketches: withSketches }: Shape) {
  const entries: BlockEntry[] = [];
  const chunkBytes: number[] = [];
  const baseIds: Uint8Array[] = [];
  let offsetBytes = PACK_HEADER_BYTES;
  for (const { storedBytes, codec, kind, chunks, depth = 0, bases = 0 } of blocks) {
    const plainBytes = chunks.reduce((sum, size) => sum + size, 0);
    const stored = codec === BLOCK_CODEC.raw ? plainBytes : storedBytes;
    entries.push({
      offsetBytes,
      storedBytes: stored,
      plainBytes,
      firstChunk: chunkBytes.length,
      chunkCount: chunks.length,
      xxh64: (BigInt(offsetBytes) * 0x9e3779b97f4a7c15n) & 0xffffffffffffffffn,
      codec,
      kind,
      depth,
      firstBase: baseIds.length,
      baseCount: bases,
    });
    offsetBytes += stored;
    chunkBytes.push(...chunks);
    for (let i = 0; i < bases; i++) baseIds.push(idOf(baseIds.length, true));
  }
  const chunkIds = chunkBytes.map((_, i) => idOf(i));
  const sketches = withSketches ? new Uint8Array(chunkBytes.length * 24).map((_, i) => i * 7) : null;
  const lists = { chunkIds, chunkBytes, baseIds, sketches };
  const end = new Uint8Array(encodePackFooter(entries, lists, offsetBytes));
  return { entries, ...lists, end, packBytes: offsetBytes + end.length };
}

function decodeEnd(end: Uint8Array, packBytes: number) {
  const trailer = decodePackTrailer(end.slice(-PACK_TRAILER_BYTES), packBytes, 'p');
  return decodePackFooter(end.slice(0, -PACK_TRAILER_BYTES), trailer, 'p');
}

const MIXED: Shape = {
  blocks: [
    { storedBytes: 40, codec: 1, kind: 1, chunks: [100, 200] },
    { storedBytes: 30, codec: 2, kind: 1, chunks: [70, 80], depth: 2, bases: 3 },
    { storedBytes: 9, codec: 0, kind: 3, chunks: [9] },
  ],
  sketches: true,
};

/** A footer of one raw block of two chunks, or of `shape`, then changed, its checksum made right again. */
function resealed(
  change: (footer: Buffer) => void,
  shape: Shape = { blocks: [{ storedBytes: 9, codec: 0, kind: 1, chunks: [4, 5] }] },
) {
  const { end, packBytes } = build(shape);
  const bytes = Buffer.from(end);
  change(bytes);
  const footerBytes = bytes.length - PACK_TRAILER_BYTES;
  bytes.writeBigUInt64LE(xxh64(bytes.subarray(0, footerBytes)), footerBytes + 8);
  return () => decodeEnd(new Uint8Array(bytes), packBytes);
}

describe('pack', () => {
  it('gives back every footer it encodes', () => {
    fc.assert(
      fc.property(shapes, (shape) => {
        const { entries, chunkIds, chunkBytes, baseIds, sketches, end, packBytes } = build(shape);
        const footer = decodeEnd(end, packBytes);
        expect(footer.blocks).toEqual(entries);
        expect([...footer.chunkBytes]).toEqual(chunkBytes);
        expect(Buffer.from(footer.chunkIds).equals(Buffer.concat(chunkIds))).toBe(true);
        expect(footer.chunkCount).toBe(chunkBytes.length);
        expect(Buffer.from(footer.baseIds).equals(Buffer.concat(baseIds))).toBe(true);
        const basesBack = footer.blocks.flatMap((block) => basesOfBlock(footer, block));
        expect(Buffer.concat(basesBack).equals(Buffer.concat(baseIds))).toBe(true);
        const sketchesBack = footer.blocks.map((block) => sketchesOfBlock(footer, block));
        if (sketches) expect(Buffer.concat(sketchesBack as Uint8Array[]).equals(sketches)).toBe(true);
        else expect([footer.sketches, ...sketchesBack].every((found) => found === null)).toBe(true);
      }),
      { seed: SEED, numRuns: 200 },
    );
  });

  it('decodes a footer at any alignment', () => {
    const shape = { storedBytes: 7, codec: 2, kind: 2, chunks: [1, 2, 3], depth: 1, bases: 2 };
    const { end, packBytes, sketches } = build({ blocks: [shape], sketches: true });
    const trailer = decodePackTrailer(end.slice(-PACK_TRAILER_BYTES), packBytes, 'p');
    for (let shift = 0; shift < 8; shift++) {
      const memory = new Uint8Array(end.length + 8);
      memory.set(end, shift);
      const view = memory.subarray(shift, shift + end.length - PACK_TRAILER_BYTES);
      const footer = decodePackFooter(view, trailer, 'p');
      expect([...footer.chunkBytes]).toEqual([1, 2, 3]);
      expect(sketchesOfBlock(footer, footer.blocks[0]!)).toEqual(sketches);
    }
  });

  it('accepts no damaged footer or trailer, and never breaks on one', () => {
    const { end, packBytes } = build(MIXED);
    fc.assert(
      fc.property(damaged(end), (bytes) => {
        const accepted = acceptsOrRefuses(() => decodeEnd(bytes, packBytes));
        expect(accepted).toBe(Buffer.from(bytes).equals(Buffer.from(end)));
      }),
      { seed: SEED, numRuns: 2000 },
    );
  });

  it('never breaks on a footer whose checksum is right and whose fields are anything', () => {
    const { end, packBytes } = build(MIXED);
    const footerBytes = end.length - PACK_TRAILER_BYTES;
    fc.assert(
      fc.property(damaged(end.slice(0, footerBytes)), (footer) => {
        const trailer = { footerBytes: footer.length, footerXxh64: xxh64(footer), packBytes };
        acceptsOrRefuses(() => decodePackFooter(footer, trailer, 'p'));
      }),
      { seed: SEED, numRuns: 2000 },
    );
  });

  it('refuses a pack that is shorter or longer than its trailer says', () => {
    const { end, packBytes } = build({ blocks: [] });
    for (const size of [0, packBytes - 1, packBytes + 1, 2 ** 53 - 1]) {
      expect(() => decodePackTrailer(end.slice(-PACK_TRAILER_BYTES), size, 'p')).toThrow(/full length/);
    }
    expect(() => decodePackTrailer(end.slice(-31), packBytes, 'p')).toThrow(/end is missing/);
  });

  const HEAD = 16;
  const CHUNK_LENGTHS = HEAD + 32 + 64;
  it.each<[string, string, (footer: Buffer) => void]>([
    ['a newer version', 'POOL_FORMAT_UNSUPPORTED', (f) => f.writeUInt16LE(2, 8)],
    ['an unknown feature', 'POOL_FORMAT_UNSUPPORTED', (f) => f.writeUInt32LE(0x80000000, 12)],
    ['reserved bytes of the head', 'POOL_DAMAGED', (f) => f.writeUInt16LE(1, 10)],
    ['reserved bytes of a block', 'POOL_DAMAGED', (f) => f.writeUInt8(1, HEAD + 31)],
    ['an unknown codec', 'POOL_DAMAGED', (f) => f.writeUInt8(2, HEAD + 24)],
    ['a block that overlaps the header', 'POOL_DAMAGED', (f) => f.writeUInt32LE(15, HEAD)],
    ['a block past the footer', 'POOL_DAMAGED', (f) => f.writeUInt32LE(10, HEAD + 4)],
    ['a raw block of another length', 'POOL_DAMAGED', (f) => f.writeUInt32LE(8, HEAD + 8)],
    ['a block without plain bytes', 'POOL_DAMAGED', (f) => f.writeUInt32LE(0, HEAD + 8)],
    ['more chunks than there are', 'POOL_DAMAGED', (f) => f.writeUInt32LE(3, HEAD + 12)],
    ['fewer chunks than there are', 'POOL_DAMAGED', (f) => f.writeUInt32LE(1, HEAD + 12)],
    ['counts that do not fit the footer', 'POOL_DAMAGED', (f) => f.writeUInt32LE(0xffffffff, 4)],
    [
      'an empty chunk',
      'POOL_DAMAGED',
      (f) => {
        f.writeUInt32LE(0, CHUNK_LENGTHS);
        f.writeUInt32LE(9, CHUNK_LENGTHS + 4);
      },
    ],
  ])('refuses %s', (_, code, change) => {
    expect(resealed(change)).toThrow(expect.objectContaining({ code }));
  });

  // In MIXED: three entries, five ids and lengths, three bases, five sketches. The delta block is the second.
  const DELTA = HEAD + 32;
  const NEXT_FEATURE = 2 * Math.max(...Object.values(PACK_FEATURE));
  const BASES = HEAD + 3 * 32 + 5 * 36;
  it.each<[string, string, (footer: Buffer) => void]>([
    ['the next feature bit', 'POOL_FORMAT_UNSUPPORTED', (f) => f.writeUInt32LE(NEXT_FEATURE | 3, 12)],
    ['a delta block that no bit announces', 'POOL_DAMAGED', (f) => f.writeUInt32LE(2, 12)],
    ['sketches that no bit announces', 'POOL_DAMAGED', (f) => f.writeUInt32LE(1, 12)],
    ['a codec after the last', 'POOL_DAMAGED', (f) => f.writeUInt8(3, DELTA + 24)],
    ['a delta block of depth 0', 'POOL_DAMAGED', (f) => f.writeUInt8(0, DELTA + 26)],
    ['a delta block too deep', 'POOL_DAMAGED', (f) => f.writeUInt8(LIMITS.deltaDepth + 1, DELTA + 26)],
    ['a reserved byte', 'POOL_DAMAGED', (f) => f.writeUInt8(1, DELTA + 27)],
    ['more bases than there are', 'POOL_DAMAGED', (f) => f.writeUInt32LE(4, DELTA + 28)],
    ['fewer bases than there are', 'POOL_DAMAGED', (f) => f.writeUInt32LE(2, DELTA + 28)],
    ['a delta block without bases', 'POOL_DAMAGED', (f) => f.writeUInt32LE(0, DELTA + 28)],
    ['bases without number', 'POOL_DAMAGED', (f) => f.writeUInt32LE(0xffffffff, DELTA + 28)],
    ['a plain block with a depth', 'POOL_DAMAGED', (f) => f.writeUInt8(1, HEAD + 26)],
    ['a plain block with bases', 'POOL_DAMAGED', (f) => f.writeUInt32LE(1, HEAD + 28)],
    ['a base twice', 'POOL_DAMAGED', (f) => f.copy(f, BASES + 64, BASES, BASES + 32)],
    ['a base of its own block', 'POOL_DAMAGED', (f) => f.copy(f, BASES + 32, HEAD + 96 + 64, HEAD + 96 + 96)],
  ])('with delta blocks, refuses %s', (_, code, change) => {
    expect(resealed(() => {}, MIXED)().blocks).toHaveLength(3);
    expect(resealed(change, MIXED)).toThrow(expect.objectContaining({ code }));
  });

  it('refuses more bases of a block than the limit, and takes that many', () => {
    const blockOf = (bases: number): Shape => ({
      blocks: [{ storedBytes: 5, codec: 2, kind: 1, chunks: [9], depth: 1, bases }],
    });
    expect(resealed(() => {}, blockOf(LIMITS.deltaBases))().blocks[0]!.baseCount).toBe(LIMITS.deltaBases);
    expect(resealed(() => {}, blockOf(LIMITS.deltaBases + 1))).toThrow(/bases/);
  });

  it('accepts what the resealing helper leaves as it was, and any block kind', () => {
    expect(resealed(() => {})().blocks).toHaveLength(1);
    expect(resealed((f) => f.writeUInt8(200, HEAD + 25))().blocks[0]!.kind).toBe(200);
  });

  it.each([
    ['plain', LIMITS.blockPlainBytes, 8],
    ['stored', LIMITS.blockStoredBytes, 4],
  ])('takes a block of the most %s bytes and none above', (_, limit, at) => {
    const decode = (storedBytes: number, plainBytes: number) => {
      const entry: BlockEntry = {
        offsetBytes: PACK_HEADER_BYTES,
        storedBytes,
        plainBytes,
        firstChunk: 0,
        chunkCount: 1,
        xxh64: 0n,
        codec: BLOCK_CODEC.zstd,
        kind: 1,
        depth: 0,
        firstBase: 0,
        baseCount: 0,
      };
      const footerAt = PACK_HEADER_BYTES + storedBytes;
      const lists = { chunkIds: [new Uint8Array(32)], chunkBytes: [plainBytes], baseIds: [], sketches: null };
      const end = encodePackFooter([entry], lists, footerAt);
      return decodeEnd(end, footerAt + end.length);
    };
    const sizes = (size: number): [number, number] => (at === 4 ? [size, 100] : [100, size]);
    expect(decode(...sizes(limit)).blocks).toHaveLength(1);
    expect(() => decode(...sizes(limit + 1))).toThrow(/claims/);
  });

  it('refuses a footer longer than the limit before reading it', () => {
    const trailer = Buffer.alloc(PACK_TRAILER_BYTES);
    const packBytes = LIMITS.packBytes;
    trailer.writeUInt32LE(LIMITS.footerBytes + 1, 0);
    trailer.writeBigUInt64LE(BigInt(packBytes), 16);
    trailer.write('DBUPTAIL', 24, 'latin1');
    expect(() => decodePackTrailer(trailer, packBytes, 'p')).toThrow(/footer claims/);
    trailer.writeUInt32LE(LIMITS.footerBytes, 0);
    expect(decodePackTrailer(trailer, packBytes, 'p').footerBytes).toBe(LIMITS.footerBytes);
  });

  it('knows its header by the magic alone', () => {
    const header = new Uint8Array(encodePackHeader());
    expect(() => checkPackHeader(header, 'p')).not.toThrow();
    for (let at = 0; at < 8; at++) {
      const other = new Uint8Array(header);
      other[at]! ^= 1;
      expect(() => checkPackHeader(other, 'p')).toThrow(expect.objectContaining({ code: 'POOL_DAMAGED' }));
    }
    expect(() => checkPackHeader(header.subarray(0, 15), 'p')).toThrow(/magic/);
  });
});

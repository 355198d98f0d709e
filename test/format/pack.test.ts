import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../src/core/limits.js';
import {
  BLOCK_CODEC,
  type BlockEntry,
  checkPackHeader,
  decodePackFooter,
  decodePackTrailer,
  encodePackFooter,
  encodePackHeader,
  PACK_HEADER_BYTES,
  PACK_TRAILER_BYTES,
} from '../../src/format/pack.js';
import { xxh64 } from '../../src/hash/xxh64.js';
import { SEED } from '../oci/only-dbup-errors.js';
import { acceptsOrRefuses, damaged } from './only-pool-errors.js';

interface Shape {
  blocks: { storedBytes: number; codec: number; kind: number; chunks: number[] }[];
}

const shapes: fc.Arbitrary<Shape> = fc.record({
  blocks: fc.array(
    fc.record({
      storedBytes: fc.integer({ min: 1, max: LIMITS.blockStoredBytes }),
      codec: fc.constantFrom(BLOCK_CODEC.raw, BLOCK_CODEC.zstd),
      kind: fc.nat(255),
      chunks: fc.array(fc.integer({ min: 1, max: 500_000 }), { minLength: 1, maxLength: 20 }),
    }),
    { maxLength: 12 },
  ),
});

/** The entries of a pack of that shape, and its footer with the trailer. */
function build({ blocks }: Shape) {
  const entries: BlockEntry[] = [];
  const chunkBytes: number[] = [];
  let offsetBytes = PACK_HEADER_BYTES;
  for (const { storedBytes, codec, kind, chunks } of blocks) {
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
    });
    offsetBytes += stored;
    chunkBytes.push(...chunks);
  }
  const ids = chunkBytes.map((_, i) => new Uint8Array(32).fill(i & 255));
  const end = new Uint8Array(encodePackFooter(entries, ids, chunkBytes, offsetBytes));
  return { entries, ids, chunkBytes, end, packBytes: offsetBytes + end.length };
}

function decodeEnd(end: Uint8Array, packBytes: number) {
  const trailer = decodePackTrailer(end.slice(-PACK_TRAILER_BYTES), packBytes, 'p');
  return decodePackFooter(end.slice(0, -PACK_TRAILER_BYTES), trailer, 'p');
}

/** A footer of one raw block of one chunk, then changed, its checksum made right again. */
function resealed(change: (footer: Buffer) => void) {
  const { end, packBytes } = build({ blocks: [{ storedBytes: 9, codec: 0, kind: 1, chunks: [4, 5] }] });
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
        const { entries, ids, chunkBytes, end, packBytes } = build(shape);
        const footer = decodeEnd(end, packBytes);
        expect(footer.blocks).toEqual(entries);
        expect([...footer.chunkBytes]).toEqual(chunkBytes);
        expect(Buffer.from(footer.chunkIds).equals(Buffer.concat(ids))).toBe(true);
        expect(footer.chunkCount).toBe(chunkBytes.length);
      }),
      { seed: SEED, numRuns: 200 },
    );
  });

  it('decodes a footer at any alignment', () => {
    const { end, packBytes } = build({ blocks: [{ storedBytes: 7, codec: 1, kind: 2, chunks: [1, 2, 3] }] });
    const trailer = decodePackTrailer(end.slice(-PACK_TRAILER_BYTES), packBytes, 'p');
    for (let shift = 0; shift < 8; shift++) {
      const memory = new Uint8Array(end.length + 8);
      memory.set(end, shift);
      const view = memory.subarray(shift, shift + end.length - PACK_TRAILER_BYTES);
      expect([...decodePackFooter(view, trailer, 'p').chunkBytes]).toEqual([1, 2, 3]);
    }
  });

  it('accepts no damaged footer or trailer, and never breaks on one', () => {
    const { end, packBytes } = build({
      blocks: [
        { storedBytes: 40, codec: 1, kind: 1, chunks: [100, 200] },
        { storedBytes: 9, codec: 0, kind: 3, chunks: [9] },
      ],
    });
    fc.assert(
      fc.property(damaged(end), (bytes) => {
        const accepted = acceptsOrRefuses(() => decodeEnd(bytes, packBytes));
        expect(accepted).toBe(Buffer.from(bytes).equals(Buffer.from(end)));
      }),
      { seed: SEED, numRuns: 2000 },
    );
  });

  it('never breaks on a footer whose checksum is right and whose fields are anything', () => {
    const { end, packBytes } = build({
      blocks: [
        { storedBytes: 40, codec: 1, kind: 1, chunks: [100, 200] },
        { storedBytes: 9, codec: 0, kind: 3, chunks: [9] },
      ],
    });
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
      };
      const footerAt = PACK_HEADER_BYTES + storedBytes;
      const end = encodePackFooter([entry], [new Uint8Array(32)], [plainBytes], footerAt);
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

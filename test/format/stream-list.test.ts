import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../src/core/limits.js';
import { decodeListNode, encodeListNode, LIST_ENTRY_BYTES } from '../../src/format/stream-list.js';
import { SEED } from '../oci/only-dbup-errors.js';
import { acceptsOrRefuses, damaged, ids } from './only-pool-errors.js';

const nodes = fc
  .array(fc.tuple(ids, fc.integer({ min: 1, max: 2 ** 42 })), { minLength: 1, maxLength: 60 })
  .map((entries) => ({
    ids: entries.map(([id]) => id),
    sizes: entries.map(([, size]) => size),
    total: entries.reduce((sum, [, size]) => sum + size, 0),
  }));

describe('list node', () => {
  it('gives back every node it encodes', () => {
    fc.assert(
      fc.property(nodes, ({ ids, sizes, total }) => {
        const node = decodeListNode(encodeListNode(ids, sizes), total, 'n');
        expect(node.sizes).toEqual(sizes);
        expect(node.ids.map((id) => [...id])).toEqual(ids.map((id) => [...id]));
      }),
      { seed: SEED, numRuns: 200 },
    );
  });

  it('never breaks on damage, and what it accepts covers the bytes it should', () => {
    fc.assert(
      fc.property(
        nodes.chain((node) => fc.tuple(fc.constant(node), damaged(encodeListNode(node.ids, node.sizes)))),
        ([node, bytes]) => {
          acceptsOrRefuses(() => {
            const { sizes } = decodeListNode(bytes, node.total, 'n');
            expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(node.total);
          });
        },
      ),
      { seed: SEED, numRuns: 2000 },
    );
  });

  it('refuses no entries, a part of one, an entry of nothing and sizes beyond 2^53-1', () => {
    const id = new Uint8Array(32);
    const refuses = (bytes: Uint8Array, total: number) =>
      expect(() => decodeListNode(bytes, total, 'n')).toThrow(
        expect.objectContaining({ code: 'POOL_DAMAGED' }),
      );
    refuses(new Uint8Array(0), 0);
    refuses(encodeListNode([id], [5]).subarray(0, 39), 5);
    refuses(encodeListNode([id, id], [5, 0]), 5);
    refuses(encodeListNode([id], [5]), 4);
    const huge = Buffer.from(encodeListNode([id], [5]));
    huge.writeBigUInt64LE(2n ** 53n, 32);
    refuses(huge, 2 ** 53);
    huge.writeBigUInt64LE(2n ** 64n - 1n, 32);
    refuses(huge, 2 ** 64);
    expect(decodeListNode(encodeListNode([id], [2 ** 53 - 1]), 2 ** 53 - 1, 'n').sizes).toEqual([
      2 ** 53 - 1,
    ]);
  });

  it('takes a node as long as a chunk may be and none longer', () => {
    const most = Math.floor(LIMITS.chunkBytes / LIST_ENTRY_BYTES);
    const node = (count: number) => {
      const bytes = Buffer.alloc(count * LIST_ENTRY_BYTES);
      for (let i = 0; i < count; i++) bytes.writeUInt8(1, i * LIST_ENTRY_BYTES + 32);
      return bytes;
    };
    expect(decodeListNode(node(most), most, 'n').sizes).toHaveLength(most);
    expect(() => decodeListNode(node(most + 1), most + 1, 'n')).toThrow(/bytes/);
  });
});

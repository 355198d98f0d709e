import { describe, expect, it } from 'vitest';
import { quietContext } from '../../src/core/context.js';
import { save } from '../../src/operations/save.js';
import { openChunkCatalog } from '../../src/pool/chunk-catalog.js';
import { openOrCreatePool } from '../../src/pool/pool.js';
import { dockerArchive } from '../support/images.js';
import { PoolRoom } from '../support/pool-room.js';
import { concatBytes, noise, tarEnd, tarFile } from '../support/tar-builder.js';

const KIND_DATA = 1;

/** More new bytes than there is memory for blocks under way, half of which compress. */
function largeImage(): Uint8Array {
  const files = Array.from({ length: 44 }, (_, i) => {
    const bytes = noise(i + 1, 1_000_000);
    if (i % 2 === 0) for (let at = 0; at < bytes.length; at++) bytes[at] = bytes[at]! & 0x0f;
    return tarFile(`usr/lib/file-${i}`, bytes);
  });
  return dockerArchive({ references: ['app:1'], layers: [concatBytes([...files, tarEnd()])] });
}

describe('the packs of a save', () => {
  it('are the same with any number of threads, and every block of data is sketched', async () => {
    const archive = largeImage();
    const made: string[][] = [];
    for (const threads of [1, 2, 4]) {
      await using room = await PoolRoom.create();
      const path = await room.file(archive);
      const pool = await openOrCreatePool(room.pool, { access: 'append', cacheRoot: null, threads });
      try {
        await save(pool, { kind: 'archive', path }, {}, quietContext());
        const { packs } = await openChunkCatalog(pool.catalog);
        made.push(packs.map(({ name }) => name).sort());
        for (const { footer } of packs) {
          for (const { kind, firstChunk, chunkCount } of footer.blocks) {
            const sketches = footer.sketches?.subarray(firstChunk * 6, (firstChunk + chunkCount) * 6);
            if (kind === KIND_DATA) expect(sketches?.some((word) => word !== 0)).toBe(true);
          }
        }
      } finally {
        await pool.close();
      }
    }
    expect(made[1]).toEqual(made[0]);
    expect(made[2]).toEqual(made[0]);
  });
});

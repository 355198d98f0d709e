import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { SnapshotBlob } from '../../src/format/snapshot.js';
import { openBlobRange } from '../../src/pool/blob-range.js';
import { BlockCache } from '../../src/pool/block-cache.js';
import { readSource } from '../../src/pool/byte-source.js';
import { openChunkCatalog } from '../../src/pool/chunk-catalog.js';
import { openPool } from '../../src/pool/pool.js';
import { archiveOf } from '../support/archive-layouts.js';
import { makeInput } from '../support/deflate-inputs.mjs';
import { gzipBy, layoutOfLayers, PGZIP_HEADER } from '../support/gzip-files.js';
import { sha256Of } from '../support/images.js';
import { codeOf, PoolRoom } from '../support/pool-room.js';
import { concatBytes, seededRandom, tarEnd, tarFile } from '../support/tar-builder.js';

const MiB = 2 ** 20;
const SEED = 20_260_103;
const PGZIP = { family: 'pgzip', level: 5, variant: '1.15.10', blockBytes: MiB } as const;
const text = makeInput('tar', 7, 300_000);
/** Files of many sizes, larger than two checkpoints are apart, and quick to make. */
const plain = concatBytes([
  ...Array.from({ length: 62 }, (_, i) => tarFile(`usr/${i}`, text.subarray(i * 500))),
  tarEnd(),
]);
const LAYERS = [
  { plain, compressed: gzipBy({ family: 'go', level: 4 }, plain) },
  { plain: plain.subarray(512), compressed: gzipBy(PGZIP, plain.subarray(512), PGZIP_HEADER) },
  { plain: text, compressed: gzipBy({ family: 'go', level: 1 }, text) },
  { plain: plain.subarray(1024), compressed: plain.subarray(1024) },
];

describe('a range of a blob', () => {
  it(`is what the whole has there, and little more is read and made for it, seed ${SEED}`, async () => {
    await using room = await PoolRoom.create();
    await room.saveBytes(archiveOf(layoutOfLayers(LAYERS)));
    const [name] = await readdir(join(room.pool, 'snapshots'));
    const { blobs } = JSON.parse(await readFile(join(room.pool, 'snapshots', name!), 'utf8')) as {
      blobs: SnapshotBlob[];
    };
    const pool = await openPool(room.pool, { access: 'read', cacheRoot: null, threads: 2 });
    try {
      const cache = new BlockCache(pool.layout, await openChunkCatalog(pool.catalog), pool.workers, {
        budgetBytes: MiB,
      });
      let pieces = 0;
      const takeSlot = cache.gzip.takeSlot.bind(cache.gzip);
      cache.gzip.takeSlot = () => {
        pieces++;
        return takeSlot();
      };
      const unit = seededRandom(SEED);
      const random = (below: number) => Math.floor(unit() * below);
      for (const { compressed } of LAYERS) {
        const blob = blobs.find(({ digest }) => digest === `sha256:${sha256Of(compressed)}`)!;
        const { length } = compressed;
        const ranges = [
          [0, 10],
          [length - 12, 12],
          [length, 5],
          [length - 3, 100],
          [random(length), 0],
          [random(length), 70_000],
          [random(length >> 1), length >> 2],
        ];
        for (const [offsetBytes, sizeBytes] of ranges as [number, number][]) {
          const got: Uint8Array[] = [];
          const source = await openBlobRange(cache, blob, { offsetBytes, sizeBytes });
          for await (const piece of readSource(source)) got.push(piece.slice());
          const expected = compressed.subarray(offsetBytes, offsetBytes + sizeBytes);
          expect(Buffer.concat(got).equals(expected), `${blob.encoder} ${offsetBytes} ${sizeBytes}`).toBe(
            true,
          );
        }
        pieces = 0;
        for await (const _ of readSource(
          await openBlobRange(cache, blob, { offsetBytes: length - 12, sizeBytes: 12 }),
        ));
        // Of half a MiB each, of which the last part has fewer than 16.
        expect(pieces, blob.encoder).toBeLessThan(10);
        const beyond = openBlobRange(cache, blob, { offsetBytes: length + 1, sizeBytes: 1 });
        expect(await codeOf(beyond)).toBe('USAGE');
      }
    } finally {
      await pool.close();
    }
  });
});

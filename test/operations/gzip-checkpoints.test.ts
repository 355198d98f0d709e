import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { quietContext } from '../../src/core/context.js';
import type { CheckpointRecipe } from '../../src/format/checkpoint-recipe.js';
import type { EncoderSpec } from '../../src/format/encoder-spec.js';
import type { GzipRecipe } from '../../src/format/gzip-recipe.js';
import { decodeRecipe, encodeRecipe } from '../../src/format/recipe.js';
import type { SnapshotBlob } from '../../src/format/snapshot.js';
import { load } from '../../src/operations/load.js';
import { verify } from '../../src/operations/verify.js';
import { openBlob } from '../../src/pool/blob-source.js';
import { BlockCache } from '../../src/pool/block-cache.js';
import { readSource } from '../../src/pool/byte-source.js';
import { openChunkCatalog } from '../../src/pool/chunk-catalog.js';
import { openPool, type Pool } from '../../src/pool/pool.js';
import { archiveOf } from '../support/archive-layouts.js';
import { makeInput } from '../support/deflate-inputs.mjs';
import { type CompressedLayer, gzipBy, layoutOfLayers, PGZIP_HEADER } from '../support/gzip-files.js';
import { codeOf, PoolRoom } from '../support/pool-room.js';
import { concatBytes, tarEnd, tarFile } from '../support/tar-builder.js';

const MiB = 2 ** 20;
const PGZIP: EncoderSpec = { family: 'pgzip', level: 5, variant: '1.15.10', blockBytes: MiB };
const GO: EncoderSpec = { family: 'go', level: 6 };

/** A layer whose text repeats only beyond the reach of deflate: quick to make, and not small when compressed. */
function largeLayer(seed: number, sizeBytes: number): Uint8Array {
  const text = makeInput('tar', seed, 400_000);
  const times = Math.ceil(sizeBytes / text.length);
  return concatBytes([tarFile('usr/text', concatBytes(Array.from({ length: times }, () => text))), tarEnd()]);
}

const plain = largeLayer(1, 18 * MiB);
const LAYERS: CompressedLayer[] = [
  { plain, compressed: gzipBy(GO, plain) },
  { plain: plain.subarray(1024), compressed: gzipBy(PGZIP, plain.subarray(1024), PGZIP_HEADER) },
];

async function withPool<T>(room: PoolRoom, work: (pool: Pool, cache: BlockCache) => Promise<T>): Promise<T> {
  const pool = await openPool(room.pool, { access: 'read', cacheRoot: null, threads: 2 });
  try {
    const cache = new BlockCache(pool.layout, await openChunkCatalog(pool.catalog), pool.workers, {
      budgetBytes: 8 * MiB,
    });
    return await work(pool, cache);
  } finally {
    await pool.close();
  }
}

async function snapshotOf(room: PoolRoom): Promise<{ features: string[]; blobs: SnapshotBlob[] }> {
  const [name] = await readdir(join(room.pool, 'snapshots'));
  return JSON.parse(await readFile(join(room.pool, 'snapshots', name!), 'utf8'));
}

describe('checkpoints of large gzip layers', () => {
  it('are written, kept apart from a small recipe, and the layers come back exactly on two threads', async () => {
    await using room = await PoolRoom.create();
    const archive = archiveOf(layoutOfLayers(LAYERS));
    await room.saveBytes(archive);
    const { features, blobs } = await snapshotOf(room);
    expect(features).toEqual(['gzip-checkpoints', 'gzip-recipe']);
    await withPool(room, async (pool, cache) => {
      const layers = blobs.filter(({ encoder }) => encoder !== undefined);
      expect(layers.length).toBe(2);
      for (const { recipeId } of layers) {
        const bytes = await cache.readChunk(Buffer.from(recipeId, 'hex'));
        expect(bytes.length).toBeLessThanOrEqual(100);
        const { inner } = decodeRecipe(bytes, 'r') as GzipRecipe;
        const between = decodeRecipe(await cache.readChunk(Buffer.from(inner.recipeId, 'hex')), 'r');
        expect((between as CheckpointRecipe).checkpoints?.length).toBe(4);
      }
      const path = room.path('out.tar');
      await load(pool, 'app:1.0', { kind: 'file', path, format: 'saved' }, {}, quietContext());
      expect(Buffer.from(await readFile(path)).equals(archive)).toBe(true);
    });
    const found = await room.with('read', (pool) => verify(pool, { readData: true }, quietContext()));
    expect(found.findings).toEqual([]);
  });

  it('that are wrong end in an error, and no layer is given back wrong', async () => {
    await using room = await PoolRoom.create();
    await room.saveBytes(archiveOf(layoutOfLayers(LAYERS.slice(0, 1))));
    const { blobs } = await snapshotOf(room);
    const layer = blobs.find(({ encoder }) => encoder !== undefined)!;
    await withPool(room, async (_, cache) => {
      const gzip = decodeRecipe(await cache.readChunk(Buffer.from(layer.recipeId, 'hex')), 'r') as GzipRecipe;
      const honest = decodeRecipe(
        await cache.readChunk(Buffer.from(gzip.inner.recipeId, 'hex')),
        'r',
      ) as CheckpointRecipe;
      const digestHex = layer.digest.slice('sha256:'.length);
      const readWith = async (change: (recipe: CheckpointRecipe) => void): Promise<string> => {
        const recipe = structuredClone(honest);
        change(recipe);
        const forged = new ForgingCache(cache, gzip.inner.recipeId, encodeRecipe(recipe));
        return codeOf(
          (async () => {
            const source = await openBlob(forged.asCache(), { ...layer, digestHex });
            for await (const _ of readSource(source));
          })(),
        );
      };
      expect(await readWith(() => {})).toBe('NO_ERROR');
      const forgeries: ((recipe: CheckpointRecipe) => void)[] = [
        ({ checkpoints }) => {
          checkpoints[0]!.compressedBytes += 1;
        },
        ({ checkpoints }) => {
          checkpoints[0]!.plainBytes -= 1;
        },
        ({ checkpoints }) => {
          checkpoints.at(-1)!.crc = (checkpoints.at(-1)!.crc + 1) >>> 0;
        },
        ({ checkpoints }) => {
          checkpoints[1]!.state[0] = 9;
        },
        ({ checkpoints }) => {
          checkpoints[1]!.state.fill(0);
        },
        ({ checkpoints }) => {
          checkpoints[1]!.state[6]! ^= 3;
        },
        ({ checkpoints }) => {
          checkpoints[1]!.compressedBytes = 2 ** 50;
        },
        ({ checkpoints, sizeBytes }) => {
          checkpoints[1]!.plainBytes = sizeBytes;
        },
      ];
      for (const [i, forge] of forgeries.entries())
        expect(await readWith(forge), `forgery ${i}`).toBe('POOL_DAMAGED');
    });
  });
});

/** A cache in which one chunk holds other bytes. */
class ForgingCache {
  readonly #cache: BlockCache;
  readonly #id: string;
  readonly #bytes: Uint8Array;

  constructor(cache: BlockCache, id: string, bytes: Uint8Array) {
    this.#cache = cache;
    this.#id = id;
    this.#bytes = bytes;
  }

  asCache(): BlockCache {
    return new Proxy(this.#cache, {
      get: (cache, key) => {
        if (key === 'readChunk')
          return async (id: Uint8Array) =>
            Buffer.from(id).toString('hex') === this.#id ? this.#bytes : cache.readChunk(id);
        const value = Reflect.get(cache, key, cache);
        return typeof value === 'function' ? value.bind(cache) : value;
      },
    });
  }
}

import { mkdir } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../src/core/limits.js';
import { BLOCK_CODEC } from '../../src/format/block-entry.js';
import { BLOCK_KIND } from '../../src/format/pack.js';
import { encodeRecipe, type Segment } from '../../src/format/recipe.js';
import { encodeSnapshot } from '../../src/format/snapshot.js';
import { xxh64 } from '../../src/hash/xxh64.js';
import { createPool } from '../../src/pool/create-pool.js';
import { writeDurably } from '../../src/store/durable-file.js';
import { nodeFileSystem } from '../../src/store/file-system.js';
import { PackWriter, readPackFooter } from '../../src/store/pack-file.js';
import { PoolLayout } from '../../src/store/pool-layout.js';
import { SmallPool } from '../operations/small-pool.js';
import { sha256Of } from '../support/images.js';

describe('a pack', () => {
  it('is closed long before its footer has the length a reader refuses, however well its blocks compress', async () => {
    await using room = await SmallPool.create();
    const layout = new PoolLayout(room.directory);
    await mkdir(layout.packsDirectory, { recursive: true });
    const writer = new PackWriter(nodeFileSystem, layout, 2 ** 30);
    const stored = new Uint8Array(64);
    const chunksPerBlock = 4096;
    let chunks = 0;
    while (chunks < 500_000) {
      const chunkIds = Array.from({ length: chunksPerBlock }, () => {
        const id = new Uint8Array(32);
        new DataView(id.buffer).setUint32(0, chunks++);
        return id;
      });
      const chunkBytes = chunkIds.map(() => 512);
      const plainBytes = 512 * chunksPerBlock;
      const { zstd: codec } = BLOCK_CODEC;
      const block = { stored, plainBytes, codec, kind: BLOCK_KIND.data, xxh64: xxh64(stored) };
      await writer.add({ ...block, chunkIds, chunkBytes, depth: 0, baseIds: [] });
    }
    await writer.finishPack();
    let found = 0;
    for (const { name, sizeBytes } of writer.written) {
      const { raw, footer } = await readPackFooter(nodeFileSystem, layout, name, sizeBytes);
      expect(raw.bytes.length).toBeLessThan(LIMITS.footerBytes / 4);
      found += footer.chunkCount;
    }
    expect(found).toBe(chunks);
  });
});

describe('a recipe', () => {
  it('of empty segments, nested, is refused before it is followed', async () => {
    await using room = await SmallPool.create();
    await createPool(room.directory);
    const layout = new PoolLayout(room.directory);
    const writer = new PackWriter(nodeFileSystem, layout, 2 ** 30);
    const store = async (recipe: Uint8Array): Promise<string> => {
      const id = sha256Of(recipe);
      const block = { stored: recipe, plainBytes: recipe.length, codec: BLOCK_CODEC.raw };
      const chunk = { chunkIds: [Buffer.from(id, 'hex')], chunkBytes: [recipe.length] };
      const rest = { kind: BLOCK_KIND.recipe, xxh64: xxh64(recipe), depth: 0, baseIds: [] };
      await writer.add({ ...block, ...chunk, ...rest });
      return id;
    };
    const nothing = { depth: 0, sizeBytes: 0, id: '' };
    const digestHex = sha256Of(new Uint8Array(0));
    let recipeId = await store(encodeRecipe({ kind: 'plain', sizeBytes: 0, stream: nothing }));
    for (let depth = 0; depth < 3; depth++) {
      const segment: Segment = { type: 'blob', blob: { digestHex, sizeBytes: 0, recipeId } };
      const segments = Array.from({ length: 3000 }, () => segment);
      recipeId = await store(encodeRecipe({ kind: 'tar', sizeBytes: 0, skeleton: nothing, segments }));
    }
    await writer.finishPack();
    const snapshot = encodeSnapshot({
      reference: 'app:1',
      createdAt: '2024-01-01T00:00:00.000Z',
      host: 'here',
      source: 'there',
      imageId: `sha256:${digestHex}`,
      images: [],
      absent: [],
      blobs: [],
      archive: { dialect: 'docker-archive', sizeBytes: 0, recipeId, imageCount: 1 },
      stats: { imageBytes: 0, newBytes: 0, newPlainBytes: 0 },
    });
    await writeDurably(nodeFileSystem, layout.temporaryDirectory, layout.snapshotsDirectory, snapshot);
    await expect(room.load('app:1')).rejects.toMatchObject({ code: 'POOL_DAMAGED' });
  });
});

import { readdir, rm } from 'node:fs/promises';
import { Catalog } from '../../src/catalog/catalog.js';
import { BLOCK_CODEC, type BlockEntry } from '../../src/format/block-entry.js';
import { xxh64 } from '../../src/hash/xxh64.js';
import { BlockCache } from '../../src/pool/block-cache.js';
import { BlockWorkers } from '../../src/pool/block-workers.js';
import { type ChunkCatalog, openChunkCatalog } from '../../src/pool/chunk-catalog.js';
import { nodeFileSystem } from '../../src/store/file-system.js';
import { PackWriter } from '../../src/store/pack-file.js';
import { PoolLayout } from '../../src/store/pool-layout.js';
import { encodeDelta } from '../pool/delta-payload.js';

/** High enough for every form of payload. */
const LEVEL = 19;

export function packNames(directory: string): Promise<string[]> {
  return readdir(new PoolLayout(directory).packsDirectory);
}

/**
 * Replaces a pack by one whose blocks, all of that depth, lean on all blocks of their kind in the pack `below`.
 * @returns the first byte of each payload, which tells its form
 */
export async function leanPack(
  directory: string,
  name: string,
  below: string,
  depth: number,
): Promise<number[]> {
  const layout = new PoolLayout(directory);
  const catalog = Catalog.open(nodeFileSystem, layout, null);
  const workers = new BlockWorkers(1);
  try {
    const chunks = await openChunkCatalog(catalog);
    const cache = new BlockCache(layout, chunks, workers);
    const footerOf = (pack: string) => chunks.packs.find((found) => found.name === pack)!.footer;
    const read = async (
      pack: string,
      block: BlockEntry,
    ): Promise<{ ids: Uint8Array[]; bytes: Uint8Array[] }> => {
      const ids = idsOf(chunks, pack, block);
      return { ids, bytes: await Promise.all(ids.map((id) => cache.readChunk(id))) };
    };
    const writer = new PackWriter(nodeFileSystem, layout, 2 ** 30);
    const forms: number[] = [];
    for (const block of footerOf(name).blocks) {
      const { kind, plainBytes, chunkCount, firstChunk } = block;
      const { ids: chunkIds, bytes } = await read(name, block);
      const under = footerOf(below).blocks.filter((found) => found.kind === kind);
      const bases = await Promise.all(under.map((found) => read(below, found)));
      const { stored, numbers } = encodeDelta(
        Buffer.concat(bytes),
        bases.flatMap((base) => base.bytes),
        LEVEL,
      );
      forms.push(stored[0]!);
      const baseIds = bases.flatMap((base) => base.ids);
      await writer.add({
        ...{ stored, plainBytes, kind, chunkIds, depth, xxh64: xxh64(stored), codec: BLOCK_CODEC.delta },
        chunkBytes: [...footerOf(name).chunkBytes.subarray(firstChunk, firstChunk + chunkCount)],
        baseIds: numbers.map((number) => baseIds[number]!),
      });
    }
    await writer.finishPack();
    await rm(layout.packPath(name));
    return forms;
  } finally {
    await workers.close();
    catalog.close();
  }
}

function idsOf({ packs }: ChunkCatalog, pack: string, { firstChunk, chunkCount }: BlockEntry): Uint8Array[] {
  const { chunkIds } = packs.find(({ name }) => name === pack)!.footer;
  return Array.from({ length: chunkCount }, (_, i) =>
    chunkIds.slice((firstChunk + i) * 32, (firstChunk + i + 1) * 32),
  );
}

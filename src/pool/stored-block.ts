import { DbupError } from '../core/errors.js';
import type { BlockEntry } from '../format/block-entry.js';
import { basesOfBlock, SKETCH_BYTES, sketchesOfBlock } from '../format/pack.js';
import { xxh64 as xxh64Of } from '../hash/xxh64.js';
import { type FileSystem, readFully } from '../store/file-system.js';
import { type BlockToWrite, shortName } from '../store/pack-file.js';
import type { PoolLayout } from '../store/pool-layout.js';
import type { BlockAddress, ChunkCatalog } from './chunk-catalog.js';

/** What a footer says of some chunks of a block. */
export type ChunkLists = Pick<BlockToWrite, 'chunkIds' | 'chunkBytes' | 'sketches'>;

/** The entry of a block of the catalog. */
export function blockEntry({ packs }: ChunkCatalog, { packIndex, blockIndex }: BlockAddress): BlockEntry {
  return packs[packIndex]!.footer.blocks[blockIndex]!;
}

/**
 * Reads a block that was just decoded from the same file as it is stored, to be written to another pack: with its
 * bases, its depth and its sketches. @throws DbupError POOL_DAMAGED when its bytes are others now
 */
export async function readStoredBlock(
  { fs, layout, chunks }: { fs: FileSystem; layout: PoolLayout; chunks: ChunkCatalog },
  address: BlockAddress,
): Promise<BlockToWrite> {
  const { name, footer } = chunks.packs[address.packIndex]!;
  const entry = blockEntry(chunks, address);
  const { offsetBytes, storedBytes, plainBytes, codec, kind, xxh64, depth } = entry;
  const stored = new Uint8Array(storedBytes);
  const file = await fs.openRead(layout.packPath(name));
  try {
    await readFully(file, stored, offsetBytes);
  } finally {
    await file.close();
  }
  if (xxh64Of(stored) !== xxh64) {
    throw new DbupError('POOL_DAMAGED', `pack ${shortName(name)} reads differently each time`, {
      hint: 'Nothing was removed. Check the disk.',
      details: { pack: name, blockOffsetBytes: offsetBytes },
    });
  }
  const form = { stored, plainBytes, codec, kind, xxh64, depth, baseIds: basesOfBlock(footer, entry) };
  return { ...form, ...chunkListsOf(chunks, address) };
}

/** The chunks of a block, or those chosen, as a footer lists them; copies. */
export function chunkListsOf(
  chunks: ChunkCatalog,
  address: BlockAddress,
  chosen?: readonly boolean[],
): ChunkLists {
  const { footer } = chunks.packs[address.packIndex]!;
  const entry = blockEntry(chunks, address);
  const sketches = sketchesOfBlock(footer, entry);
  const numbers = Array.from({ length: entry.chunkCount }, (_, i) => i).filter((i) => chosen?.[i] ?? true);
  const lists: ChunkLists = {
    chunkIds: numbers.map((i) => idAt(footer.chunkIds, entry.firstChunk + i)),
    chunkBytes: numbers.map((i) => footer.chunkBytes[entry.firstChunk + i]!),
  };
  if (sketches) {
    lists.sketches = joinBytes(
      numbers.map((i) => sketches.subarray(i * SKETCH_BYTES, (i + 1) * SKETCH_BYTES)),
    );
  }
  return lists;
}

/** Lists one after the other; zeros where some have sketches and these have none. */
export function joinChunkLists(lists: readonly ChunkLists[]): ChunkLists {
  const joined: ChunkLists = {
    chunkIds: lists.flatMap(({ chunkIds }) => chunkIds),
    chunkBytes: lists.flatMap(({ chunkBytes }) => chunkBytes),
  };
  if (lists.every(({ sketches }) => !sketches)) return joined;
  const none = (count: number): Uint8Array => new Uint8Array(count * SKETCH_BYTES);
  joined.sketches = joinBytes(lists.map(({ sketches, chunkIds }) => sketches ?? none(chunkIds.length)));
  return joined;
}

/** Copies the chosen chunks of a decoded block to `target` from `at` on. @returns how many bytes */
export function copyChosen(
  chunks: ChunkCatalog,
  { plain, ...address }: BlockAddress & { plain: Uint8Array },
  chosen: readonly boolean[],
  target: Uint8Array,
  at: number,
): number {
  const { chunkBytes } = chunks.packs[address.packIndex]!.footer;
  const { firstChunk } = blockEntry(chunks, address);
  let from = 0;
  let to = at;
  chosen.forEach((isChosen, i) => {
    const sizeBytes = chunkBytes[firstChunk + i]!;
    if (isChosen) {
      target.set(plain.subarray(from, from + sizeBytes), to);
      to += sizeBytes;
    }
    from += sizeBytes;
  });
  return to - at;
}

/** Plain bytes of the chosen chunks of a block. */
export function chosenBytes(chunks: ChunkCatalog, address: BlockAddress, chosen: readonly boolean[]): number {
  const { chunkBytes } = chunks.packs[address.packIndex]!.footer;
  const { firstChunk } = blockEntry(chunks, address);
  return chosen.reduce((sum, isChosen, i) => sum + (isChosen ? chunkBytes[firstChunk + i]! : 0), 0);
}

function idAt(ids: Uint8Array, number: number): Uint8Array {
  return new Uint8Array(ids.subarray(number * 32, number * 32 + 32));
}

function joinBytes(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

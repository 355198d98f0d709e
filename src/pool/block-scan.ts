import { type OperationContext, throwIfInterrupted } from '../core/context.js';
import { DbupError } from '../core/errors.js';
import type { PoolLayout } from '../store/pool-layout.js';
import type { BlockWorkers } from './block-workers.js';
import type { ChunkCatalog } from './chunk-catalog.js';
import { BLOCK_TARGET_BYTES } from './chunk-ingest.js';
import { loneRegion, type SharedRegion } from './shared-arena.js';

/** A block of a pack of the chunk catalog. */
export interface BlockAddress {
  packIndex: number;
  blockIndex: number;
}

/** A block that was read and decoded, and each chunk of it compared with its id. */
export interface ScannedBlock extends BlockAddress {
  /** Plain bytes, valid until the next block is asked for; of no use when `damage` is set. */
  plain: Uint8Array;
  /** Numbers of the chunks of the block that are not what their id says. */
  badChunks: number[];
  /** Why the block could not be decoded. */
  damage: DbupError | null;
}

interface Running {
  address: BlockAddress;
  region: SharedRegion;
  decoded: Promise<{ badChunks: number[]; damage: DbupError | null }>;
}

/**
 * Reads and checks blocks in the order given, a few ahead of the caller in worker threads. Memory is bounded by
 * twice as many blocks as there are threads.
 * @throws DbupError INTERRUPTED; damage is an answer, not an error
 */
export async function* scanBlocks(
  parts: { layout: PoolLayout; workers: BlockWorkers; chunks: ChunkCatalog; context: OperationContext },
  addresses: Iterable<BlockAddress>,
): AsyncGenerator<ScannedBlock> {
  const { chunks, workers, context } = parts;
  const source = addresses[Symbol.iterator]();
  const running: Running[] = [];
  const free: SharedRegion[] = [];
  const startNext = (): void => {
    const next = source.next();
    if (next.done) return;
    const plainBytes = chunks.packs[next.value.packIndex]!.footer.blocks[next.value.blockIndex]!.plainBytes;
    const region =
      plainBytes > BLOCK_TARGET_BYTES
        ? loneRegion(plainBytes)
        : (free.pop() ?? loneRegion(BLOCK_TARGET_BYTES));
    const decoded = decodeBlock(parts, next.value, region);
    decoded.catch(() => {});
    running.push({ address: next.value, region, decoded });
  };
  for (let i = 0; i < workers.threads * 2; i++) startNext();
  for (let block = running.shift(); block; block = running.shift()) {
    throwIfInterrupted(context.signal);
    const { address, region } = block;
    const { badChunks, damage } = await block.decoded;
    const { plainBytes } = chunks.packs[address.packIndex]!.footer.blocks[address.blockIndex]!;
    yield { ...address, plain: region.bytes.subarray(0, plainBytes), badChunks, damage };
    if (region.bytes.length === BLOCK_TARGET_BYTES) free.push(region);
    startNext();
  }
}

async function decodeBlock(
  { layout, workers, chunks }: { layout: PoolLayout; workers: BlockWorkers; chunks: ChunkCatalog },
  { packIndex, blockIndex }: BlockAddress,
  region: SharedRegion,
): Promise<{ badChunks: number[]; damage: DbupError | null }> {
  const { name, footer } = chunks.packs[packIndex]!;
  const block = footer.blocks[blockIndex]!;
  const end = block.firstChunk + block.chunkCount;
  // Copies: a view would carry the whole footer over to the thread.
  const ids = new Uint8Array(footer.chunkIds.subarray(block.firstChunk * 32, end * 32));
  const sizes = footer.chunkBytes.slice(block.firstChunk, end);
  try {
    const badChunks = await workers.decode(layout.packPath(name), name, block, region, { ids, sizes });
    return { badChunks, damage: null };
  } catch (error) {
    const isDamage =
      error instanceof DbupError && (error.code === 'POOL_DAMAGED' || error.code === 'POOL_INCOMPLETE');
    if (isDamage) return { badChunks: [], damage: error };
    throw error;
  }
}

/** The ids of a block's chunks, 64 hex digits each. */
export function blockChunkIds(chunks: ChunkCatalog, { packIndex, blockIndex }: BlockAddress): string[] {
  const { footer } = chunks.packs[packIndex]!;
  const { firstChunk, chunkCount } = footer.blocks[blockIndex]!;
  const view = Buffer.from(footer.chunkIds.buffer, footer.chunkIds.byteOffset, footer.chunkIds.byteLength);
  return Array.from({ length: chunkCount }, (_, i) =>
    view.toString('hex', (firstChunk + i) * 32, (firstChunk + i + 1) * 32),
  );
}

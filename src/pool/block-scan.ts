import { type OperationContext, throwIfInterrupted } from '../core/context.js';
import { DbupError } from '../core/errors.js';
import type { BlockEntry } from '../format/block-entry.js';
import type { PoolLayout } from '../store/pool-layout.js';
import type { BaseFault } from './base-plan.js';
import { BlockCache } from './block-cache.js';
import { BlockDecoder } from './block-decoder.js';
import type { BlockWorkers } from './block-workers.js';
import type { BlockAddress, ChunkCatalog } from './chunk-catalog.js';
import { RegionPool } from './region-pool.js';
import type { SharedRegion } from './shared-arena.js';

/** Bases that a scan of its own keeps decoded: blocks of one pack lean on few others. */
const SCAN_CACHE_BYTES = 24 * 1024 * 1024;
const SCAN_HELD_BYTES = 8 * 1024 * 1024;

/** A block that was read and decoded, and each chunk of it compared with its id. */
export interface ScannedBlock extends BlockAddress {
  /** Plain bytes, valid until the next block is asked for; of no use when `damage` is set. */
  plain: Uint8Array;
  /** Numbers of the chunks of the block that are not what their id says. */
  badChunks: number[];
  /** Why the block could not be decoded. Where a base of it is to blame, its `details.base` says which. */
  damage: DbupError | null;
  /** Set when there are bad chunks and a base of the block is to blame. */
  badBase: BaseFault | null;
}

type Checked = Pick<ScannedBlock, 'badChunks' | 'damage' | 'badBase'>;

interface Running {
  address: BlockAddress;
  region: SharedRegion;
  checked: Promise<Checked>;
}

export interface ScanParts {
  layout: PoolLayout;
  workers: BlockWorkers;
  chunks: ChunkCatalog;
  context: OperationContext;
  /** For the bases of delta blocks; made when the first one comes, where it is not given. Scans one after the other should share one. */
  cache?: BlockCache;
}

/**
 * Reads and checks blocks in the order given, a few ahead of the caller in worker threads. Memory is bounded by
 * twice as many blocks as there are threads, and by what the cache takes.
 * @throws DbupError INTERRUPTED; damage is an answer, not an error
 */
export async function* scanBlocks(
  parts: ScanParts,
  addresses: Iterable<BlockAddress>,
): AsyncGenerator<ScannedBlock> {
  const { layout, chunks, workers, context } = parts;
  const source = addresses[Symbol.iterator]();
  const running: Running[] = [];
  const regions = new RegionPool(null);
  let { cache } = parts;
  const decoder = new BlockDecoder(
    parts,
    (base) => {
      cache ??= new BlockCache(layout, chunks, workers, { budgetBytes: SCAN_CACHE_BYTES });
      return cache.leaseBlock(base);
    },
    SCAN_HELD_BYTES,
    regions,
  );
  const startNext = (): void => {
    const next = source.next();
    if (next.done) return;
    const region = regions.take(entryOf(chunks, next.value).plainBytes);
    const checked = checkBlock(decoder, next.value, region);
    checked.catch(() => {});
    running.push({ address: next.value, region, checked });
  };
  for (let i = 0; i < workers.threads * 2; i++) startNext();
  for (let block = running.shift(); block; block = running.shift()) {
    throwIfInterrupted(context.signal);
    const { address, region } = block;
    const checked = await block.checked;
    yield { ...address, plain: region.bytes.subarray(0, entryOf(chunks, address).plainBytes), ...checked };
    regions.give(region);
    startNext();
  }
}

async function checkBlock(
  decoder: BlockDecoder,
  address: BlockAddress,
  region: SharedRegion,
): Promise<Checked> {
  try {
    return { ...(await decoder.decode(address, region, true)), damage: null };
  } catch (error) {
    const isDamage =
      error instanceof DbupError && (error.code === 'POOL_DAMAGED' || error.code === 'POOL_INCOMPLETE');
    if (isDamage) return { badChunks: [], badBase: null, damage: error };
    throw error;
  }
}

function entryOf(chunks: ChunkCatalog, { packIndex, blockIndex }: BlockAddress): BlockEntry {
  return chunks.packs[packIndex]!.footer.blocks[blockIndex]!;
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

import { DbupError } from '../core/errors.js';
import { sha256Hex } from '../hash/sha256.js';
import type { PoolLayout } from '../store/pool-layout.js';
import type { BlockWorkers } from './block-workers.js';
import { type ChunkCatalog, locateChunk } from './chunk-catalog.js';
import { BLOCK_TARGET_BYTES } from './chunk-ingest.js';
import { loneRegion, SharedArena, type SharedRegion } from './shared-arena.js';

const CACHE_BYTES = 48 * 1024 * 1024;
const WINDOW_BYTES_TOTAL = 4 * 1024 * 1024;

interface CachedBlock {
  region: SharedRegion;
  decoded: Promise<void>;
  pins: number;
}

/** A chunk's bytes inside a decoded block, held in memory until it is released. */
export interface ChunkLease {
  /** Valid after `ready` has resolved and until `release`. */
  bytes: Uint8Array;
  ready: Promise<void>;
  id: Uint8Array;
  /** Names the block: leases of one block cost its memory once. */
  blockKey: string;
  release(): void;
}

/** Decoded blocks, read by worker threads, the least recently used let go first. Memory is bounded by the leases held plus 48 MiB. */
export class BlockCache {
  readonly #layout: PoolLayout;
  readonly #chunks: ChunkCatalog;
  readonly #workers: BlockWorkers;
  /** In order of last use. */
  readonly #blocks = new Map<string, CachedBlock>();
  readonly #arena = new SharedArena(CACHE_BYTES + WINDOW_BYTES_TOTAL);
  readonly #freeRegions: SharedRegion[] = [];
  readonly #freeWindows: Uint8Array[] = [];
  #cachedBytes = 0;

  constructor(layout: PoolLayout, chunks: ChunkCatalog, workers: BlockWorkers) {
    this.#layout = layout;
    this.#chunks = chunks;
    this.#workers = workers;
  }

  /**
   * Starts to read the block that holds a chunk.
   * @throws DbupError POOL_INCOMPLETE when no pack holds the chunk; `ready` rejects with POOL_DAMAGED
   */
  lease(id: Uint8Array): ChunkLease {
    const place = locateChunk(this.#chunks, id);
    if (!place) throw missingChunk(this.#chunks, id);
    const blockKey = `${place.packIndex}:${place.blockIndex}`;
    let block = this.#blocks.get(blockKey);
    if (block) this.#blocks.delete(blockKey);
    else block = this.#read(place.packIndex, place.blockIndex);
    this.#blocks.set(blockKey, block);
    block.pins++;
    const held = block;
    return {
      bytes: held.region.bytes.subarray(place.offsetBytes, place.offsetBytes + place.sizeBytes),
      ready: held.decoded,
      id,
      blockKey,
      release: () => {
        held.pins--;
        this.#shrink();
      },
    };
  }

  /** A copy of one chunk, checked against its id. For recipes and list nodes; file contents go by leases. */
  async readChunk(id: Uint8Array): Promise<Uint8Array> {
    const lease = this.lease(id);
    try {
      await lease.ready;
      const bytes = new Uint8Array(lease.bytes);
      checkChunk(id, bytes);
      return bytes;
    } finally {
      lease.release();
    }
  }

  /** A buffer into which `copy` is fast from the bytes of a lease; an ordinary one when there are too many. */
  window(sizeBytes: number): Uint8Array {
    return this.#freeWindows.pop() ?? this.#arena.allocate(sizeBytes)?.bytes ?? new Uint8Array(sizeBytes);
  }

  /** Gives a window back. All windows are of one size. */
  returnWindow(window: Uint8Array): void {
    this.#freeWindows.push(window);
  }

  copy(target: Uint8Array, at: number, source: Uint8Array): void {
    this.#arena.copy(target, at, source);
  }

  #read(packIndex: number, blockIndex: number): CachedBlock {
    const pack = this.#chunks.packs[packIndex]!;
    const entry = pack.footer.blocks[blockIndex]!;
    const region = this.#region(entry.plainBytes);
    const decoded = this.#workers
      .decode(this.#layout.packPath(pack.name), pack.name, entry, region)
      .then(() => {});
    // A block read ahead may never be waited for.
    decoded.catch(() => {});
    this.#cachedBytes += region.bytes.length;
    return { region, decoded, pins: 0 };
  }

  #region(plainBytes: number): SharedRegion {
    if (plainBytes > BLOCK_TARGET_BYTES) return loneRegion(plainBytes);
    return (
      this.#freeRegions.pop() ?? this.#arena.allocate(BLOCK_TARGET_BYTES) ?? loneRegion(BLOCK_TARGET_BYTES)
    );
  }

  #shrink(): void {
    if (this.#cachedBytes <= CACHE_BYTES) return;
    for (const [key, block] of this.#blocks) {
      if (this.#cachedBytes <= CACHE_BYTES) return;
      if (block.pins > 0) continue;
      this.#blocks.delete(key);
      this.#cachedBytes -= block.region.bytes.length;
      // Only when the thread has let go of it may the memory be used again.
      if (block.region.bytes.length === BLOCK_TARGET_BYTES) {
        const free = (): void => void this.#freeRegions.push(block.region);
        block.decoded.then(free, free);
      }
    }
  }
}

/** @throws DbupError POOL_DAMAGED when `bytes` are not the chunk `id` */
export function checkChunk(id: Uint8Array, bytes: Uint8Array): void {
  const hex = Buffer.from(id).toString('hex');
  if (sha256Hex(bytes) === hex) return;
  throw new DbupError('POOL_DAMAGED', `chunk ${hex.slice(0, 12)} is not what its id says`, {
    hint: 'Run `dbup verify --read-data`, then `dbup repair --from OTHER_POOL`.',
    details: { chunk: hex },
  });
}

function missingChunk(chunks: ChunkCatalog, id: Uint8Array): DbupError {
  const hex = Buffer.from(id).toString('hex');
  const damaged = chunks.unusablePacks.map(({ name }) => name);
  return new DbupError('POOL_INCOMPLETE', `the pool is incomplete: it lacks chunk ${hex.slice(0, 12)}`, {
    hint:
      damaged.length > 0
        ? `${damaged.length} pack file(s) are cut off or damaged. Sync the pool again from where it is whole, or run \`dbup repair --from OTHER_POOL\`.`
        : 'Sync the pool again from where it is whole: packs/ travels before snapshots/, an interrupted copy is completed by repeating it.',
    details: { chunk: hex, unusablePacks: damaged },
  });
}

import { DbupError } from '../core/errors.js';
import { sha256Hex } from '../hash/sha256.js';
import type { PoolLayout } from '../store/pool-layout.js';
import type { BlockWorkers } from './block-workers.js';
import { type ChunkCatalog, locateChunk } from './chunk-catalog.js';
import { BLOCK_TARGET_BYTES } from './chunk-ingest.js';

const CACHE_BYTES = 64 * 1024 * 1024;

interface CachedBlock {
  buffer: SharedArrayBuffer;
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

/** Decoded blocks, read by worker threads, the least recently used let go first. Memory is bounded by the leases held plus 64 MiB. */
export class BlockCache {
  readonly #layout: PoolLayout;
  readonly #chunks: ChunkCatalog;
  readonly #workers: BlockWorkers;
  /** In order of last use. */
  readonly #blocks = new Map<string, CachedBlock>();
  readonly #freeBuffers: SharedArrayBuffer[] = [];
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
      bytes: new Uint8Array(held.buffer, place.offsetBytes, place.sizeBytes),
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

  #read(packIndex: number, blockIndex: number): CachedBlock {
    const pack = this.#chunks.packs[packIndex]!;
    const entry = pack.footer.blocks[blockIndex]!;
    const buffer = this.#buffer(entry.plainBytes);
    const decoded = this.#workers
      .decode(this.#layout.packPath(pack.name), pack.name, entry, buffer)
      .then(() => {});
    // A block read ahead may never be waited for.
    decoded.catch(() => {});
    this.#cachedBytes += buffer.byteLength;
    return { buffer, decoded, pins: 0 };
  }

  #buffer(plainBytes: number): SharedArrayBuffer {
    if (plainBytes > BLOCK_TARGET_BYTES) return new SharedArrayBuffer(plainBytes);
    return this.#freeBuffers.pop() ?? new SharedArrayBuffer(BLOCK_TARGET_BYTES);
  }

  #shrink(): void {
    if (this.#cachedBytes <= CACHE_BYTES) return;
    for (const [key, block] of this.#blocks) {
      if (this.#cachedBytes <= CACHE_BYTES) return;
      if (block.pins > 0) continue;
      this.#blocks.delete(key);
      this.#cachedBytes -= block.buffer.byteLength;
      // Only when the thread has let go of it may the memory be used again.
      if (block.buffer.byteLength === BLOCK_TARGET_BYTES) {
        const free = (): void => void this.#freeBuffers.push(block.buffer);
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

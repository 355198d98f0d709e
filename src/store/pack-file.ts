import { DbupError, isSystemError } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import type { BlockEntry } from '../format/block-entry.js';
import {
  BLOCK_KIND,
  checkPackHeader,
  decodePackFooter,
  encodePackFooter,
  encodePackHeader,
  type PackFooter,
  SKETCH_BYTES,
} from '../format/pack.js';
import {
  decodePackTrailer,
  PACK_HEADER_BYTES,
  PACK_TRAILER_BYTES,
  type PackTrailer,
} from '../format/pack-trailer.js';
import { DurableFile } from './durable-file.js';
import { type FileSystem, readFully } from './file-system.js';
import type { PoolLayout } from './pool-layout.js';

/** Small enough that a lost connection costs little, large enough that a pool has few files. */
export const PACK_TARGET_BYTES = 32 * 1024 * 1024;
/**
 * A pack is closed when it has so many chunks and bases, however little they take: its footer (60 bytes a chunk, 32 a
 * base or block) must stay far below what a reader accepts, and it is held in memory.
 */
const PACK_MAX_IDS = 256 * 1024;

/** A compressed block ready for a pack. `stored` is the caller's again when `add` has resolved. */
export interface BlockToWrite {
  stored: Uint8Array;
  plainBytes: number;
  xxh64: bigint;
  codec: number;
  kind: number;
  chunkIds: Uint8Array[];
  chunkBytes: number[];
  /** 0, or of a delta block 1 + the greatest of its bases' blocks. */
  depth: number;
  /** The chunks a delta block was coded against, in the order of the base's bytes; none of other blocks. */
  baseIds: Uint8Array[];
  /** `SKETCH_BYTES` for each chunk. */
  sketches?: Uint8Array;
}

/** Stored bytes of blocks: delta blocks of any kind, and the others by kind. */
export interface BlockBytes {
  dataBytes: number;
  deltaBytes: number;
  skeletonBytes: number;
  recipeBytes: number;
}

/** What a finished pack is. */
export interface WrittenPack {
  name: string;
  sizeBytes: number;
  /** False when the pool held a file of that name, sound or not. */
  isNew: boolean;
}

/**
 * Writes packs one after the other, each closed when it has reached the target size or as many chunks as a pack
 * may have. A closed pack is made
 * durable while the next one is being filled; `finishPack` waits for all of them.
 */
export class PackWriter {
  readonly #fs: FileSystem;
  readonly #layout: PoolLayout;
  readonly #targetBytes: number;
  readonly written: WrittenPack[] = [];
  /** Of all blocks added. */
  readonly blockBytes: BlockBytes = { dataBytes: 0, deltaBytes: 0, skeletonBytes: 0, recipeBytes: 0 };
  #file: DurableFile | null = null;
  #committing: Promise<void> = Promise.resolve();
  #blocks: BlockEntry[] = [];
  #chunkIds: Uint8Array[] = [];
  #chunkBytes: number[] = [];
  #baseIds: Uint8Array[] = [];
  /** One for each block, null where its chunks have none. */
  #sketches: (Uint8Array | null)[] = [];

  constructor(fs: FileSystem, layout: PoolLayout, targetBytes: number) {
    this.#fs = fs;
    this.#layout = layout;
    this.#targetBytes = targetBytes;
  }

  /** Bytes of all packs finished so far. */
  get writtenBytes(): number {
    return this.written.reduce((sum, pack) => sum + pack.sizeBytes, 0);
  }

  /** Appends a block, to a pack that has the features it needs: a pack with no delta block and no sketches has none. */
  async add(block: BlockToWrite): Promise<void> {
    if (!this.#file) {
      this.#file = await DurableFile.create(this.#fs, this.#layout.temporaryDirectory);
      await this.#file.write(encodePackHeader());
    }
    this.#blocks.push({
      offsetBytes: this.#file.sizeBytes,
      storedBytes: block.stored.length,
      plainBytes: block.plainBytes,
      firstChunk: this.#chunkIds.length,
      chunkCount: block.chunkIds.length,
      xxh64: block.xxh64,
      codec: block.codec,
      kind: block.kind,
      depth: block.depth,
      firstBase: this.#baseIds.length,
      baseCount: block.baseIds.length,
    });
    this.blockBytes[shareOf(block)] += block.stored.length;
    this.#chunkIds.push(...block.chunkIds);
    this.#chunkBytes.push(...block.chunkBytes);
    this.#baseIds.push(...block.baseIds);
    this.#sketches.push(block.sketches ?? null);
    await this.#file.write(block.stored);
    const ids = this.#chunkIds.length + this.#baseIds.length;
    if (this.#file.sizeBytes >= this.#targetBytes || ids >= PACK_MAX_IDS) await this.#closePack();
  }

  /** Ends the pack in the making, if there is one. When it resolves, every chunk added is safe. */
  async finishPack(): Promise<void> {
    await this.#closePack();
    await this.#committing;
  }

  /** Waits for the pack before to be durable, so that a slow disk holds the writer back, and starts on this one. */
  async #closePack(): Promise<void> {
    const file = this.#file;
    if (!file) return;
    const lists = {
      chunkIds: this.#chunkIds,
      chunkBytes: this.#chunkBytes,
      baseIds: this.#baseIds,
      sketches: this.#joinSketches(),
    };
    await file.write(encodePackFooter(this.#blocks, lists, file.sizeBytes));
    await this.#committing;
    this.#file = null;
    this.#blocks = [];
    this.#chunkIds = [];
    this.#chunkBytes = [];
    this.#baseIds = [];
    this.#sketches = [];
    this.#committing = file.commit(this.#layout.packsDirectory).then(({ name, isNew }) => {
      this.written.push({ name, sizeBytes: file.sizeBytes, isNew });
    });
    // Reported by whoever waits for it next.
    this.#committing.catch(() => {});
  }

  /** Sketches of all chunks of the pack, zeros where a block has none; null when no block has any. */
  #joinSketches(): Uint8Array | null {
    if (this.#sketches.every((sketches) => sketches === null)) return null;
    const all = new Uint8Array(this.#chunkIds.length * SKETCH_BYTES);
    this.#blocks.forEach(({ firstChunk }, i) => {
      const sketches = this.#sketches[i];
      if (sketches) all.set(sketches, firstChunk * SKETCH_BYTES);
    });
    return all;
  }

  /** Drops the pack in the making. Never throws. */
  async abort(): Promise<void> {
    await this.#committing.catch(() => {});
    await this.#file?.abort();
    this.#file = null;
  }
}

function shareOf({ kind, baseIds }: BlockToWrite): keyof BlockBytes {
  if (baseIds.length > 0) return 'deltaBytes';
  if (kind === BLOCK_KIND.data) return 'dataBytes';
  return kind === BLOCK_KIND.skeleton ? 'skeletonBytes' : 'recipeBytes';
}

/** A pack's footer as it stands in the file, with the trailer that vouches for it. */
export interface RawFooter {
  bytes: Uint8Array;
  trailer: PackTrailer;
}

/**
 * Reads and checks header, trailer and footer of a pack file of `sizeBytes`.
 * @throws DbupError POOL_DAMAGED, POOL_FORMAT_UNSUPPORTED, POOL_INCOMPLETE when the file is gone
 */
export async function readPackFooter(
  fs: FileSystem,
  layout: PoolLayout,
  name: string,
  sizeBytes: number,
): Promise<{ raw: RawFooter; footer: PackFooter }> {
  const where = shortName(name);
  if (sizeBytes < PACK_HEADER_BYTES + PACK_TRAILER_BYTES || sizeBytes > LIMITS.packBytes) {
    throw new DbupError('POOL_DAMAGED', `pack ${where} is damaged: it has ${sizeBytes} bytes`, {
      hint: 'Copy the pool again from where it is whole, or run `dbup repair --from OTHER_POOL`.',
      details: { pack: name },
    });
  }
  try {
    const file = await fs.openRead(layout.packPath(name));
    try {
      const header = new Uint8Array(PACK_HEADER_BYTES);
      await readFully(file, header, 0);
      checkPackHeader(header, where);
      const tail = new Uint8Array(PACK_TRAILER_BYTES);
      const tailBytes = await readFully(file, tail, sizeBytes - PACK_TRAILER_BYTES);
      const trailer = decodePackTrailer(tail.subarray(0, tailBytes), sizeBytes, where);
      const bytes = new Uint8Array(trailer.footerBytes);
      await readFully(file, bytes, sizeBytes - PACK_TRAILER_BYTES - trailer.footerBytes);
      return { raw: { bytes, trailer }, footer: decodePackFooter(bytes, trailer, where) };
    } finally {
      await file.close();
    }
  } catch (error) {
    if (!isSystemError(error, 'ENOENT')) throw error;
    throw new DbupError('POOL_INCOMPLETE', `pack ${where} is gone`, {
      hint: 'Sync the pool again.',
      details: { pack: name },
    });
  }
}

/** The first 12 digits: enough to find a pool file, short enough to read. */
export function shortName(name: string): string {
  return name.slice(0, 12);
}

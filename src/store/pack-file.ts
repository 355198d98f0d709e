import { DbupError, isSystemError } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import {
  type BlockEntry,
  checkPackHeader,
  decodePackFooter,
  decodePackTrailer,
  encodePackFooter,
  encodePackHeader,
  PACK_HEADER_BYTES,
  PACK_TRAILER_BYTES,
  type PackFooter,
  type PackTrailer,
} from '../format/pack.js';
import { DurableFile } from './durable-file.js';
import { type FileSystem, readFully } from './file-system.js';
import type { PoolLayout } from './pool-layout.js';

/**
 * A pack is closed when it has so many chunks, however little they take: its footer (36 bytes a chunk, 32 a block)
 * must stay far below what a reader accepts, and it is held in memory.
 */
const PACK_MAX_CHUNKS = 256 * 1024;

/** A compressed block ready for a pack. `stored` is the caller's again when `add` has resolved. */
export interface BlockToWrite {
  stored: Uint8Array;
  plainBytes: number;
  xxh64: bigint;
  codec: number;
  kind: number;
  chunkIds: Uint8Array[];
  chunkBytes: number[];
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
  #file: DurableFile | null = null;
  #committing: Promise<void> = Promise.resolve();
  #blocks: BlockEntry[] = [];
  #chunkIds: Uint8Array[] = [];
  #chunkBytes: number[] = [];

  constructor(fs: FileSystem, layout: PoolLayout, targetBytes: number) {
    this.#fs = fs;
    this.#layout = layout;
    this.#targetBytes = targetBytes;
  }

  /** Bytes of all packs finished so far. */
  get writtenBytes(): number {
    return this.written.reduce((sum, pack) => sum + pack.sizeBytes, 0);
  }

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
    });
    this.#chunkIds.push(...block.chunkIds);
    this.#chunkBytes.push(...block.chunkBytes);
    await this.#file.write(block.stored);
    if (this.#file.sizeBytes >= this.#targetBytes || this.#chunkIds.length >= PACK_MAX_CHUNKS)
      await this.#closePack();
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
    await file.write(encodePackFooter(this.#blocks, this.#chunkIds, this.#chunkBytes, file.sizeBytes));
    await this.#committing;
    this.#file = null;
    this.#blocks = [];
    this.#chunkIds = [];
    this.#chunkBytes = [];
    this.#committing = file.commit(this.#layout.packsDirectory).then(({ name, isNew }) => {
      this.written.push({ name, sizeBytes: file.sizeBytes, isNew });
    });
    // Reported by whoever waits for it next.
    this.#committing.catch(() => {});
  }

  /** Drops the pack in the making. Never throws. */
  async abort(): Promise<void> {
    await this.#committing.catch(() => {});
    await this.#file?.abort();
    this.#file = null;
  }
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

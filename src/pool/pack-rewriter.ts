import type { OperationContext } from '../core/context.js';
import { DbupError } from '../core/errors.js';
import { type BlockKind, basesOfBlock, sketchesOfBlock } from '../format/pack.js';
import { xxh64 as xxh64Of } from '../hash/xxh64.js';
import { type FileSystem, readFully } from '../store/file-system.js';
import { type BlockToWrite, type PackWriter, shortName } from '../store/pack-file.js';
import type { PoolLayout } from '../store/pool-layout.js';
import { type BlockAddress, type ScannedBlock, scanBlocks } from './block-scan.js';
import type { BlockWorkers } from './block-workers.js';
import type { ChunkCatalog } from './chunk-catalog.js';
import { BLOCK_TARGET_BYTES } from './chunk-ingest.js';
import { loneRegion, type SharedRegion } from './shared-arena.js';

/** Which chunk of which block moves; `chunk` counts through the pack. */
export type ChunkChoice = (
  packIndex: number,
  blockIndex: number,
  chunk: number,
  offsetBytes: number,
) => boolean;

interface Gathering {
  region: SharedRegion;
  fillBytes: number;
  chunkIds: Uint8Array[];
  chunkBytes: number[];
}

export interface RewriterParts {
  fs: FileSystem;
  layout: PoolLayout;
  workers: BlockWorkers;
  chunks: ChunkCatalog;
  packs: PackWriter;
  /** zstd level of blocks that are put together anew. */
  level: number;
  context: OperationContext;
}

/**
 * Copies chosen chunks of packs into new packs. A block whose chunks all move is copied as it is stored; of
 * others the chosen chunks are gathered into new blocks. Every chunk is compared with its id before it is
 * written: the old copy may go when `finish` has resolved.
 */
export class PackRewriter {
  readonly #parts: RewriterParts;
  readonly #gathering = new Map<number, Gathering>();

  constructor(parts: RewriterParts) {
    this.#parts = parts;
  }

  /**
   * Copies the chosen chunks of one pack.
   * @returns the first damage met, null when there is none; chunks that are damaged are left out
   * @throws DbupError INTERRUPTED, or what writing throws
   */
  async copyFrom(packIndex: number, choose: ChunkChoice): Promise<DbupError | null> {
    const { chunks } = this.#parts;
    const { footer } = chunks.packs[packIndex]!;
    const wanted: { address: BlockAddress; chosen: boolean[] }[] = [];
    footer.blocks.forEach(({ firstChunk, chunkCount }, blockIndex) => {
      const chosen: boolean[] = [];
      let offsetBytes = 0;
      for (let i = 0; i < chunkCount; i++) {
        chosen.push(choose(packIndex, blockIndex, firstChunk + i, offsetBytes));
        offsetBytes += footer.chunkBytes[firstChunk + i]!;
      }
      if (chosen.includes(true)) wanted.push({ address: { packIndex, blockIndex }, chosen });
    });
    let damage: DbupError | null = null;
    let at = 0;
    const addresses = wanted.map(({ address }) => address);
    for await (const block of scanBlocks(this.#parts, addresses)) {
      const { chosen } = wanted[at++]!;
      if (block.damage) {
        damage ??= block.damage;
        continue;
      }
      for (const bad of block.badChunks) {
        if (chosen[bad]) damage ??= this.#damagedChunk(block, bad);
        chosen[bad] = false;
      }
      if (chosen.includes(false)) await this.#gather(block, chosen);
      else await this.#copyWhole(block);
    }
    return damage;
  }

  /** Writes out what is still gathered; when it resolves everything copied is durable. */
  async finish(): Promise<void> {
    for (const kind of [...this.#gathering.keys()].sort()) await this.#seal(kind);
    await this.#parts.packs.finishPack();
  }

  /** The block was just decoded from the same file; reading its stored bytes again costs less than handing them over. */
  async #copyWhole({ packIndex, blockIndex }: ScannedBlock): Promise<void> {
    const { fs, layout, chunks, packs } = this.#parts;
    const { name, footer } = chunks.packs[packIndex]!;
    const entry = footer.blocks[blockIndex]!;
    const { offsetBytes, storedBytes, plainBytes, codec, kind, xxh64, depth, firstChunk, chunkCount } = entry;
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
    const sketches = sketchesOfBlock(footer, entry);
    const block: BlockToWrite = {
      ...{ stored, plainBytes, codec, kind, xxh64, depth },
      ...{ chunkIds: [], chunkBytes: [], baseIds: basesOfBlock(footer, entry) },
      ...(sketches && { sketches }),
    };
    for (let chunk = firstChunk; chunk < firstChunk + chunkCount; chunk++) {
      block.chunkIds.push(this.#chunkId(packIndex, chunk));
      block.chunkBytes.push(footer.chunkBytes[chunk]!);
    }
    await packs.add(block);
  }

  async #gather({ packIndex, blockIndex, plain }: ScannedBlock, chosen: readonly boolean[]): Promise<void> {
    const { footer } = this.#parts.chunks.packs[packIndex]!;
    const { firstChunk, kind } = footer.blocks[blockIndex]!;
    let offsetBytes = 0;
    for (let i = 0; i < chosen.length; i++) {
      const sizeBytes = footer.chunkBytes[firstChunk + i]!;
      if (chosen[i]) {
        const bytes = plain.subarray(offsetBytes, offsetBytes + sizeBytes);
        await this.#addChunk(kind, this.#chunkId(packIndex, firstChunk + i), bytes);
      }
      offsetBytes += sizeBytes;
    }
  }

  async #addChunk(kind: number, id: Uint8Array, bytes: Uint8Array): Promise<void> {
    let block = this.#gathering.get(kind);
    if (block && block.fillBytes + bytes.length > block.region.bytes.length) {
      await this.#seal(kind);
      block = undefined;
    }
    if (!block) {
      const region = loneRegion(Math.max(BLOCK_TARGET_BYTES, bytes.length));
      block = { region, fillBytes: 0, chunkIds: [], chunkBytes: [] };
      this.#gathering.set(kind, block);
    }
    block.region.bytes.set(bytes, block.fillBytes);
    block.fillBytes += bytes.length;
    block.chunkIds.push(id);
    block.chunkBytes.push(bytes.length);
  }

  async #seal(kind: number): Promise<void> {
    const { workers, packs, level } = this.#parts;
    const block = this.#gathering.get(kind)!;
    this.#gathering.delete(kind);
    const { region, fillBytes: plainBytes, chunkIds, chunkBytes } = block;
    const compressed = await workers.compress(region, plainBytes, level);
    const chunkLists = { chunkIds, chunkBytes, depth: 0, baseIds: [] };
    await packs.add({ ...compressed, kind: kind as BlockKind, plainBytes, ...chunkLists });
  }

  #damagedChunk({ packIndex, blockIndex }: ScannedBlock, number: number): DbupError {
    const { name, footer } = this.#parts.chunks.packs[packIndex]!;
    const id = this.#chunkId(packIndex, footer.blocks[blockIndex]!.firstChunk + number);
    const hex = Buffer.from(id).toString('hex');
    return new DbupError(
      'POOL_DAMAGED',
      `pack ${shortName(name)}: chunk ${shortName(hex)} is not what its id says`,
      {
        hint: 'Run `dbup verify --read-data`, then `dbup repair --from OTHER_POOL`.',
        details: { pack: name, chunk: hex },
      },
    );
  }

  #chunkId(packIndex: number, chunk: number): Uint8Array {
    const { chunkIds } = this.#parts.chunks.packs[packIndex]!.footer;
    return new Uint8Array(chunkIds.subarray(chunk * 32, chunk * 32 + 32));
  }
}

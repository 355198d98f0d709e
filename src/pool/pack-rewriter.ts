import type { OperationContext } from '../core/context.js';
import { DbupError } from '../core/errors.js';
import { BLOCK_CODEC } from '../format/block-entry.js';
import type { FileSystem } from '../store/file-system.js';
import { type PackWriter, shortName } from '../store/pack-file.js';
import type { PoolLayout } from '../store/pool-layout.js';
import { BlockCache } from './block-cache.js';
import { blockChunkIds, type ScannedBlock, scanBlocks } from './block-scan.js';
import { blockTargetBytes } from './block-target.js';
import type { BlockWorkers } from './block-workers.js';
import type { BlockAddress, ChunkCatalog } from './chunk-catalog.js';
import { DeltaRecoder } from './delta-recoder.js';
import { loneRegion, type SharedRegion } from './shared-arena.js';
import {
  blockEntry,
  type ChunkLists,
  chosenBytes,
  chunkListsOf,
  copyChosen,
  joinChunkLists,
  readStoredBlock,
} from './stored-block.js';

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
  lists: ChunkLists[];
}

/** Damage met in a block that was to be copied. */
export interface DamagedBlock {
  address: BlockAddress;
  error: DbupError;
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
 * Copies chosen chunks of packs into new packs. A block whose chunks all move is copied as it is stored, a delta block
 * with its bases and its depth. Of a plain block the chosen chunks are gathered into new blocks; of a delta block
 * they are coded anew against the same bases, or gathered too where that is no longer smaller. So no copy of a chunk
 * lies deeper than the one it was made from. Every chunk is compared with its id before it is written: the old copy may
 * go when `finish` has resolved.
 */
export class PackRewriter {
  readonly #parts: RewriterParts & { cache: BlockCache };
  readonly #recoder: DeltaRecoder;
  readonly #gathering = new Map<number, Gathering>();

  constructor(parts: RewriterParts) {
    const { layout, chunks, workers, level } = parts;
    // One for all packs: delta blocks of one lean on chunks of another.
    const cache = new BlockCache(layout, chunks, workers);
    this.#parts = { ...parts, cache };
    this.#recoder = new DeltaRecoder(cache, chunks, workers, level);
  }

  /**
   * Copies the chosen chunks of one pack.
   * @returns the damage met; chunks that are damaged are left out
   * @throws DbupError INTERRUPTED, or what writing throws
   */
  async copyFrom(packIndex: number, choose: ChunkChoice): Promise<DamagedBlock[]> {
    const { chunks } = this.#parts;
    const wanted = chosenBlocks(chunks, packIndex, choose);
    const damaged: DamagedBlock[] = [];
    let at = 0;
    const addresses = wanted.map(({ address }) => address);
    for await (const block of scanBlocks(this.#parts, addresses)) {
      const { address, chosen } = wanted[at++]!;
      const error = block.damage ?? firstBadChunk(chunks, block, chosen);
      if (error) damaged.push({ address, error });
      if (block.damage) continue;
      for (const bad of block.badChunks) chosen[bad] = false;
      if (!chosen.includes(true)) continue;
      if (!chosen.includes(false)) await this.#parts.packs.add(await readStoredBlock(this.#parts, address));
      else if (!(await this.#recodeDelta(block, chosen))) await this.#gather(block, chosen);
    }
    return damaged;
  }

  /** Writes out what is still gathered; when it resolves everything copied is durable. */
  async finish(): Promise<void> {
    for (const kind of [...this.#gathering.keys()].sort()) await this.#seal(kind);
    await this.#parts.packs.finishPack();
  }

  /** @returns false when the chunks are better stored plain */
  async #recodeDelta(block: ScannedBlock, chosen: readonly boolean[]): Promise<boolean> {
    const { chunks, packs } = this.#parts;
    const { codec, kind } = blockEntry(chunks, block);
    if (codec !== BLOCK_CODEC.delta) return false;
    const plainBytes = chosenBytes(chunks, block, chosen);
    const region = loneRegion(plainBytes);
    copyChosen(chunks, block, chosen, region.bytes, 0);
    const form = await this.#recoder.recode(block, region, plainBytes);
    if (form.codec !== BLOCK_CODEC.delta) return false;
    await packs.add({ ...form, kind, plainBytes, ...chunkListsOf(chunks, block, chosen) });
    return true;
  }

  async #gather(block: ScannedBlock, chosen: readonly boolean[]): Promise<void> {
    const { chunks, level } = this.#parts;
    const { kind } = blockEntry(chunks, block);
    const plainBytes = chosenBytes(chunks, block, chosen);
    let gathering = this.#gathering.get(kind);
    if (gathering && gathering.fillBytes + plainBytes > gathering.region.bytes.length) {
      await this.#seal(kind);
      gathering = undefined;
    }
    if (!gathering) {
      const region = loneRegion(Math.max(blockTargetBytes(level), plainBytes));
      gathering = { region, fillBytes: 0, lists: [] };
      this.#gathering.set(kind, gathering);
    }
    gathering.fillBytes += copyChosen(chunks, block, chosen, gathering.region.bytes, gathering.fillBytes);
    gathering.lists.push(chunkListsOf(chunks, block, chosen));
  }

  async #seal(kind: number): Promise<void> {
    const { workers, packs, level } = this.#parts;
    const { region, fillBytes: plainBytes, lists } = this.#gathering.get(kind)!;
    this.#gathering.delete(kind);
    const compressed = await workers.compress(region, plainBytes, level);
    await packs.add({
      ...compressed,
      ...{ kind, plainBytes, depth: 0, baseIds: [] },
      ...joinChunkLists(lists),
    });
  }
}

/** The blocks of a pack of which some chunk is chosen, each chunk's choice in order. */
export function chosenBlocks(
  { packs }: ChunkCatalog,
  packIndex: number,
  choose: ChunkChoice,
): { address: BlockAddress; chosen: boolean[] }[] {
  const { footer } = packs[packIndex]!;
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
  return wanted;
}

/** An error for the first chosen chunk of a block that is not what its id says; null when there is none. */
export function firstBadChunk(
  chunks: ChunkCatalog,
  block: ScannedBlock,
  chosen: readonly boolean[],
): DbupError | null {
  const bad = block.badChunks.find((number) => chosen[number]);
  if (bad === undefined) return null;
  const { name } = chunks.packs[block.packIndex]!;
  const chunk = blockChunkIds(chunks, block)[bad]!;
  return new DbupError(
    'POOL_DAMAGED',
    `pack ${shortName(name)}: chunk ${shortName(chunk)} is not what its id says`,
    {
      hint: 'Run `dbup verify --read-data`, then `dbup repair --from OTHER_POOL`.',
      details: { pack: name, chunk },
    },
  );
}

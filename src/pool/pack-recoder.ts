import { type OperationContext, throwIfInterrupted } from '../core/context.js';
import type { BlockEntry } from '../format/block-entry.js';
import type { FileSystem } from '../store/file-system.js';
import { type BlockToWrite, PackWriter } from '../store/pack-file.js';
import type { PoolLayout } from '../store/pool-layout.js';
import type { BlockCache } from './block-cache.js';
import { type ScannedBlock, scanBlocks } from './block-scan.js';
import { blockTargetBytes } from './block-target.js';
import type { BlockWorkers } from './block-workers.js';
import type { BlockAddress, ChunkCatalog } from './chunk-catalog.js';
import { DeltaRecoder } from './delta-recoder.js';
import { type ChunkChoice, chosenBlocks, type DamagedBlock, firstBadChunk } from './pack-rewriter.js';
import { loneRegion, type SharedRegion } from './shared-arena.js';
import {
  blockEntry,
  chosenBytes,
  chunkListsOf,
  copyChosen,
  joinChunkLists,
  readStoredBlock,
} from './stored-block.js';

/** Header, trailer and the head of the footer. */
const PACK_FRAME_BYTES = 64;
const BLOCK_ENTRY_BYTES = 32;
const BASE_ENTRY_BYTES = 32;
/** With its sketch, which is there for most: only sizes of the same chunks are compared. */
const CHUNK_ENTRY_BYTES = 60;

/** A block of which some chunks are kept. */
interface Source {
  address: BlockAddress;
  chosen: boolean[];
  plainBytes: number;
  /** May be copied as it is stored: it is sound, and what it leans on stays. */
  keepable: boolean;
}

/** Blocks that are to become one. */
interface Unit {
  kind: number;
  isDelta: boolean;
  sources: Source[];
  plainBytes: number;
  region: SharedRegion | null;
  fillBytes: number;
  /** Plain bytes of sources that cannot be kept, for the case that the others are. */
  alone: Map<Source, SharedRegion>;
}

/** What packs have become; nothing is in the pool yet. */
export interface RecodedPack {
  /** Holds the new pack in the making: finish it, or abort it. */
  writer: PackWriter;
  /** Of the packs as they are, and as one that was coded anew, as if all chunks had sketches. */
  oldBytes: number;
  newBytes: number;
  /** False when the new pack would hold the same blocks. */
  changed: boolean;
  /** True when some block had to be coded anew, whatever that costs. */
  forced: boolean;
  /** Set when something chosen could not be read: then the new pack must not take their place. */
  damaged: DamagedBlock | null;
}

export interface RecoderParts {
  fs: FileSystem;
  layout: PoolLayout;
  workers: BlockWorkers;
  chunks: ChunkCatalog;
  cache: BlockCache;
  level: number;
  context: OperationContext;
  choose: ChunkChoice;
  /** Whether a delta block goes on leaning on its bases. */
  leans: (address: BlockAddress) => boolean;
}

/**
 * Codes the chosen chunks of packs anew at a level: plain blocks are joined, in pack order and by kind, up to the
 * level's block size; delta blocks are coded against the same bases, or plain when they are to lean on nothing any
 * more. What is stored in fewer bytes already stays as it is. A pack that was coded so is not changed by doing it again.
 */
export class PackRecoder {
  readonly #parts: RecoderParts;
  readonly #recoder: DeltaRecoder;

  constructor(parts: RecoderParts) {
    this.#parts = parts;
    const { cache, chunks, workers, level } = parts;
    this.#recoder = new DeltaRecoder(cache, chunks, workers, level);
  }

  /**
   * Codes packs as one, which is left unfinished.
   * @throws DbupError INTERRUPTED, or what writing throws; then nothing is left behind
   */
  async recode(packIndexes: readonly number[]): Promise<RecodedPack> {
    const { fs, layout, chunks } = this.#parts;
    const units = this.#unitsOf(packIndexes);
    const blockCount = packIndexes.reduce((sum, i) => sum + chunks.packs[i]!.footer.blocks.length, 0);
    const keptCount = units.reduce((sum, { sources }) => sum + sources.length, 0);
    const result: RecodedPack = {
      // Whatever its size: one pack in the place of one.
      writer: new PackWriter(fs, layout, Number.POSITIVE_INFINITY),
      oldBytes: packIndexes.reduce((sum, packIndex) => sum + this.#packCost(packIndex), 0),
      newBytes: PACK_FRAME_BYTES,
      changed: packIndexes.length > 1 || keptCount < blockCount,
      forced: false,
      damaged: null,
    };
    try {
      await this.#codeUnits(units, result);
    } catch (error) {
      await result.writer.abort();
      throw error;
    }
    return result;
  }

  #unitsOf(packIndexes: readonly number[]): Unit[] {
    const { chunks, choose, leans, level } = this.#parts;
    const targetBytes = blockTargetBytes(level);
    const units: Unit[] = [];
    const open = new Map<number, Unit>();
    for (const packIndex of packIndexes) {
      for (const { address, chosen } of chosenBlocks(chunks, packIndex, choose)) {
        const { kind, baseCount } = blockEntry(chunks, address);
        const isDelta = baseCount > 0 && leans(address);
        const plainBytes = chosenBytes(chunks, address, chosen);
        const source = { address, chosen, plainBytes, keepable: isDelta || baseCount === 0 };
        const unit = isDelta ? undefined : open.get(kind);
        if (unit && unit.plainBytes + plainBytes <= targetBytes) {
          unit.sources.push(source);
          unit.plainBytes += plainBytes;
          continue;
        }
        const fresh = {
          ...{ kind, isDelta, sources: [source], plainBytes },
          ...{ region: null, fillBytes: 0, alone: new Map() },
        };
        units.push(fresh);
        if (!isDelta) open.set(kind, fresh);
      }
    }
    return units;
  }

  /** Reads, codes in the worker threads a few units ahead, and writes in order. */
  async #codeUnits(units: readonly Unit[], result: RecodedPack): Promise<void> {
    const { chunks, workers, context } = this.#parts;
    const running: Promise<BlockToWrite[] | null>[] = [];
    let written = 0;
    const writeNext = async (): Promise<void> => {
      await this.#write(units[written++]!, await running.shift()!, result);
    };
    const order = units.flatMap((unit) => unit.sources.map((source) => ({ unit, source })));
    const scan = scanBlocks(
      this.#parts,
      order.map(({ source }) => source.address),
    );
    let at = 0;
    try {
      for await (const block of scan) {
        throwIfInterrupted(context.signal);
        const { unit, source } = order[at++]!;
        const error = block.damage ?? firstBadChunk(chunks, block, source.chosen);
        if (error) {
          result.damaged = { address: source.address, error };
          break;
        }
        this.#take(unit, source, block);
        if (source !== unit.sources.at(-1)) continue;
        const coding = this.#code(unit);
        coding.catch(() => {});
        running.push(coding);
        if (running.length > workers.threads) await writeNext();
      }
      while (running.length > 0) await writeNext();
    } finally {
      // The threads must have let go of the memory of what will not be written.
      await Promise.allSettled(running);
    }
  }

  #take(unit: Unit, source: Source, block: ScannedBlock): void {
    const { chunks } = this.#parts;
    // A block with a chunk that is bad and not wanted is not worth keeping.
    if (block.badChunks.length > 0) source.keepable = false;
    unit.region ??= loneRegion(unit.plainBytes);
    const { region, fillBytes } = unit;
    unit.fillBytes += copyChosen(chunks, block, source.chosen, region.bytes, fillBytes);
    if (source.keepable || unit.sources.length === 1) return;
    const alone = loneRegion(source.plainBytes);
    copyChosen(chunks, block, source.chosen, alone.bytes, 0);
    unit.alone.set(source, alone);
  }

  /** @returns the new blocks, null where the old ones stay as they are */
  async #code(unit: Unit): Promise<BlockToWrite[] | null> {
    const { chunks, workers, level } = this.#parts;
    const { kind, plainBytes, sources } = unit;
    const region = unit.region!;
    unit.region = null;
    const form = unit.isDelta
      ? await this.#recoder.recode(sources[0]!.address, region, plainBytes)
      : { ...(await workers.compress(region, plainBytes, level)), depth: 0, baseIds: [] };
    const lists = joinChunkLists(sources.map(({ address, chosen }) => chunkListsOf(chunks, address, chosen)));
    const block: BlockToWrite = { ...form, ...lists, kind, plainBytes };
    const newBytes = costOf(block);
    const keptBytes = sources.reduce((sum, source) => sum + this.#storedCost(source), 0);
    if (unit.alone.size === 0) {
      const keepable = sources.every((source) => source.keepable);
      return keepable && newBytes >= keptBytes ? null : [block];
    }
    const apart = await this.#codeApart(unit);
    return apart.reduce((sum, part) => sum + costOf(part), 0) < newBytes ? apart : [block];
  }

  /** Each block for itself: as it is stored, but for those that cannot be kept. */
  async #codeApart({ kind, sources, alone }: Unit): Promise<BlockToWrite[]> {
    const { chunks, workers, level } = this.#parts;
    const blocks: BlockToWrite[] = [];
    for (const source of sources) {
      const { address, chosen, plainBytes } = source;
      const region = alone.get(source);
      if (!region) blocks.push(await readStoredBlock(this.#parts, address));
      else {
        const form = await workers.compress(region, plainBytes, level);
        const lists = chunkListsOf(chunks, address, chosen);
        blocks.push({ ...form, ...lists, kind, plainBytes, depth: 0, baseIds: [] });
      }
    }
    return blocks;
  }

  async #write(unit: Unit, coded: BlockToWrite[] | null, result: RecodedPack): Promise<void> {
    if (coded) {
      result.changed = true;
      if (unit.sources.some(({ keepable }) => !keepable)) result.forced = true;
    }
    for (const [i, source] of unit.sources.entries()) {
      const block = coded ? coded[i] : await readStoredBlock(this.#parts, source.address);
      if (!block) break;
      result.newBytes += costOf(block);
      await result.writer.add(block);
    }
  }

  #storedCost({ address }: Source): number {
    return costOfEntry(blockEntry(this.#parts.chunks, address));
  }

  #packCost(packIndex: number): number {
    const { blocks } = this.#parts.chunks.packs[packIndex]!.footer;
    return blocks.reduce((sum, entry) => sum + costOfEntry(entry), PACK_FRAME_BYTES);
  }
}

/** What a block takes of a pack, its part of the footer included. */
function costOf({ stored, chunkIds, baseIds }: BlockToWrite): number {
  return costOfParts(stored.length, chunkIds.length, baseIds.length);
}

function costOfEntry({ storedBytes, chunkCount, baseCount }: BlockEntry): number {
  return costOfParts(storedBytes, chunkCount, baseCount);
}

function costOfParts(storedBytes: number, chunkCount: number, baseCount: number): number {
  return storedBytes + BLOCK_ENTRY_BYTES + chunkCount * CHUNK_ENTRY_BYTES + baseCount * BASE_ENTRY_BYTES;
}

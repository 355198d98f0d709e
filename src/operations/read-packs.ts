import { listNames, type PackRecord, type UnusableFile } from '../catalog/catalog.js';
import { type OperationContext, throwIfInterrupted } from '../core/context.js';
import { DbupError } from '../core/errors.js';
import type { BaseFault } from '../pool/base-plan.js';
import { BlockCache } from '../pool/block-cache.js';
import { blockChunkIds, type ScannedBlock, scanBlocks } from '../pool/block-scan.js';
import type { BlockWorkers } from '../pool/block-workers.js';
import { type BlockAddress, buildChunkCatalog, type ChunkCatalog } from '../pool/chunk-catalog.js';
import type { Pool } from '../pool/pool.js';
import { readPackFooter, shortName } from '../store/pack-file.js';
import type { Fault } from './fault-trace.js';

/**
 * Reads every pack's footer from its file, never from the catalog.
 * @throws DbupError POOL_FORMAT_UNSUPPORTED, INTERRUPTED
 */
export async function readPackFooters(pool: Pool, context: OperationContext): Promise<ChunkCatalog> {
  const records: PackRecord[] = [];
  const unusable: UnusableFile[] = [];
  for (const name of await listNames(pool.fs, pool.layout.packsDirectory)) {
    throwIfInterrupted(context.signal);
    const info = await pool.fs.info(pool.layout.packPath(name));
    if (info === null) continue;
    try {
      if (!info.isFile) throw notAFile(name);
      const { footer } = await readPackFooter(pool.fs, pool.layout, name, info.sizeBytes);
      records.push({ name, sizeBytes: info.sizeBytes, footer });
    } catch (error) {
      if (!(error instanceof DbupError) || error.code === 'POOL_FORMAT_UNSUPPORTED') throw error;
      unusable.push({ name, error });
    }
  }
  return buildChunkCatalog(records, unusable);
}

/** What reading packs through found. */
export interface PackReading {
  faults: { fault: Fault; address: BlockAddress }[];
  /** Delta blocks that cannot be read for no fault of their own: what they lean on is damaged or missing. */
  derived: { address: BlockAddress; chunks: string[] }[];
  /** Packs whose bytes as a whole are not what their name says. */
  misnamed: { name: string; message: string }[];
  packsRead: number;
  bytesRead: number;
}

/** What to read, and how it is told. */
export interface PackReadingOptions {
  /** Only these blocks; no file is hashed then. */
  wantsBlock?: (address: BlockAddress) => boolean;
  /** Asked before each pack but the first. */
  isTimeUp?: () => boolean;
  /** Told of each pack that was read, with the places of its damaged blocks. */
  onPackRead?: (packIndex: number, damagedOffsetsBytes: number[]) => void;
}

export interface PackReadingParts {
  pool: Pool;
  workers: BlockWorkers;
  chunks: ChunkCatalog;
  context: OperationContext;
}

/**
 * Reads packs whole: the file's SHA-256 against its name, every block, every chunk.
 */
export async function readPacksThrough(
  parts: PackReadingParts,
  packIndexes: readonly number[],
  { wantsBlock, isTimeUp, onPackRead }: PackReadingOptions = {},
): Promise<PackReading> {
  const { pool, workers, chunks, context } = parts;
  const reading: PackReading = { faults: [], derived: [], misnamed: [], packsRead: 0, bytesRead: 0 };
  const found = new FoundFaults(chunks, reading);
  // One for all packs: blocks of one lean on those of another.
  const cache = new BlockCache(pool.layout, chunks, workers);
  const task = 'reading packs';
  const totalBytes = packIndexes.reduce((sum, i) => sum + chunks.packs[i]!.sizeBytes, 0);
  let doneBytes = 0;
  context.report({ type: 'start', task, subject: `${packIndexes.length} packs`, totalBytes });
  for (const packIndex of packIndexes) {
    if (reading.packsRead > 0 && isTimeUp?.()) break;
    const { name, sizeBytes, footer } = chunks.packs[packIndex]!;
    const addresses = footer.blocks
      .map((_, blockIndex) => ({ packIndex, blockIndex }))
      .filter((address) => wantsBlock?.(address) ?? true);
    const hashing = wantsBlock
      ? Promise.resolve(null)
      : compareFileWithName(workers, pool.layout.packPath(name), {
          name,
          sizeBytes,
          what: `pack ${shortName(name)}`,
        });
    // An interruption ends the scan before the hash is waited for.
    hashing.catch(() => {});
    const scan = scanBlocks({ layout: pool.layout, workers, chunks, context, cache }, addresses);
    for await (const block of scan) {
      const { storedBytes } = footer.blocks[block.blockIndex]!;
      reading.bytesRead += storedBytes;
      context.report({ type: 'bytes', task, doneBytes: doneBytes + storedBytes, totalBytes });
      found.take(block);
    }
    const misnamed = await hashing;
    if (misnamed !== null) reading.misnamed.push({ name, message: misnamed });
    reading.packsRead++;
    onPackRead?.(packIndex, found.offsetsIn(packIndex));
    doneBytes += sizeBytes;
    context.report({ type: 'bytes', task, doneBytes, totalBytes });
  }
  found.nameCulprits();
  context.report({ type: 'end', task });
  return reading;
}

/** Sorts out what scanned blocks say: to each damage the block in which it is, not those that lean on it. */
class FoundFaults {
  readonly #chunks: ChunkCatalog;
  readonly #reading: PackReading;
  /** Bases to blame, and what was said of them. */
  readonly #culprits = new Map<string, { base: BaseFault; message: string }>();

  constructor(chunks: ChunkCatalog, reading: PackReading) {
    this.#chunks = chunks;
    this.#reading = reading;
  }

  take(block: ScannedBlock): void {
    const { packIndex, blockIndex, damage, badChunks, badBase } = block;
    if (!damage && badChunks.length === 0) return;
    const address = { packIndex, blockIndex };
    const ids = blockChunkIds(this.#chunks, block);
    const base = badBase ?? (damage?.details.base as BaseFault | undefined);
    const lacksBase = damage?.code === 'POOL_INCOMPLETE' && damage.details.chunk !== undefined;
    if (base || lacksBase) {
      this.#reading.derived.push({ address, chunks: damage ? ids : badChunks.map((number) => ids[number]!) });
      // What is missing has no place: recipes lead to it.
      if (base && !lacksBase)
        this.#culprits.set(JSON.stringify(base), { base, message: rootMessage(damage) });
      return;
    }
    const chunks = damage ? null : badChunks.map((number) => ids[number]!);
    this.#add(address, chunks, damage?.message ?? '');
  }

  /** Where the damaged blocks of a pack begin. */
  offsetsIn(packIndex: number): number[] {
    const { blocks } = this.#chunks.packs[packIndex]!.footer;
    const own = this.#reading.faults.filter(({ address }) => address.packIndex === packIndex);
    return [...new Set(own.map(({ address }) => blocks[address.blockIndex]!.offsetBytes))];
  }

  /** Bases that were not read themselves, as only a part of the packs was, are at fault all the same. */
  nameCulprits(): void {
    for (const { base, message } of this.#culprits.values()) {
      const packIndex = this.#chunks.packs.findIndex(({ name }) => name === base.pack);
      const { blocks } = this.#chunks.packs[packIndex]!.footer;
      const blockIndex = blocks.findIndex(({ offsetBytes }) => offsetBytes === base.blockOffsetBytes);
      const isKnown = this.#reading.faults.some(
        ({ fault, address }) =>
          address.packIndex === packIndex &&
          address.blockIndex === blockIndex &&
          (base.chunk === undefined || fault.chunks.includes(base.chunk)),
      );
      if (!isKnown)
        this.#add({ packIndex, blockIndex }, base.chunk === undefined ? null : [base.chunk], message);
    }
  }

  /** @param chunkIds the chunks that are wrong; null for the whole block */
  #add(address: BlockAddress, chunkIds: readonly string[] | null, message: string): void {
    const pack = this.#chunks.packs[address.packIndex]!.name;
    const { faults } = this.#reading;
    if (chunkIds === null) {
      const chunks = blockChunkIds(this.#chunks, address);
      faults.push({ address, fault: { kind: 'block-damaged', message, pack, chunks } });
      return;
    }
    for (const chunk of chunkIds) {
      const what = `pack ${shortName(pack)}: chunk ${shortName(chunk)} is not what its id says`;
      faults.push({ address, fault: { kind: 'chunk-damaged', message: what, pack, chunks: [chunk] } });
    }
  }
}

/** What the first of a chain of errors says. */
function rootMessage(error: DbupError | null): string {
  let root = error;
  while (root?.cause instanceof DbupError) root = root.cause;
  return root?.message ?? '';
}

/**
 * Compares a whole file with its name.
 * @param file `what` names it in messages
 * @returns what is wrong, or null
 */
export async function compareFileWithName(
  workers: BlockWorkers,
  path: string,
  { name, sizeBytes, what }: { name: string; sizeBytes: number; what: string },
): Promise<string | null> {
  try {
    const hex = await workers.hashFile(path, 0, sizeBytes);
    return hex === name ? null : `${what} is damaged: its contents are not what its name says`;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== 'TRUNCATED' && code !== 'EIO') throw error;
    return `${what} cannot be read: ${message}`;
  }
}

function notAFile(name: string): DbupError {
  return new DbupError('POOL_DAMAGED', `pack ${shortName(name)} is damaged: it is not a file`, {
    details: { pack: name },
  });
}

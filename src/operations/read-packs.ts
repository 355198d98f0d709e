import { listNames, type PackRecord, type UnusableFile } from '../catalog/catalog.js';
import { type OperationContext, throwIfInterrupted } from '../core/context.js';
import { DbupError } from '../core/errors.js';
import { type BlockAddress, blockChunkIds, type ScannedBlock, scanBlocks } from '../pool/block-scan.js';
import type { BlockWorkers } from '../pool/block-workers.js';
import { buildChunkCatalog, type ChunkCatalog } from '../pool/chunk-catalog.js';
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
  /** Packs whose bytes as a whole are not what their name says. */
  misnamed: { name: string; message: string }[];
  packsRead: number;
  bytesRead: number;
}

export interface PackReadingParts {
  pool: Pool;
  workers: BlockWorkers;
  chunks: ChunkCatalog;
  context: OperationContext;
}

/**
 * Reads packs whole: the file's SHA-256 against its name, every block, every chunk. With `wantsBlock` only
 * those blocks are read and no file is hashed.
 */
export async function readPacksThrough(
  parts: PackReadingParts,
  packIndexes: readonly number[],
  wantsBlock?: (address: BlockAddress) => boolean,
): Promise<PackReading> {
  const { pool, workers, chunks, context } = parts;
  const reading: PackReading = { faults: [], misnamed: [], packsRead: 0, bytesRead: 0 };
  const task = 'reading packs';
  const totalBytes = packIndexes.reduce((sum, i) => sum + chunks.packs[i]!.sizeBytes, 0);
  let doneBytes = 0;
  context.report({ type: 'start', task, subject: `${packIndexes.length} packs`, totalBytes });
  for (const packIndex of packIndexes) {
    const { name, sizeBytes, footer } = chunks.packs[packIndex]!;
    const addresses = footer.blocks
      .map((_, blockIndex) => ({ packIndex, blockIndex }))
      .filter((address) => wantsBlock?.(address) ?? true);
    const hashing = wantsBlock
      ? Promise.resolve(null)
      : comparePackWithName(workers, pool.layout.packPath(name), name, sizeBytes);
    // An interruption ends the scan before the hash is waited for.
    hashing.catch(() => {});
    const scan = scanBlocks({ layout: pool.layout, workers, chunks, context }, addresses);
    for await (const block of scan) {
      const { storedBytes } = footer.blocks[block.blockIndex]!;
      reading.bytesRead += storedBytes;
      context.report({ type: 'bytes', task, doneBytes: doneBytes + storedBytes, totalBytes });
      const { packIndex, blockIndex } = block;
      for (const fault of faultsOfBlock(chunks, block))
        reading.faults.push({ fault, address: { packIndex, blockIndex } });
    }
    const misnamed = await hashing;
    if (misnamed !== null) reading.misnamed.push({ name, message: misnamed });
    reading.packsRead++;
    doneBytes += sizeBytes;
    context.report({ type: 'bytes', task, doneBytes, totalBytes });
  }
  context.report({ type: 'end', task });
  return reading;
}

function faultsOfBlock(chunks: ChunkCatalog, block: ScannedBlock): Fault[] {
  const pack = chunks.packs[block.packIndex]!.name;
  if (block.damage) {
    const { message } = block.damage;
    return [{ kind: 'block-damaged', message, pack, chunks: blockChunkIds(chunks, block) }];
  }
  if (block.badChunks.length === 0) return [];
  const ids = blockChunkIds(chunks, block);
  return block.badChunks.map((number) => {
    const chunk = ids[number]!;
    const message = `pack ${shortName(pack)}: chunk ${shortName(chunk)} is not what its id says`;
    return { kind: 'chunk-damaged', message, pack, chunks: [chunk] };
  });
}

/** @returns what is wrong, or null */
async function comparePackWithName(
  workers: BlockWorkers,
  path: string,
  name: string,
  sizeBytes: number,
): Promise<string | null> {
  try {
    const hex = await workers.hashFile(path, 0, sizeBytes);
    return hex === name
      ? null
      : `pack ${shortName(name)} is damaged: its contents are not what its name says`;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== 'TRUNCATED' && code !== 'EIO') throw error;
    return `pack ${shortName(name)} cannot be read: ${message}`;
  }
}

function notAFile(name: string): DbupError {
  return new DbupError('POOL_DAMAGED', `pack ${shortName(name)} is damaged: it is not a file`, {
    details: { pack: name },
  });
}

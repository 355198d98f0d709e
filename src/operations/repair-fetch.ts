import { join } from 'node:path';
import { type OperationContext, throwIfInterrupted } from '../core/context.js';
import { DbupError } from '../core/errors.js';
import { BlockBases, NO_BASE } from '../pool/block-bases.js';
import { BlockCache } from '../pool/block-cache.js';
import { blockTargetBytes } from '../pool/block-target.js';
import type { BlockWorkers } from '../pool/block-workers.js';
import type { ChunkCatalog } from '../pool/chunk-catalog.js';
import type { Pool } from '../pool/pool.js';
import { loneRegion } from '../pool/shared-arena.js';
import { blockEntry } from '../pool/stored-block.js';
import { DurableFile } from '../store/durable-file.js';
import { PackWriter } from '../store/pack-file.js';
import type { PoolInspection } from './inspect-pool.js';
import { DEFAULT_LEVEL } from './save-session.js';

const COPY_BYTES = 1024 * 1024;

/** What another pool can give. */
export interface Fetching {
  /** Names of packs to copy: what is missing or damaged, and what that leans on. */
  packs: Set<string>;
  /** Entries of the other pool's chunk table to be stored plain: as they lie there they are too deep to be leaned on here. */
  chunks: Set<number>;
}

/**
 * The least depth of the delta blocks of a pool that lean on each chunk, by id: a copy of the chunk must lie in a
 * block of less depth to be of use to them.
 */
export function depthsOverBases({ packs }: ChunkCatalog): Map<string, number> {
  const depths = new Map<string, number>();
  for (const { footer } of packs) {
    for (const { depth, firstBase, baseCount } of footer.blocks) {
      for (let base = firstBase; base < firstBase + baseCount; base++) {
        const id = hexAt(footer.baseIds, base);
        depths.set(id, Math.min(depth, depths.get(id) ?? depth));
      }
    }
  }
  return depths;
}

/**
 * Finds where the other pool has what this one lacks, or has damaged in packs that could not be replaced.
 * @param unreplaced names of those packs
 */
export function planFetching(
  { chunks, reading, trace }: PoolInspection,
  other: ChunkCatalog,
  unreplaced: ReadonlySet<string>,
): Fetching {
  const fetching: Fetching = { packs: new Set(), chunks: new Set() };
  const otherBases = new BlockBases(other);
  const followed = new Set<number>();
  const depthsOver = depthsOverBases(chunks);
  const bad = new Set([
    ...reading.faults.flatMap(({ fault }) => fault.chunks),
    ...reading.derived.flatMap((derived) => derived.chunks),
    ...trace.found.flatMap((fault) => fault.chunks),
  ]);
  const isGoodHere = (id: Uint8Array, depth: number): boolean => {
    const entry = chunks.table.find(id);
    if (entry < 0 || bad.has(Buffer.from(id).toString('hex')) || trace.isHit(entry)) return false;
    return blockEntry(chunks, chunks.table.location(entry)).depth < depth;
  };
  const wantPackOf = (entry: number): void => {
    const name = other.packs[other.table.packIndex(entry)]!.name;
    fetching.packs.add(name);
    const [block] = otherBases.leaningBlocksOf(entry);
    if (!block || followed.has(otherBases.keyOf(block))) return;
    followed.add(otherBases.keyOf(block));
    const { depth } = blockEntry(other, block);
    otherBases.forEach(block, (base, id) => {
      if (base !== NO_BASE && !isGoodHere(id, depth)) wantPackOf(base);
    });
  };
  const want = (id: Uint8Array): void => {
    const entry = other.table.find(id);
    if (entry < 0) return;
    const over = depthsOver.get(Buffer.from(id).toString('hex'));
    const { depth } = blockEntry(other, other.table.location(entry));
    if (over !== undefined && depth >= over) fetching.chunks.add(entry);
    else wantPackOf(entry);
  };
  for (let entry = 0; entry < trace.missing.count; entry++) want(trace.missing.id(entry));
  for (const fault of [...reading.faults.map((found) => found.fault), ...trace.found])
    if (unreplaced.has(fault.pack)) for (const id of fault.chunks) want(Buffer.from(id, 'hex'));
  return fetching;
}

/**
 * Reads chunks of another pool, whatever they lean on there, and stores them plain in this one. Each is compared with
 * its id; what cannot be read is left out.
 * @returns the packs written
 */
export async function storePlain(
  {
    pool,
    other,
    otherChunks,
    workers,
  }: {
    pool: Pool;
    other: Pool;
    otherChunks: ChunkCatalog;
    workers: BlockWorkers;
  },
  entries: Iterable<number>,
  context: OperationContext,
): Promise<{ name: string; sizeBytes: number }[]> {
  const cache = new BlockCache(other.layout, otherChunks, workers);
  const packs = new PackWriter(pool.fs, pool.layout, pool.packTargetBytes);
  let gathered: { id: Uint8Array; bytes: Uint8Array; kind: number }[] = [];
  let gatheredBytes = 0;
  const seal = async (): Promise<void> => {
    for (const kind of new Set(gathered.map((chunk) => chunk.kind))) {
      const own = gathered.filter((chunk) => chunk.kind === kind);
      const chunkBytes = own.map(({ bytes }) => bytes.length);
      const plainBytes = chunkBytes.reduce((sum, length) => sum + length, 0);
      const region = loneRegion(plainBytes);
      region.bytes.set(Buffer.concat(own.map(({ bytes }) => bytes)));
      const form = await workers.compress(region, plainBytes, DEFAULT_LEVEL);
      const chunkIds = own.map(({ id }) => id);
      await packs.add({ ...form, kind, plainBytes, chunkIds, chunkBytes, depth: 0, baseIds: [] });
    }
    gathered = [];
    gatheredBytes = 0;
  };
  try {
    for (const entry of entries) {
      throwIfInterrupted(context.signal);
      const { kind } = blockEntry(otherChunks, otherChunks.table.location(entry));
      const sizeBytes = otherChunks.table.sizeBytes(entry);
      if (gatheredBytes + sizeBytes > blockTargetBytes(DEFAULT_LEVEL)) await seal();
      const id = new Uint8Array(otherChunks.table.id(entry));
      const bytes = await readIfSound(cache, id);
      if (!bytes) continue;
      gathered.push({ id, bytes, kind });
      gatheredBytes += sizeBytes;
    }
    await seal();
    await packs.finishPack();
  } catch (error) {
    await packs.abort();
    throw error;
  }
  return packs.written;
}

/**
 * Copies a file of another pool, hashing it on the way. @returns its size; null when it is not what its name says:
 * nothing appears then
 */
export async function copyChecked(
  other: Pool,
  { fs, layout }: Pool,
  { directory, name }: { directory: 'packs' | 'snapshots'; name: string },
  context: OperationContext,
): Promise<number | null> {
  const source = await other.fs.openRead(join(other.layout.directory, directory, name));
  try {
    const copy = await DurableFile.create(fs, layout.temporaryDirectory);
    try {
      const buffer = new Uint8Array(COPY_BYTES);
      for (;;) {
        throwIfInterrupted(context.signal);
        const count = await source.read(buffer, copy.sizeBytes);
        if (count === 0) break;
        await copy.write(buffer.subarray(0, count));
      }
      return (await copy.commitAs(join(layout.directory, directory), name)) ? copy.sizeBytes : null;
    } finally {
      await copy.abort();
    }
  } finally {
    await source.close();
  }
}

async function readIfSound(cache: BlockCache, id: Uint8Array): Promise<Uint8Array | null> {
  try {
    return await cache.readChunk(id);
  } catch (error) {
    if (error instanceof DbupError && error.code.startsWith('POOL_')) return null;
    throw error;
  }
}

function hexAt(ids: Uint8Array, number: number): string {
  return Buffer.from(ids.subarray(number * 32, number * 32 + 32)).toString('hex');
}

import type { SnapshotRecord } from '../catalog/catalog.js';
import type { OperationContext } from '../core/context.js';
import { sha256Hex } from '../hash/sha256.js';
import type { BlockWorkers } from '../pool/block-workers.js';
import type { ChunkCatalog } from '../pool/chunk-catalog.js';
import type { Pool } from '../pool/pool.js';
import { leastRecentlyChecked } from './check-order.js';
import type { FaultTrace } from './fault-trace.js';
import type { VerifyOptions } from './findings.js';
import { type PackReading, readPacksThrough } from './read-packs.js';

const NO_READING: PackReading = { faults: [], derived: [], misnamed: [], packsRead: 0, bytesRead: 0 };

export interface DataParts {
  pool: Pool;
  workers: BlockWorkers;
  chunks: ChunkCatalog;
  context: OperationContext;
}

/**
 * Reads packs as the options say: all of them, a part, until the time is up, or the blocks of one version. What was read
 * whole is remembered with its time and its damage.
 * @param isTimeUp null without a bound
 */
export async function readData(
  parts: DataParts,
  { readData: wanted, seed }: VerifyOptions & { seed: number },
  chosen: SnapshotRecord | null,
  newTrace: () => FaultTrace,
  isTimeUp: (() => boolean) | null,
): Promise<PackReading> {
  if (wanted === false) return NO_READING;
  const { chunks, pool, context } = parts;
  const all = chunks.packs.map((_, packIndex) => packIndex);
  const fileOf = (packIndex: number): string => `packs/${chunks.packs[packIndex]!.name}`;
  if (!chosen) {
    const part = isTimeUp
      ? leastRecentlyChecked(all, pool.checks, fileOf)
      : choosePart(chunks, all, wanted, seed);
    return readPacksThrough(parts, part, {
      ...(isTimeUp && { isTimeUp }),
      onPackRead: (packIndex, offsets) => pool.checks.record(fileOf(packIndex), context.now(), offsets),
    });
  }
  const trace = newTrace();
  await trace.faultsOf(chosen.snapshot);
  const blocks = new Map<number, Set<number>>();
  for (let entry = 0; entry < chunks.table.count; entry++) {
    if (!trace.needs(entry)) continue;
    const { packIndex, blockIndex } = chunks.table.location(entry);
    const inPack = blocks.get(packIndex) ?? new Set();
    blocks.set(packIndex, inPack.add(blockIndex));
  }
  const needed = choosePart(chunks, [...blocks.keys()], wanted, seed);
  return readPacksThrough(parts, needed, {
    wantsBlock: ({ packIndex, blockIndex }) => blocks.get(packIndex)!.has(blockIndex),
  });
}

/** A part of the packs in percent, at least one: those whose name and the seed hash to the least. */
function choosePart(
  { packs }: ChunkCatalog,
  packIndexes: number[],
  part: true | number,
  seed: number,
): number[] {
  if (part === true || part >= 100) return packIndexes;
  const count = Math.max(1, Math.round((packIndexes.length * part) / 100));
  return packIndexes
    .map((packIndex) => ({ packIndex, rank: sha256Hex(Buffer.from(`${seed}:${packs[packIndex]!.name}`)) }))
    .sort((a, b) => (a.rank < b.rank ? -1 : 1))
    .slice(0, count)
    .map(({ packIndex }) => packIndex);
}

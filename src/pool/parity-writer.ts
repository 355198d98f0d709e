import { type OperationContext, throwIfInterrupted } from '../core/context.js';
import {
  encodeParityFrame,
  encodeParityMetadata,
  type ParityCopy,
  type ParityGeometry,
  type ParityMember,
  parityFileBytes,
} from '../format/parity.js';
import { DurableFile, makeDirectoryDurably } from '../store/durable-file.js';
import { type FileSystem, type OpenFile, readFully } from '../store/file-system.js';
import type { PoolLayout } from '../store/pool-layout.js';
import { SpoolFile } from '../store/spool-file.js';
import { chooseParityGeometry } from './parity-geometry.js';
import { ParityVolume } from './parity-volume.js';
import type { ParityWorkers } from './parity-workers.js';

/** Of each shard so much is in memory at a time. */
const SLAB_SHARD_BYTES = 64 * 1024;

export interface ParityParts {
  fs: FileSystem;
  layout: PoolLayout;
  workers: ParityWorkers;
  context: OperationContext;
}

/** What a parity file is to cover. */
export interface ParityContents {
  sharePercent: number;
  /** Packs that are what their names say. */
  members: readonly ParityMember[];
  copies: readonly ParityCopy[];
}

interface Slab {
  firstStripe: number;
  stripes: number;
}

/**
 * Computes and writes a parity file, durably. The same contents make the same file. Memory is bounded by a slab for each
 * thread: 64 KiB of each shard.
 * @param onCovered told how many bytes of packs are done
 * @throws DbupError POOL_DAMAGED or POOL_INCOMPLETE when a pack cannot be read
 */
export async function writeParityFile(
  parts: ParityParts,
  contents: ParityContents,
  onCovered: (doneBytes: number) => void,
): Promise<{ name: string; sizeBytes: number }> {
  const { fs, layout } = parts;
  const totalBytes = contents.members.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const geometry = chooseParityGeometry(totalBytes, contents.sharePercent);
  const spool = await SpoolFile.create(fs, layout.temporaryDirectory);
  try {
    const slabs = slabsOf(geometry);
    const digests = await computeParity(parts, contents, { geometry, slabs, spool }, onCovered);
    const metadata = encodeParityMetadata({
      ...geometry,
      sharePercent: contents.sharePercent,
      members: [...contents.members],
      copies: [...contents.copies],
      digests,
    });
    const frame = encodeParityFrame(metadata, parityFileBytes(geometry, metadata.length));
    if ((await fs.info(layout.parityDirectory)) === null)
      await makeDirectoryDurably(fs, layout.parityDirectory);
    const file = await DurableFile.create(fs, layout.temporaryDirectory);
    try {
      await file.write(frame);
      await file.write(metadata);
      await copyShards(parts, geometry, slabs, spool, file);
      await file.write(metadata);
      await file.write(frame);
      const { name } = await file.commit(layout.parityDirectory);
      return { name, sizeBytes: file.sizeBytes };
    } finally {
      await file.abort();
    }
  } finally {
    await spool.remove();
  }
}

function slabsOf({ stripes, cellBytes }: ParityGeometry): Slab[] {
  const most = Math.max(1, Math.floor(SLAB_SHARD_BYTES / Math.max(1, cellBytes)));
  const slabs: Slab[] = [];
  for (let first = 0; first < stripes; first += most)
    slabs.push({ firstStripe: first, stripes: Math.min(most, stripes - first) });
  return slabs;
}

/** Puts the parity shards into the spool, slab by slab. @returns the digests of all cells, shard by shard */
async function computeParity(
  { fs, layout, workers, context }: ParityParts,
  { members }: ParityContents,
  { geometry, slabs, spool }: { geometry: ParityGeometry; slabs: readonly Slab[]; spool: SpoolFile },
  onCovered: (doneBytes: number) => void,
): Promise<BigUint64Array> {
  const { dataShards, parityShards, cellBytes, stripes } = geometry;
  const digests = new BigUint64Array((dataShards + parityShards) * stripes);
  const volume = new ParityVolume({ fs, layout }, members, true);
  const volumeBytes = volume.starts.at(-1)!;
  const read = async ({ firstStripe, stripes: count }: Slab): Promise<SharedArrayBuffer> => {
    const shardBytes = count * cellBytes;
    const buffer = new SharedArrayBuffer((dataShards + parityShards) * shardBytes);
    for (let shard = 0; shard < dataShards; shard++) {
      const into = new Uint8Array(buffer, shard * shardBytes, shardBytes);
      await volume.read(into, (shard * stripes + firstStripe) * cellBytes);
    }
    return buffer;
  };
  const encode = async (
    buffer: SharedArrayBuffer,
    { firstStripe, stripes: count }: Slab,
  ): Promise<Uint8Array> => {
    const shardBytes = count * cellBytes;
    const found = await workers.encode({ buffer, dataShards, parityShards, shardBytes, cellBytes });
    for (let shard = 0; shard < dataShards + parityShards; shard++)
      digests.set(found.subarray(shard * count, (shard + 1) * count), shard * stripes + firstStripe);
    return new Uint8Array(buffer, dataShards * shardBytes);
  };
  try {
    const running: Promise<Uint8Array>[] = [];
    let next = 0;
    for (let done = 0; done < slabs.length; done++) {
      // A slab more than there are threads is read meanwhile.
      while (next < slabs.length && running.length <= workers.threads) {
        throwIfInterrupted(context.signal);
        const slab = slabs[next++]!;
        const coded = encode(await read(slab), slab);
        coded.catch(() => {});
        running.push(coded);
      }
      await spool.write(await running.shift()!);
      onCovered(Math.round((volumeBytes * (done + 1)) / slabs.length));
    }
    return digests;
  } finally {
    await volume.close();
  }
}

/** Each parity shard whole, one after the other. */
async function copyShards(
  { fs, context }: ParityParts,
  { parityShards, cellBytes }: ParityGeometry,
  slabs: readonly Slab[],
  spool: SpoolFile,
  file: DurableFile,
): Promise<void> {
  const source: OpenFile = await fs.openRead(spool.path);
  try {
    for (let shard = 0; shard < parityShards; shard++) {
      throwIfInterrupted(context.signal);
      for (const { firstStripe, stripes } of slabs) {
        const shardBytes = stripes * cellBytes;
        const bytes = new Uint8Array(shardBytes);
        const slabAt = firstStripe * cellBytes * parityShards;
        if ((await readFully(source, bytes, slabAt + shard * shardBytes)) < shardBytes)
          throw new Error('a temporary file is shorter than what was written to it');
        await file.write(bytes);
      }
    }
  } finally {
    await source.close();
  }
}

import { listNames } from '../catalog/catalog.js';
import { BLOCK_ENTRY_BYTES } from '../format/block-entry.js';
import { BLOCK_KIND, SKETCH_BYTES } from '../format/pack.js';
import type { ChunkCatalog } from '../pool/chunk-catalog.js';
import type { Pool } from '../pool/pool.js';

const CHUNK_ENTRY_BYTES = 36;
const BASE_ENTRY_BYTES = 32;

/** Blocks of one kind. */
export interface KindBytes {
  storedBytes: number;
  plainBytes: number;
  /** Of those, what is stored as deltas. */
  deltaStoredBytes: number;
  deltaPlainBytes: number;
}

/** Delta blocks of one depth. */
export interface DepthBytes {
  depth: number;
  blocks: number;
  storedBytes: number;
  plainBytes: number;
}

/** The bytes of a pool's files by what they are; all but `totalBytes` add up to it. */
export interface PoolBytes {
  totalBytes: number;
  /** Blocks that lean on nothing, by kind; `otherBytes` are those of a kind this version does not know. */
  dataBytes: number;
  skeletonBytes: number;
  recipeBytes: number;
  otherBytes: number;
  /** Delta blocks of any kind. */
  deltaBytes: number;
  /** Of footers: entries of blocks and chunks, ids of bases, sketches, and what frames packs. */
  footerEntryBytes: number;
  baseIdBytes: number;
  sketchBytes: number;
  frameBytes: number;
  snapshotBytes: number;
  parityBytes: number;
  descriptorBytes: number;
  /** Pack and snapshot files that cannot be read. */
  unusableBytes: number;
}

/** Measures the files of a pool: packs, snapshots, parity and the descriptor; what is foreign or in the making is none of it. */
export async function measurePoolBytes(pool: Pool, chunks: ChunkCatalog): Promise<PoolBytes> {
  const { fs, layout } = pool;
  const { records } = await pool.catalog.snapshots();
  const snapshots = new Map(records.map(({ id, sizeBytes }) => [id, sizeBytes]));
  const bytes = {
    ...measurePacks(chunks),
    snapshotBytes: records.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    parityBytes: await parityBytesOf(pool),
    descriptorBytes: (await fs.info(layout.descriptorPath))?.sizeBytes ?? 0,
    unusableBytes: 0,
  };
  const unread = chunks.unusablePacks.map(({ name }) => layout.packPath(name));
  for (const name of await listNames(fs, layout.snapshotsDirectory))
    if (!snapshots.has(name)) unread.push(layout.snapshotPath(name));
  for (const path of unread) {
    const info = await fs.info(path);
    if (info?.isFile) bytes.unusableBytes += info.sizeBytes;
  }
  return { totalBytes: Object.values(bytes).reduce((sum, part) => sum + part, 0), ...bytes };
}

async function parityBytesOf({ fs, layout }: Pool): Promise<number> {
  let bytes = 0;
  for (const name of await listNames(fs, layout.parityDirectory)) {
    const info = await fs.info(layout.parityPath(name));
    if (info?.isFile) bytes += info.sizeBytes;
  }
  return bytes;
}

type PackBytes = Omit<
  PoolBytes,
  'totalBytes' | 'snapshotBytes' | 'parityBytes' | 'descriptorBytes' | 'unusableBytes'
>;

function measurePacks({ packs }: ChunkCatalog): PackBytes {
  const bytes: PackBytes = {
    ...{ dataBytes: 0, skeletonBytes: 0, recipeBytes: 0, otherBytes: 0, deltaBytes: 0 },
    ...{ footerEntryBytes: 0, baseIdBytes: 0, sketchBytes: 0, frameBytes: 0 },
  };
  for (const { sizeBytes, footer } of packs) {
    const entryBytes = footer.blocks.length * BLOCK_ENTRY_BYTES + footer.chunkCount * CHUNK_ENTRY_BYTES;
    const sketchBytes = footer.sketches ? footer.chunkCount * SKETCH_BYTES : 0;
    let baseCount = 0;
    let blocksBytes = 0;
    for (const block of footer.blocks) {
      bytes[shareOf(block)] += block.storedBytes;
      blocksBytes += block.storedBytes;
      baseCount += block.baseCount;
    }
    bytes.footerEntryBytes += entryBytes;
    bytes.sketchBytes += sketchBytes;
    bytes.baseIdBytes += baseCount * BASE_ENTRY_BYTES;
    bytes.frameBytes += sizeBytes - blocksBytes - entryBytes - sketchBytes - baseCount * BASE_ENTRY_BYTES;
  }
  return bytes;
}

function shareOf({ kind, baseCount }: { kind: number; baseCount: number }): keyof PackBytes {
  if (baseCount > 0) return 'deltaBytes';
  if (kind === BLOCK_KIND.data) return 'dataBytes';
  if (kind === BLOCK_KIND.skeleton) return 'skeletonBytes';
  return kind === BLOCK_KIND.recipe ? 'recipeBytes' : 'otherBytes';
}

/** All blocks as they are stored, doubles included; what is not a block is footers and frames. */
export function measureKinds(
  { packs }: ChunkCatalog,
  packBytes: number,
): { data: KindBytes; skeleton: KindBytes; recipe: KindBytes; footerBytes: number } {
  const none = (): KindBytes => ({ storedBytes: 0, plainBytes: 0, deltaStoredBytes: 0, deltaPlainBytes: 0 });
  const kinds = new Map<number, KindBytes>();
  let footerBytes = packBytes;
  for (const { footer } of packs) {
    for (const { kind, storedBytes, plainBytes, baseCount } of footer.blocks) {
      const bytes = kinds.get(kind) ?? none();
      kinds.set(kind, bytes);
      bytes.storedBytes += storedBytes;
      bytes.plainBytes += plainBytes;
      if (baseCount > 0) {
        bytes.deltaStoredBytes += storedBytes;
        bytes.deltaPlainBytes += plainBytes;
      }
      footerBytes -= storedBytes;
    }
  }
  return {
    data: kinds.get(BLOCK_KIND.data) ?? none(),
    skeleton: kinds.get(BLOCK_KIND.skeleton) ?? none(),
    recipe: kinds.get(BLOCK_KIND.recipe) ?? none(),
    footerBytes,
  };
}

export function measureDepths({ packs }: ChunkCatalog): DepthBytes[] {
  const depths = new Map<number, DepthBytes>();
  for (const { depth, storedBytes, plainBytes } of packs.flatMap(({ footer }) => footer.blocks)) {
    if (depth === 0) continue;
    const bytes = depths.get(depth) ?? { depth, blocks: 0, storedBytes: 0, plainBytes: 0 };
    depths.set(depth, bytes);
    bytes.blocks++;
    bytes.storedBytes += storedBytes;
    bytes.plainBytes += plainBytes;
  }
  return [...depths.values()].sort((a, b) => a.depth - b.depth);
}

import type { OperationContext } from '../core/context.js';
import type { Pool } from '../pool/pool.js';

export interface KindBytes {
  storedBytes: number;
  plainBytes: number;
}

export interface PoolStats {
  snapshots: number;
  references: number;
  packs: number;
  packBytes: number;
  /** Plain bytes of all chunks, each counted once. */
  plainBytes: number;
  chunks: number;
  /** Sum of all versions as their sources handed them over. */
  imageBytesTotal: number;
  /** imageBytesTotal / plainBytes. */
  dedupRatio: number;
  /** plainBytes / packBytes. */
  compressionRatio: number;
  byKind: { data: KindBytes; skeleton: KindBytes; recipe: KindBytes; footerBytes: number };
  /** Stored bytes that no snapshot needs; null when that cannot be known (damage). */
  garbageBytes: number | null;
  /** null when it is only in memory. */
  catalogPath: string | null;
}

export interface VersionStats {
  address: string;
  snapshotId: string;
  imageBytes: number;
  plainBytes: number;
  /** Stored bytes it needs. */
  storedBytes: number;
  /** Stored bytes no other version needs: what `rm` of it and `gc` would free. */
  uniqueBytes: number;
  sharedBytes: number;
  missingChunks: number;
}

export interface StatsResult {
  pool: PoolStats;
  version?: VersionStats;
}

/** Measures a pool, or also one version of it. @throws DbupError SNAPSHOT_NOT_FOUND, POOL_DAMAGED */
export declare function stats(
  pool: Pool,
  address: string | undefined,
  context: OperationContext,
): Promise<StatsResult>;

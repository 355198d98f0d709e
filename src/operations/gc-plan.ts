import type { OperationContext } from '../core/context.js';
import type { Pool } from '../pool/pool.js';

export interface GcOptions {
  /** Rewrite packs only while more than this part of the pool's pack bytes is garbage; 10 by default. */
  maxUnusedPercent?: number;
  /** Rewrite only packs of which at least this part is garbage; 30 by default. */
  minGarbagePercent?: number;
}

export interface PackUse {
  name: string;
  sizeBytes: number;
  /** Stored bytes that snapshots need. */
  liveBytes: number;
  garbageBytes: number;
}

/** What a gc will do. Made by `planGc`, used once by `executeGc`. */
export interface GcPlan {
  liveBytes: number;
  garbageBytes: number;
  packs: {
    /** Hold nothing that is needed. */
    remove: PackUse[];
    /** What is needed of them moves to new packs. */
    rewrite: PackUse[];
    keepCount: number;
    /** Cannot be read, and therefore stay. */
    damaged: { name: string; message: string }[];
  };
  /** Left by processes that were killed. */
  temporaryFiles: { count: number; bytes: number };
  /** Estimate of what the pool will be smaller by, temporary files included. */
  freedBytes: number;
  /** Estimate of the bytes of new packs: what the next sync sends again. */
  rewrittenBytes: number;
}

/**
 * Finds what no snapshot needs. @throws DbupError POOL_DAMAGED or POOL_INCOMPLETE when some snapshot's needs cannot be known
 */
export declare function planGc(pool: Pool, options: GcOptions, context: OperationContext): Promise<GcPlan>;

import type { OperationContext } from '../core/context.js';
import type { Pool } from '../pool/pool.js';
import type { GcPlan } from './gc-plan.js';

export interface GcResult {
  packsRemoved: number;
  packsRewritten: number;
  packsWritten: number;
  /** Bytes of the new packs. */
  writtenBytes: number;
  /** What the pool is smaller by. */
  freedBytes: number;
  temporaryFilesRemoved: number;
}

/** Does what a plan says. The pool must be open exclusively, the same that the plan was made with. */
export declare function executeGc(pool: Pool, plan: GcPlan, context: OperationContext): Promise<GcResult>;

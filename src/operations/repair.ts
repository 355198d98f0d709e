import type { OperationContext } from '../core/context.js';
import type { Pool } from '../pool/pool.js';
import type { Finding } from './verify.js';

export interface RepairResult {
  findingsBefore: Finding[];
  /** Files put in place or taken away, relative to the pool. */
  repaired: { file: string; action: 'replaced' | 'added' | 'rewritten' | 'removed'; sizeBytes: number }[];
  /** What is still wrong. */
  findingsAfter: Finding[];
  damaged: boolean;
  incomplete: boolean;
  /** Chunks that versions need and neither pool holds. */
  stillMissing: number;
}

/** Replaces what is damaged or missing by good copies from another pool. The pool must be open exclusively. */
export declare function repair(
  pool: Pool,
  otherPoolDirectory: string,
  context: OperationContext,
): Promise<RepairResult>;

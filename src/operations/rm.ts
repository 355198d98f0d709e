import type { OperationContext } from '../core/context.js';
import type { Pool } from '../pool/pool.js';
import type { KeepRules } from './retention.js';
import type { VersionSummary } from './version-summary.js';

export interface RemovalRequest {
  /**
   * A bare reference is all its versions; `app:1.0~2`, `app:1.0@<id>`, `name@sha256:<digest>` are one version each.
   * With `keep`, bare references the rules are applied to (and no others).
   */
  addresses: string[];
  /** Retention rules, applied to each reference by itself. */
  keep?: KeepRules;
}

export interface RemovalPlan {
  /** Versions of the references concerned that stay; the reasons are those of the rules. */
  keep: { version: VersionSummary; reasons: string[] }[];
  remove: VersionSummary[];
}

/**
 * Says what a removal would remove. @throws DbupError SNAPSHOT_NOT_FOUND, SNAPSHOT_AMBIGUOUS, REFERENCE_INVALID,
 * USAGE when nothing is named, or rules would keep nothing
 */
export declare function planRemoval(
  pool: Pool,
  request: RemovalRequest,
  context: OperationContext,
): Promise<RemovalPlan>;

/** Forgets the versions of a plan. Their content stays until `gc`. The pool must be open for appending. */
export declare function executeRemoval(
  pool: Pool,
  plan: RemovalPlan,
  context: OperationContext,
): Promise<{ removed: number }>;

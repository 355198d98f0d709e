import type { CrashRoom } from './crash-room.js';
import type { Tree } from './tree.js';

/** An operation, what it is run on, and what it promises. */
export interface Subject {
  name: string;
  /** Where the pool is in the room. */
  poolName: string;
  /** The room before it: `pool/`, perhaps `other/` and `out/`. */
  baseline: Tree;
  /** The versions that load before it, by snapshot id: SHA-256 of the archive each one loads as. */
  earlier: ReadonlyMap<string, string>;
  /** Those that must load once it has succeeded; `earlier` where nothing is healed. */
  healed: ReadonlyMap<string, string>;
  /** Snapshots it is meant to remove. */
  removes: ReadonlySet<string>;
  /** Archives by image id, also those it brings. */
  archives: ReadonlyMap<string, string>;
  /** Resolves to false when it found nothing to do and said so by an error that is none. */
  run(room: CrashRoom): Promise<unknown>;
  /** What is not as it must be once the operation has succeeded. */
  unmet(room: CrashRoom): Promise<string[]>;
  /** What was lost beside the pool. The disk may keep an output or not when the power goes. */
  spoilt?(room: CrashRoom, powerLost: boolean): string[];
}

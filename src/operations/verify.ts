import type { OperationContext } from '../core/context.js';
import { DbupError, toDbupError } from '../core/errors.js';
import type { Pool } from '../pool/pool.js';
import { inspectPool } from './inspect-pool.js';

export type FindingKind =
  | 'snapshot-damaged'
  | 'pack-damaged'
  | 'pack-footer-damaged'
  | 'block-damaged'
  | 'chunk-damaged'
  | 'recipe-damaged'
  | 'chunk-missing'
  | 'foreign-file';

export interface Finding {
  kind: FindingKind;
  /** `damage` ends in exit code 4, `incomplete` in 13; a `note` is nothing wrong. */
  severity: 'damage' | 'incomplete' | 'note';
  /** Relative to the pool. */
  file?: string;
  message: string;
  /** Ids of the chunks hit; no more than the first 1,000. */
  chunks?: string[];
  /** Addresses of the versions that cannot be loaded because of it. */
  images: string[];
}

export interface VerifyOptions {
  /** Read and check every byte; a number is the part of the packs in percent, 0 < p <= 100, chosen by `seed`. */
  readData: boolean | number;
  /** Only what this version needs. */
  address?: string;
  /** For the choice of packs; made from the clock by default and given in the result. */
  seed?: number;
}

export interface VerifyResult {
  findings: Finding[];
  /** True when some file is not what its name or its checksums say. */
  damaged: boolean;
  /** True when versions need chunks that no usable pack of the pool holds. */
  incomplete: boolean;
  /** Addresses of all versions hit by damage or incompleteness. */
  imagesHit: string[];
  snapshotsChecked: number;
  packsChecked: number;
  /** Packs of which the bytes were read. */
  packsRead: number;
  /** Bytes of blocks read and checked. */
  bytesRead: number;
  /** Set when a part of the packs was chosen by it. */
  seed?: number;
}

/**
 * Checks a pool and changes nothing: every snapshot against its name, every pack's footer as it stands in the
 * file, every recipe and list of chunks, and that every chunk needed is there; with `readData` also every pack
 * against its name, every block against its checksum and every chunk against its id. The pool's descriptor was
 * checked when it was opened.
 * @throws DbupError SNAPSHOT_NOT_FOUND, SNAPSHOT_AMBIGUOUS, POOL_FORMAT_UNSUPPORTED, USAGE, INTERRUPTED
 */
export async function verify(
  pool: Pool,
  options: VerifyOptions,
  context: OperationContext,
): Promise<VerifyResult> {
  const { readData } = options;
  if (typeof readData === 'number' && !(readData > 0 && readData <= 100)) {
    throw new DbupError('USAGE', `the part of the data to read is ${readData} %`, {
      hint: 'Give more than 0 and at most 100 percent.',
    });
  }
  const seed = options.seed ?? context.now() % 2 ** 32;
  try {
    const inspection = await inspectPool(pool, pool.workers, { ...options, seed }, context);
    const { findings, imagesHit, snapshotsChecked, chunks, reading } = inspection;
    return {
      findings,
      damaged: findings.some(({ severity }) => severity === 'damage'),
      incomplete: findings.some(({ severity }) => severity === 'incomplete'),
      imagesHit,
      snapshotsChecked,
      packsChecked: chunks.packs.length + chunks.unusablePacks.length,
      packsRead: reading.packsRead,
      bytesRead: reading.bytesRead,
      ...(typeof readData === 'number' && { seed }),
    };
  } catch (error) {
    throw toDbupError(error, `verifying the pool ${pool.layout.directory}`);
  }
}

import type { OperationContext } from '../core/context.js';
import { DbupError, toDbupError } from '../core/errors.js';
import type { Pool } from '../pool/pool.js';
import type { VerifyOptions, VerifyResult } from './findings.js';
import { inspectPool } from './inspect-pool.js';

/**
 * Checks a pool and changes nothing: every snapshot against its name, every pack's footer as it stands in the
 * file, every recipe and list of chunks, and that every chunk needed is there, with all that it leans on; with
 * `readData` also every pack against its name, every block against its checksum and every chunk against its id, and
 * unless that is of a part only every blob, rebuilt once, against its digest. A finding names the place of the
 * damage and all versions it takes along, those that need it as the base of a delta too. The pool's descriptor was
 * checked when it was opened.
 * @throws DbupError SNAPSHOT_NOT_FOUND, SNAPSHOT_AMBIGUOUS, POOL_FORMAT_UNSUPPORTED, USAGE, INTERRUPTED; POOL_DAMAGED when a snapshot
 * that cannot be read may be the version asked for
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
  const { maxDurationMs, address } = options;
  if (maxDurationMs !== undefined && (readData !== true || address !== undefined)) {
    throw new DbupError('USAGE', 'a bound on time is for reading all data of the whole pool', {
      hint: 'Leave the version and the percentage out.',
    });
  }
  const seed = options.seed ?? context.now() % 2 ** 32;
  try {
    const inspection = await inspectPool(pool, pool.workers, { ...options, seed }, context);
    const { findings, imagesHit, snapshotsChecked, chunks, reading, parity, checked } = inspection;
    return {
      findings,
      damaged: findings.some(({ severity }) => severity === 'damage'),
      incomplete: findings.some(({ severity }) => severity === 'incomplete'),
      imagesHit,
      snapshotsChecked,
      packsChecked: chunks.packs.length + chunks.unusablePacks.length,
      packsRead: reading.packsRead,
      bytesRead: reading.bytesRead,
      ...(parity && { parity }),
      ...(checked && { checked }),
      ...(typeof readData === 'number' && { seed }),
    };
  } catch (error) {
    throw toDbupError(error, `verifying the pool ${pool.layout.directory}`);
  }
}

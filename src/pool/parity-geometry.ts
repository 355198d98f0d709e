import { MAX_SHARDS } from '../erasure/reed-solomon.js';
import type { ParityGeometry } from '../format/parity.js';

/** More shards cost time for each byte, fewer make the share coarse. */
const MOST_DATA_SHARDS = 128;
/** Below this a cell's digest would weigh too much. */
const LEAST_CELL_BYTES = 512;
/** What a flipped byte costs of a stripe's budget; above this more of them fall into one stripe. */
const MOST_CELL_BYTES = 4096;
const WANTED_STRIPES = 64;
/** Small sets have shards of a few of these. */
const CELL_STEP_BYTES = 16;

/**
 * Cuts so many bytes so that `sharePercent` of them can be damaged. Damage does not keep to shards: each range may touch
 * one more than its length says, and ranges fall into stripes unevenly. Two shards and the root of the share's are added for it.
 */
export function chooseParityGeometry(totalBytes: number, sharePercent: number): ParityGeometry {
  if (totalBytes === 0) return { dataShards: 0, parityShards: 0, cellBytes: 0, stripes: 0 };
  let dataShards = Math.min(MOST_DATA_SHARDS, Math.ceil(totalBytes / 64));
  while (dataShards + parityShardsFor(dataShards, sharePercent) > MAX_SHARDS) dataShards--;
  const shardBytes = Math.ceil(totalBytes / dataShards);
  const wanted = Math.min(
    MOST_CELL_BYTES,
    Math.max(LEAST_CELL_BYTES, Math.ceil(shardBytes / WANTED_STRIPES)),
  );
  const stripes = Math.ceil(shardBytes / wanted);
  const cellBytes = Math.ceil(shardBytes / stripes / CELL_STEP_BYTES) * CELL_STEP_BYTES;
  return { dataShards, parityShards: parityShardsFor(dataShards, sharePercent), cellBytes, stripes };
}

function parityShardsFor(dataShards: number, sharePercent: number): number {
  const share = (dataShards * sharePercent) / 100;
  return Math.ceil(share) + 2 + Math.ceil(Math.sqrt(share));
}

import { ReedSolomon } from '../erasure/reed-solomon.js';
import { xxh64 } from '../hash/xxh64.js';

/** All shards of a slab one after the other, data shards first, each `shardBytes` long: whole cells of some stripes. */
interface Slab {
  buffer: SharedArrayBuffer;
  dataShards: number;
  parityShards: number;
  shardBytes: number;
}

/** Fill the parity shards. Answered by the XXH64 of each cell, shard by shard. */
export interface EncodeParityJob extends Slab {
  type: 'encode';
  cellBytes: number;
}

/** Put the data shards in place that are not present. */
export interface ReconstructJob extends Slab {
  type: 'reconstruct';
  present: boolean[];
}

export type ParityJob = EncodeParityJob | ReconstructJob;

/** What a thread does for parity files; it keeps the code's tables from job to job. */
export class ParityJobs {
  readonly #code = ReedSolomon.load();

  run(job: ParityJob): BigUint64Array | null {
    const { dataShards, parityShards, shardBytes } = job;
    const shards = new Uint8Array(job.buffer, 0, (dataShards + parityShards) * shardBytes);
    if (job.type === 'reconstruct') {
      this.#code.reconstruct(shards, dataShards, parityShards, job.present);
      return null;
    }
    this.#code.encode(shards, dataShards, parityShards);
    return digestCells(shards, job.cellBytes);
  }
}

/** XXH64 of cells that lie one after the other. */
export function digestCells(cells: Uint8Array, cellBytes: number): BigUint64Array {
  const digests = new BigUint64Array(cells.length / cellBytes);
  for (let i = 0; i < digests.length; i++)
    digests[i] = xxh64(cells.subarray(i * cellBytes, (i + 1) * cellBytes));
  return digests;
}

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { ReedSolomonErasure } from '@digitaldefiance/reed-solomon-erasure.wasm';

/** Shards of one code word, data and parity together: the field has 256 elements. */
export const MAX_SHARDS = 255;

/**
 * A systematic Reed-Solomon code over GF(2^8) with the field polynomial 11D (hexadecimal): of `dataShards` shards and
 * `parityShards` made of them, any `dataShards` give the others back. The matrix is the Vandermonde matrix of the powers
 * of 0, 1, 2 …, multiplied by the inverse of its top square, as in J. S. Plank, "A Tutorial on Reed-Solomon Coding for
 * Fault-Tolerance in RAID-like Systems" (1997) with the correction of 2003. The arithmetic is the library's, in
 * WebAssembly; docs/format.md, "Parity", fixes what it must give.
 */
export class ReedSolomon {
  readonly #module: Uint8Array;
  readonly #library: ReedSolomonErasure;

  private constructor(module: Uint8Array) {
    this.#module = module;
    this.#library = ReedSolomonErasure.fromBytes(module);
  }

  static load(): ReedSolomon {
    const path = createRequire(import.meta.url).resolve('@digitaldefiance/reed-solomon-erasure.wasm/wasm');
    return new ReedSolomon(readFileSync(path));
  }

  /** Fills the parity shards of `shards`, which holds all shards one after the other, the data shards first. */
  encode(shards: Uint8Array, dataShards: number, parityShards: number): void {
    check(this.#library.encode(shards, dataShards, parityShards));
  }

  /**
   * Puts the data shards in place that are not `present`; parity shards stay as they are.
   * @param present one for each shard; at least `dataShards` of them true
   */
  reconstruct(
    shards: Uint8Array,
    dataShards: number,
    parityShards: number,
    present: readonly boolean[],
  ): void {
    // Version 1.0.2 frees the list of what is present twice: the heap of an instance that has reconstructed is not used again.
    const library = ReedSolomonErasure.fromBytes(this.#module);
    check(library.reconstruct(shards, dataShards, parityShards, [...present]));
  }
}

function check(result: number): void {
  if (result !== ReedSolomonErasure.RESULT_OK) {
    throw new Error(`Reed-Solomon coding failed: ${ReedSolomonErasure.getResultMessage(result)}`);
  }
}

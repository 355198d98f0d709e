import { LIMITS } from '../../core/limits.js';
import { COMPARED_BYTES } from './byte-comparer.js';
import { KEPT_BYTES } from './checkpoint-maker.js';
import { Inflater } from './inflate/inflater.js';
import { KernelSet } from './kernel-set.js';
import { createTail } from './tail.js';

/** Enough to reach beyond a block of pgzip's usual size. */
export const PROBE_BYTES = 1152 * 1024;

/** What a thread finds encoders in, one file after the other: some 10 MiB, as far as it is needed. */
export class ProverMemory {
  readonly inflater = new Inflater();
  readonly kernels = new KernelSet();
  /** For a second encoder beside one of `kernels`. */
  readonly spareKernels = new KernelSet();
  /** The beginning of what a file holds, and what that inflates to. */
  readonly head = new Uint8Array(PROBE_BYTES);
  /** Where a header is looked for. */
  readonly header = new Uint8Array(LIMITS.gzipHeaderBytes);
  readonly plain = new Uint8Array(PROBE_BYTES);
  /** For one member at a time. */
  readonly tail = createTail(KEPT_BYTES);
  /** For one comparer at a time. */
  readonly compared = Buffer.allocUnsafeSlow(COMPARED_BYTES);
}

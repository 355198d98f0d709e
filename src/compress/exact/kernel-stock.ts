import { KernelSet } from './kernel-set.js';

/** Idle ones kept. */
const MAX_IDLE = 4;

/** Sets of kernels that are used one after the other by who needs one. */
export class KernelStock {
  readonly #idle: KernelSet[] = [];

  take(): KernelSet {
    return this.#idle.pop() ?? new KernelSet();
  }

  /** Takes back a set whose encoders nobody uses any more. */
  giveBack(kernels: KernelSet): void {
    if (this.#idle.length < MAX_IDLE) this.#idle.push(kernels);
  }
}

const PAGE_BYTES = 64 * 1024;

/** What every delta kernel exports. */
interface KernelExports {
  memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  copyBytes(target: number, source: number, count: number): void;
}

/** Room to align a piece like its source, on either side. */
export const ALIGNMENT_SLACK_BYTES = 16;

/**
 * An instance of a kernel with memory of its own, which grows to what the largest call needed and is then used again.
 * Growing detaches every view made before.
 */
export class KernelMemory<Kernel> {
  readonly kernel: Kernel;
  readonly #exports: KernelExports;
  #bytes: Uint8Array;

  constructor(module: WebAssembly.Module) {
    const { exports } = new WebAssembly.Instance(module, {});
    this.kernel = exports as Kernel;
    this.#exports = exports as unknown as KernelExports;
    this.#bytes = new Uint8Array(this.#exports.memory.buffer);
  }

  /** @throws RangeError when the system has no such memory */
  ensure(sizeBytes: number): void {
    const missing = sizeBytes - this.#bytes.length;
    if (missing > 0) this.#exports.memory.grow(Math.ceil(missing / PAGE_BYTES));
    if (this.#bytes.buffer !== this.#exports.memory.buffer) {
      this.#bytes = new Uint8Array(this.#exports.memory.buffer);
    }
  }

  view(at: number, sizeBytes: number): Uint8Array {
    return this.#bytes.subarray(at, at + sizeBytes);
  }

  numbers(at: number, count: number): Uint32Array {
    return new Uint32Array(this.#bytes.buffer as ArrayBuffer, at, count);
  }

  /**
   * Copies `source` to `at`; up to {@link ALIGNMENT_SLACK_BYTES} after it are overwritten. Out of shared memory
   * `TypedArray.set` is slow unless both sides are aligned alike, so it is set that way and moved by the kernel.
   */
  copyIn(at: number, source: Uint8Array): void {
    const aside = (source.byteOffset - at) & 7;
    this.#bytes.set(source, at + aside);
    if (aside > 0) this.#exports.copyBytes(at, at + aside, source.length);
  }

  /** Copies bytes inside the memory. */
  move(target: number, source: number, sizeBytes: number): void {
    this.#exports.copyBytes(target, source, sizeBytes);
  }

  /** Copies `target.length` bytes at `at` out; up to {@link ALIGNMENT_SLACK_BYTES} after them are overwritten. */
  copyOut(target: Uint8Array, at: number): void {
    const aside = (target.byteOffset - at) & 7;
    if (aside > 0) this.#exports.copyBytes(at + aside, at, target.length);
    target.set(this.#bytes.subarray(at + aside, at + aside + target.length));
  }
}

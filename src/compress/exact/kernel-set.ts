import type { EncoderKernel } from './kernel-encoder.js';

/**
 * Instances of kernels that are used again, one of each module: an instance has 2 or 3 MiB of memory, which is slow to come
 * back when it is left to the garbage collector. Of the encoders that have an instance only the one made last may be used.
 */
export class KernelSet {
  readonly #kernels = new Map<WebAssembly.Module, EncoderKernel>();

  /** The instance of a module, always asked for as the same kind of kernel. */
  instanceOf<Kernel extends EncoderKernel>(module: WebAssembly.Module): Kernel {
    const known = this.#kernels.get(module);
    if (known) return known as Kernel;
    const kernel = instantiateKernel<Kernel>(module);
    this.#kernels.set(module, kernel);
    return kernel;
  }
}

/** A new instance of a kernel that imports nothing. */
export function instantiateKernel<Kernel extends EncoderKernel>(module: WebAssembly.Module): Kernel {
  return new WebAssembly.Instance(module, { env: {} }).exports as unknown as Kernel;
}

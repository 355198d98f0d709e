import { instantiateKernel, type KernelSet } from '../kernel-set.js';
import { createResumableEncoder, type ResumableEncoder, type StateKernel } from '../resumable-encoder.js';
import { GO_FLATE_WASM_BASE64 } from './kernels/go-flate-wasm.generated.js';

/** 1 to 9 as gzip counts them, 0 for stored blocks, -2 for Huffman codes without matches. Go's default, -1, is 6. */
export type GoLevel = -2 | 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9;

/**
 * Go's compress/flate from Go 1.7 to 1.26: what it makes of plain bytes that come in one Write, or in any pieces that
 * do not make its window slide early: a Write that ends within the last 262 bytes of the window, when the search then
 * waits at index 65274 of it, makes the original look 262 bytes less far back from that one place. A stream in which
 * this changed a match is not made by this encoder.
 * Levels 4 to 9 have states.
 */
export type GoEncoder = ResumableEncoder;

interface GoKernel extends StateKernel {
  setLevel(level: number): void;
}

let compiledModule: WebAssembly.Module | undefined;

/** An encoder with 2 MiB of memory of its own, or with that of a set. */
export function createGoEncoder({ level }: { readonly level: GoLevel }, kernels?: KernelSet): GoEncoder {
  compiledModule ??= new WebAssembly.Module(Buffer.from(GO_FLATE_WASM_BASE64, 'base64'));
  const kernel = kernels?.instanceOf<GoKernel>(compiledModule) ?? instantiateKernel<GoKernel>(compiledModule);
  kernel.setLevel(level);
  kernel.reset(0);
  return createResumableEncoder(kernel);
}

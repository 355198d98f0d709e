import { X86_FILTER_WASM_BASE64 } from './kernels/x86-filter-wasm.generated.js';

interface FilterKernel {
  filter(bytes: number, length: number, direction: number): number;
}

/** Turns the relative operands of x86-64 code into absolute ones, which repeat, and back. */
export interface X86Filter {
  /**
   * Filters `[offsetBytes, offsetBytes + lengthBytes)` of the memory in place.
   * @returns how many operands were turned: of what is not x86-64 code, hardly any
   */
  apply(offsetBytes: number, lengthBytes: number): number;
  /** Takes `apply` back, in place. Bytes that were never filtered come out changed, and `apply` takes that back. */
  undo(offsetBytes: number, lengthBytes: number): void;
}

let compiledModule: WebAssembly.Module | undefined;

/**
 * A filter over `memory` (of `createChunkMemory`), which stays the caller's. It keeps nothing in it. The method is
 * that of the x86 filter of LZMA (Igor Pavlov), for 64-bit code: docs/format.md defines what is turned.
 */
export function createX86Filter(memory: WebAssembly.Memory): X86Filter {
  compiledModule ??= new WebAssembly.Module(Buffer.from(X86_FILTER_WASM_BASE64, 'base64'));
  const instance = new WebAssembly.Instance(compiledModule, { env: { memory } });
  const kernel = instance.exports as unknown as FilterKernel;
  return {
    apply: (offsetBytes, lengthBytes) => kernel.filter(offsetBytes, lengthBytes, 1),
    undo: (offsetBytes, lengthBytes) => void kernel.filter(offsetBytes, lengthBytes, -1),
  };
}

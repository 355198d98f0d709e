import { SKETCH_WASM_BASE64 } from './kernels/sketch-wasm.generated.js';

/** Features of a sketch, 32 bits each. Part of the pool format. */
export const SKETCH_FEATURES = 6;

/** Tells chunks by features that similar chunks share. Stateless between calls. */
export interface Sketcher {
  /**
   * Writes the features of the chunk `[offsetBytes, offsetBytes + lengthBytes)` of the memory into the first
   * {@link SKETCH_FEATURES} words of `into`. A feature is 0 where the chunk has none: all are for a chunk of fewer
   * than 64 bytes or of one byte repeated. Reads no byte outside that range and writes none to the memory; others
   * must not change the range meanwhile.
   *
   * @throws RangeError when `into` is too short; WebAssembly.RuntimeError when the range leaves the memory. Both are
   *   defects of the caller.
   */
  sketch(offsetBytes: number, lengthBytes: number, into: Uint32Array): void;
}

interface SketchKernel {
  sketch(chunk: number, length: number): void;
  feature(kind: number): number;
}

let compiledModule: WebAssembly.Module | undefined;

/**
 * A sketcher over `memory` (of `createChunkMemory`), which stays the caller's. Any number of sketchers, in any
 * threads, may share one memory: a sketcher keeps nothing in it. One takes the content-defined samples of Odess
 * (Zou et al., "Odess", ICDE 2021), and of them the least hash in each of
 * six classes: "One Permutation Hashing" (Li, Owen, Zhang, NIPS 2012). docs/format.md defines both.
 */
export function createSketcher(memory: WebAssembly.Memory): Sketcher {
  compiledModule ??= new WebAssembly.Module(Buffer.from(SKETCH_WASM_BASE64, 'base64'));
  const instance = new WebAssembly.Instance(compiledModule, { env: { memory } });
  const kernel = instance.exports as unknown as SketchKernel;
  return {
    sketch(offsetBytes, lengthBytes, into) {
      if (into.length < SKETCH_FEATURES) throw new RangeError(`a sketch does not fit ${into.length} words`);
      kernel.sketch(offsetBytes, lengthBytes);
      for (let kind = 0; kind < SKETCH_FEATURES; kind++) into[kind] = kernel.feature(kind);
    },
  };
}

/** The part of Node's `WebAssembly` that the chunker uses: @types/node 20 leaves it to the DOM library. */
declare namespace WebAssembly {
  interface MemoryDescriptor {
    /** In pages of 64 KiB, as `maximum`. */
    initial: number;
    maximum: number;
    shared: true;
  }
  class Memory {
    constructor(descriptor: MemoryDescriptor);
    readonly buffer: SharedArrayBuffer;
  }
  class Module {
    constructor(bytes: Uint8Array);
  }
  class Instance {
    constructor(module: Module, imports: Record<string, Record<string, Memory>>);
    readonly exports: Record<string, unknown>;
  }
  class RuntimeError extends Error {}
}

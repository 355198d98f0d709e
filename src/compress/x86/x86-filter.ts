import { KernelMemory } from '../delta/kernel-memory.js';
import { X86_FILTER_WASM_BASE64 } from './kernels/x86-filter-wasm.generated.js';

/** Where the bytes to be filtered lie: before them, a kernel may have its own. */
const BYTES_AT = 64 * 1024;
const SLACK_BYTES = 32;
/** Code has a relative operand every 50 bytes or so. Of bytes with fewer than this, most is something else. */
const FEW_OPERANDS_PER_BYTE = 1 / 400;
const TO_ABSOLUTE = 1;
const TO_RELATIVE = -1;

interface FilterKernel {
  filter(bytes: number, length: number, direction: number): number;
}

let compiledModule: WebAssembly.Module | undefined;

/**
 * Turns the relative operands of x86-64 code into absolute ones, which repeat, and back: the method of the x86 filter of
 * LZMA (Igor Pavlov), for 64-bit code. docs/format.md, "x86 filter", defines what is turned. One a thread, reused.
 */
export class X86Filter {
  readonly #memory: KernelMemory<FilterKernel>;

  constructor() {
    compiledModule ??= new WebAssembly.Module(Buffer.from(X86_FILTER_WASM_BASE64, 'base64'));
    this.#memory = new KernelMemory(compiledModule);
  }

  /** @returns the bytes filtered, a view valid until the next call; null when they hold little or no x86-64 code */
  apply(plain: Uint8Array): Uint8Array | null {
    this.#memory.ensure(BYTES_AT + plain.length + SLACK_BYTES);
    this.#memory.copyIn(BYTES_AT, plain);
    const operands = this.#memory.kernel.filter(BYTES_AT, plain.length, TO_ABSOLUTE);
    if (operands < plain.length * FEW_OPERANDS_PER_BYTE) return null;
    return this.#memory.view(BYTES_AT, plain.length);
  }

  /** A view for `sizeBytes` filtered bytes, to be filled for {@link undoInto}; valid until the next call. */
  buffer(sizeBytes: number): Uint8Array {
    this.#memory.ensure(BYTES_AT + sizeBytes + SLACK_BYTES);
    return this.#memory.view(BYTES_AT, sizeBytes);
  }

  /** Gives `plain` what the first `plain.length` bytes of the buffer were before they were filtered. */
  undoInto(plain: Uint8Array): void {
    this.#memory.kernel.filter(BYTES_AT, plain.length, TO_RELATIVE);
    this.#memory.copyOut(plain, BYTES_AT);
  }
}

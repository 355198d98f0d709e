import { INFLATE_WASM_BASE64 } from './kernels/inflate-wasm.generated.js';

const STATUS = { needsInput: 0, hasPiece: 1, hasEnded: 2, isDamaged: -1, isCutOff: -2 } as const;

interface InflateKernel {
  readonly memory: WebAssembly.Memory;
  reset(): void;
  inputOffset(): number;
  inputRoom(): number;
  supply(byteCount: number): void;
  run(): number;
  pieceOffset(): number;
  pieceLength(): number;
  takenBytes(): number;
}

let compiledModule: WebAssembly.Module | undefined;

/**
 * Inflates one raw DEFLATE stream (RFC 1951) after another, in half a MiB of memory of its own whatever comes out. What zlib
 * accepts it accepts, and makes the same of it.
 */
export class Inflater {
  readonly #kernel: InflateKernel;
  /** True once the stream has ended. */
  hasEnded = false;

  constructor() {
    compiledModule ??= new WebAssembly.Module(Buffer.from(INFLATE_WASM_BASE64, 'base64'));
    const { exports } = new WebAssembly.Instance(compiledModule, { env: {} });
    this.#kernel = exports as unknown as InflateKernel;
  }

  /** Begins a new stream. */
  reset(): void {
    this.#kernel.reset();
    this.hasEnded = false;
  }

  /** Input bytes that the stream took so far; once it has ended, how long it was. */
  get takenBytes(): number {
    return this.#kernel.takenBytes();
  }

  /** Room for input, which {@link supply} is then told of. */
  inputRoom(): Uint8Array {
    const offset = this.#kernel.inputOffset();
    return new Uint8Array(this.#kernel.memory.buffer, offset, this.#kernel.inputRoom());
  }

  /** So many bytes were put into the room; none means that there are no more. */
  supply(byteCount: number): void {
    this.#kernel.supply(byteCount);
  }

  /**
   * The next plain bytes, up to 256 KiB, a view that is valid until the next call of anything here.
   * @returns null when more input is wanted, or the stream has ended
   * @throws Error with the code Z_DATA_ERROR when the stream is damaged, Z_BUF_ERROR when it is cut off
   */
  next(): Uint8Array | null {
    while (!this.hasEnded) {
      const status = this.#kernel.run();
      if (status < 0) throw inflateError(status);
      this.hasEnded = status === STATUS.hasEnded;
      const length = this.#kernel.pieceLength();
      if (length > 0) return new Uint8Array(this.#kernel.memory.buffer, this.#kernel.pieceOffset(), length);
      if (status === STATUS.needsInput) return null;
    }
    return null;
  }
}

function inflateError(status: number): Error {
  const isCutOff = status === STATUS.isCutOff;
  const message = isCutOff ? 'the deflate stream is cut off' : 'the deflate stream is damaged';
  return Object.assign(new Error(message), { code: isCutOff ? 'Z_BUF_ERROR' : 'Z_DATA_ERROR' });
}

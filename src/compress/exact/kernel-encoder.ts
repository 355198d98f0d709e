import type { DeflateEncoder, EmitBytes } from './deflate-encoder.js';

/**
 * What an encoder's WebAssembly instance exports, with its own memory, for {@link createKernelEncoder}. The host writes
 * plain bytes to `inputOffset()` and calls; each call returns how many compressed bytes now lie at `outputOffset()`,
 * which the kernel reuses at the next call. It must hold whatever `inputCapacity()` plain bytes can make it emit.
 */
export interface EncoderKernel {
  readonly memory: WebAssembly.Memory;
  /** Where the input buffer lies, and how many bytes it takes at once. */
  inputOffset(): number;
  inputCapacity(): number;
  outputOffset(): number;
  /** Compresses the first `byteCount` bytes of the input buffer. */
  write(byteCount: number): number;
  flush(): number;
  finish(): number;
  /** Begins a stream whose dictionary is the first `dictionaryBytes` bytes of the input buffer. */
  reset(dictionaryBytes: number): void;
}

/** A {@link DeflateEncoder} of a kernel instance, which it owns from now on and which must be ready for a stream. */
export function createKernelEncoder(kernel: EncoderKernel): DeflateEncoder {
  const capacity = kernel.inputCapacity();
  const inputOffset = kernel.inputOffset();
  const outputOffset = kernel.outputOffset();
  // A memory that grew has a new buffer, and the views of the old one are dead.
  const copyIn = (bytes: Uint8Array) => new Uint8Array(kernel.memory.buffer).set(bytes, inputOffset);
  const emitOutput = (byteCount: number, emit: EmitBytes) => {
    if (byteCount > 0) emit(new Uint8Array(kernel.memory.buffer, outputOffset, byteCount));
  };
  let ended = false;
  const requireOpen = () => {
    if (ended) throw new RangeError('the deflate stream has ended; reset the encoder to begin another');
  };
  return {
    write(plain, emit) {
      requireOpen();
      for (let start = 0; start < plain.length; start += capacity) {
        const piece = plain.subarray(start, start + capacity);
        copyIn(piece);
        emitOutput(kernel.write(piece.length), emit);
      }
    },
    flush(emit) {
      requireOpen();
      emitOutput(kernel.flush(), emit);
    },
    finish(emit) {
      requireOpen();
      ended = true;
      emitOutput(kernel.finish(), emit);
    },
    reset(dictionary) {
      const used = dictionary?.subarray(Math.max(0, dictionary.length - capacity)) ?? new Uint8Array(0);
      copyIn(used);
      kernel.reset(used.length);
      ended = false;
    },
  };
}

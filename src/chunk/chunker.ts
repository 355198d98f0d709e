import { DbupError } from '../core/errors.js';
import { type ChunkerParameters, validateChunkerParameters } from './chunker-parameters.js';
import { CHUNKER_WASM_BASE64 } from './kernels/chunker-wasm.generated.js';

/** The start of a chunk memory that belongs to kernels; bytes to be cut lie at or after this offset. */
export const CHUNK_MEMORY_RESERVED_BYTES = 64 * 1024;

const WASM_PAGE_BYTES = 64 * 1024;
const WASM_LARGEST_PAGES = 65_536;

/** Finds where chunks end. Stateless between calls: the cut depends on the bytes since the last cut and nothing else. */
export interface Chunker {
  /**
   * The length of the first chunk in the bytes `[offsetBytes, offsetBytes + lengthBytes)` of the memory, or 0 when
   * none ends within them: the caller comes again with more bytes, or ends the chunk itself (at a file border or
   * the end of the stream). Never 0 when `lengthBytes >= maxBytes`. Reads no byte outside that range and writes none.
   *
   * @param offsetBytes where the chunk starts; at least {@link CHUNK_MEMORY_RESERVED_BYTES}
   * @param scannedBytes how many of these bytes an earlier call for the same chunk returned 0 for; they are not
   *   searched again. 0 is always right.
   * @param lengthBytes how many bytes of the chunk and of what follows it are there
   * @throws WebAssembly.RuntimeError when the range leaves the memory, which is a defect of the caller
   */
  findCut(offsetBytes: number, scannedBytes: number, lengthBytes: number): number;
}

/** The bits of the differences that are compared, as {@link chunkerMasks} derives them. */
export interface ChunkerMasks {
  /** Bits of s8(i) and of s8(i-16) that must equal the target's. */
  outer: number;
  /** Bits of s8(i-8) that must too while the chunk would be shorter than `avgBytes`. */
  strict: number;
  /** Bits of s8(i-8) that must too from `avgBytes` on. */
  loose: number;
}

/**
 * Two bits more than log2(avgBytes) are tested before the average and two fewer after it: the normalised chunking,
 * level 2, of Xia et al., "FastCDC" (USENIX ATC 2016). Both tests share the outer bits, so one scan serves both.
 */
export function chunkerMasks(avgBytes: number): ChunkerMasks {
  const looseBits = Math.log2(avgBytes) - 2;
  const outerBits = Math.min(8, Math.floor(looseBits / 2));
  const innerBits = looseBits - 2 * outerBits;
  return { outer: topBits(outerBits), strict: topBits(innerBits + 4), loose: topBits(innerBits) };
}

/** A byte whose `count` most significant bits are set: sums carry upwards, so those depend on the most input. */
function topBits(count: number): number {
  return (0xff00 >> count) & 0xff;
}

/**
 * Shared memory of at least `sizeBytes` (rounded up to 64 KiB), of a fixed size, whose first
 * {@link CHUNK_MEMORY_RESERVED_BYTES} are the kernel's. Its `buffer` is a SharedArrayBuffer the caller fills.
 *
 * @throws DbupError INTERNAL when the size is not a whole number within (CHUNK_MEMORY_RESERVED_BYTES, 4 GiB]
 */
export function createChunkMemory(sizeBytes: number): WebAssembly.Memory {
  const pages = Math.ceil(sizeBytes / WASM_PAGE_BYTES);
  const fits = sizeBytes > CHUNK_MEMORY_RESERVED_BYTES && pages <= WASM_LARGEST_PAGES;
  if (!Number.isSafeInteger(sizeBytes) || !fits) {
    throw new DbupError('INTERNAL', `a chunk memory of ${sizeBytes} bytes was asked for`, {
      details: { sizeBytes },
    });
  }
  return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
}

type FindCutKernel = (
  chunk: number,
  scanned: number,
  length: number,
  minBytes: number,
  avgBytes: number,
  maxBytes: number,
  outerMask: number,
  strictMask: number,
  looseMask: number,
) => number;

let compiledModule: WebAssembly.Module | undefined;

/**
 * A chunker over `memory` (of {@link createChunkMemory}), which stays the caller's. Any number of chunkers, in any
 * threads, may share one memory: a chunker keeps nothing in it.
 *
 * @throws DbupError POOL_FORMAT_UNSUPPORTED as {@link validateChunkerParameters}
 */
export function createChunker(parameters: ChunkerParameters, memory: WebAssembly.Memory): Chunker {
  const { minBytes, avgBytes, maxBytes } = validateChunkerParameters(parameters);
  const { outer, strict, loose } = chunkerMasks(avgBytes);
  const findCut = instantiate(memory).findCut as FindCutKernel;
  return {
    findCut: (offsetBytes, scannedBytes, lengthBytes) =>
      findCut(offsetBytes, scannedBytes, lengthBytes, minBytes, avgBytes, maxBytes, outer, strict, loose),
  };
}

/** Copies `byteCount` bytes from one offset of a memory to another; the ranges may overlap. */
export type MemoryCopy = (targetOffset: number, sourceOffset: number, byteCount: number) => void;

/**
 * A copier inside `memory`. Between views of shared memory `TypedArray.set` goes byte by byte with atomic
 * accesses (measured: 1.3 GB/s where the two are not aligned alike); WebAssembly's `memory.copy` runs at 11 GB/s.
 */
export function createMemoryCopy(memory: WebAssembly.Memory): MemoryCopy {
  return instantiate(memory).copyBytes as MemoryCopy;
}

function instantiate(memory: WebAssembly.Memory): Record<string, unknown> {
  compiledModule ??= new WebAssembly.Module(Buffer.from(CHUNKER_WASM_BASE64, 'base64'));
  return new WebAssembly.Instance(compiledModule, { env: { memory } }).exports;
}

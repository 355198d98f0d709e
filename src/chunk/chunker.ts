import { DbupError } from '../core/errors.js';
import { CHUNKER_WASM_BASE64 } from './kernels/chunker-wasm.generated.js';

/**
 * How a pool's streams are cut into chunks. Part of the pool format: two pools whose parameters differ share no
 * chunks. All sizes in bytes; `64 <= minBytes < avgBytes < maxBytes <= 4 MiB`, and `avgBytes` is a power of two.
 */
export interface ChunkerParameters {
  algorithm: 'xgear-1';
  /** No chunk but the last of a stream is shorter. */
  minBytes: number;
  /** Where the cut test loosens; chunks of random bytes average a fifth more. */
  avgBytes: number;
  /** No chunk is longer; runs of one byte are cut here and nowhere else. */
  maxBytes: number;
}

export const DEFAULT_CHUNKER_PARAMETERS: Readonly<ChunkerParameters> = Object.freeze({
  algorithm: 'xgear-1',
  minBytes: 16 * 1024,
  avgBytes: 64 * 1024,
  maxBytes: 512 * 1024,
});

/** The kernel reads 24 bytes back from a cut, in steps of 16: this many stay inside the chunk. */
const SMALLEST_MIN_BYTES = 64;
const LARGEST_MAX_BYTES = 4 * 1024 * 1024;

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
 * Checks parameters that came from a pool descriptor (or anywhere) and returns a copy with only the known fields.
 *
 * @throws DbupError POOL_FORMAT_UNSUPPORTED for another algorithm, a missing field or a number out of range
 */
export function validateChunkerParameters(value: unknown): ChunkerParameters {
  if (typeof value !== 'object' || value === null) throw unsupported('they are not an object', {});
  const { algorithm, minBytes, avgBytes, maxBytes } = value as Record<string, unknown>;
  if (algorithm !== 'xgear-1') {
    throw unsupported(`the algorithm is ${printable(algorithm)}, known is "xgear-1"`, {
      algorithm: printable(algorithm),
    });
  }
  if (!Number.isSafeInteger(minBytes) || !Number.isSafeInteger(avgBytes) || !Number.isSafeInteger(maxBytes)) {
    throw unsupported('minBytes, avgBytes and maxBytes must be whole numbers', {});
  }
  const parameters = { algorithm, minBytes, avgBytes, maxBytes } as ChunkerParameters;
  const sizes = {
    minBytes: parameters.minBytes,
    avgBytes: parameters.avgBytes,
    maxBytes: parameters.maxBytes,
  };
  if (
    sizes.minBytes < SMALLEST_MIN_BYTES ||
    sizes.avgBytes <= sizes.minBytes ||
    sizes.maxBytes <= sizes.avgBytes ||
    sizes.maxBytes > LARGEST_MAX_BYTES
  ) {
    throw unsupported(
      `${sizes.minBytes}/${sizes.avgBytes}/${sizes.maxBytes} breaks ` +
        `${SMALLEST_MIN_BYTES} <= minBytes < avgBytes < maxBytes <= ${LARGEST_MAX_BYTES}`,
      sizes,
    );
  }
  if (!Number.isInteger(Math.log2(sizes.avgBytes))) {
    throw unsupported(`avgBytes ${sizes.avgBytes} is not a power of two`, sizes);
  }
  return parameters;
}

function unsupported(why: string, details: Record<string, unknown>): DbupError {
  return new DbupError('POOL_FORMAT_UNSUPPORTED', `chunker parameters cannot be used: ${why}`, {
    hint: 'The pool may have been written by a newer dbup: update dbup, or check the pool descriptor.',
    details,
  });
}

function printable(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 64)) : typeof value;
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

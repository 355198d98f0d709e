import {
  CHUNK_MEMORY_RESERVED_BYTES,
  type Chunker,
  createChunker,
  createChunkMemory,
  createMemoryCopy,
  type MemoryCopy,
} from '../chunk/chunker.js';
import type { ChunkerParameters } from '../chunk/chunker-parameters.js';

/** A stretch of shared memory; threads are told `buffer` or `memory`, and `offsetBytes`. */
export interface SharedRegion {
  /** What `buffer` is of, for kernels to work in; null for a region outside any arena. */
  readonly memory: WebAssembly.Memory | null;
  readonly buffer: SharedArrayBuffer;
  readonly offsetBytes: number;
  readonly bytes: Uint8Array;
}

/**
 * One shared memory, handed out in regions, in which kernels run and between whose regions copies are fast.
 * Memory that was never touched costs nothing.
 */
export class SharedArena {
  readonly #memory: ReturnType<typeof createChunkMemory>;
  readonly #buffer: SharedArrayBuffer;
  readonly #copy: MemoryCopy;
  #usedBytes = CHUNK_MEMORY_RESERVED_BYTES;

  constructor(sizeBytes: number) {
    this.#memory = createChunkMemory(CHUNK_MEMORY_RESERVED_BYTES + sizeBytes);
    this.#buffer = this.#memory.buffer;
    this.#copy = createMemoryCopy(this.#memory);
  }

  /** The next `sizeBytes` of the arena, for good; null when it is used up. */
  allocate(sizeBytes: number): SharedRegion | null {
    const offsetBytes = this.#usedBytes;
    if (offsetBytes + sizeBytes > this.#buffer.byteLength) return null;
    this.#usedBytes += Math.ceil(sizeBytes / 64) * 64;
    const bytes = new Uint8Array(this.#buffer, offsetBytes, sizeBytes);
    return { memory: this.#memory, buffer: this.#buffer, offsetBytes, bytes };
  }

  /** True for a region that was allocated here. */
  holds({ buffer }: SharedRegion): boolean {
    return buffer === this.#buffer;
  }

  /** Copies `source` into `target` from `at` on, by the fast way when both lie in the arena. */
  copy(target: Uint8Array, at: number, source: Uint8Array): void {
    if (target.buffer === this.#buffer && source.buffer === this.#buffer) {
      if (at + source.length > target.length) throw new RangeError('the source does not fit');
      this.#copy(target.byteOffset + at, source.byteOffset, source.length);
    } else {
      target.set(source, at);
    }
  }

  /** {@link copy} of `sizeBytes` between regions, without a view of them. */
  move(target: SharedRegion, at: number, source: SharedRegion, from: number, sizeBytes: number): void {
    if (target.buffer === this.#buffer && source.buffer === this.#buffer) {
      if (at + sizeBytes > target.bytes.length || from + sizeBytes > source.bytes.length)
        throw new RangeError('the bytes do not fit');
      this.#copy(target.offsetBytes + at, source.offsetBytes + from, sizeBytes);
    } else {
      target.bytes.set(source.bytes.subarray(from, from + sizeBytes), at);
    }
  }

  createChunker(parameters: ChunkerParameters): Chunker {
    return createChunker(parameters, this.#memory);
  }
}

/** A region of its own, for what does not fit the arena's regions. */
export function loneRegion(sizeBytes: number): SharedRegion {
  const buffer = new SharedArrayBuffer(sizeBytes);
  return { memory: null, buffer, offsetBytes: 0, bytes: new Uint8Array(buffer) };
}

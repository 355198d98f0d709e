import {
  CHUNK_MEMORY_RESERVED_BYTES,
  type Chunker,
  createChunker,
  createChunkMemory,
} from '../../src/chunk/chunker.js';
import { createChunkerOracle } from '../../src/chunk/chunker-oracle.js';
import type { ChunkerParameters } from '../../src/chunk/chunker-parameters.js';

/** A stream laid out for a chunker, and where it starts. */
export interface LoadedStream {
  chunker: Chunker;
  offsetBytes: number;
  lengthBytes: number;
}

/** The kernel over a memory that holds the bytes, surrounded by others that no cut may depend on. */
export function loadKernel(parameters: ChunkerParameters, bytes: Uint8Array, misalignment = 0): LoadedStream {
  const offsetBytes = CHUNK_MEMORY_RESERVED_BYTES + misalignment;
  const memory = createChunkMemory(offsetBytes + bytes.length + 64);
  const view = new Uint8Array(memory.buffer);
  view.fill(0x3c);
  view.set(bytes, offsetBytes);
  return { chunker: createChunker(parameters, memory), offsetBytes, lengthBytes: bytes.length };
}

export function loadOracle(parameters: ChunkerParameters, bytes: Uint8Array): LoadedStream {
  return { chunker: createChunkerOracle(parameters, bytes), offsetBytes: 0, lengthBytes: bytes.length };
}

/** The end offsets of the chunks when the whole stream is there from the start. */
export function cutsOfWhole(stream: LoadedStream): number[] {
  return cutsOfSlices(stream, () => stream.lengthBytes);
}

/** The end offsets of the chunks when the stream arrives in slices and every search resumes the one before. */
export function cutsOfSlices(stream: LoadedStream, nextSliceBytes: () => number): number[] {
  const { chunker, offsetBytes, lengthBytes } = stream;
  const cuts: number[] = [];
  let start = 0;
  let scanned = 0;
  let arrived = 0;
  while (start < lengthBytes) {
    if (arrived - start === scanned) arrived = Math.min(lengthBytes, arrived + nextSliceBytes());
    const cut = chunker.findCut(offsetBytes + start, scanned, arrived - start);
    if (cut === 0 && arrived < lengthBytes) {
      scanned = arrived - start;
      continue;
    }
    start = cut === 0 ? lengthBytes : start + cut;
    scanned = 0;
    cuts.push(start);
  }
  return cuts;
}

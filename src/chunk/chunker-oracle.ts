import { type Chunker, chunkerMasks } from './chunker.js';
import { type ChunkerParameters, validateChunkerParameters } from './chunker-parameters.js';

/** s1(b) = b + TABLE[b & 15] modulo 256 is a permutation of the bytes. Part of the pool format. */
const TABLE = [
  0xdc, 0x63, 0xdb, 0x93, 0x2b, 0x09, 0xbf, 0xba, 0x33, 0xa9, 0x69, 0xbd, 0x2b, 0xbd, 0x02, 0xaa,
] as const;

/** What a difference is compared with. Part of the pool format. */
const TARGET = 0x8b;

/** The signs that three nested differences, over distances 1, 2 and 4, give the last 8 bytes, newest first. */
const SIGNS = [1, -1, -1, 1, -1, 1, 1, -1] as const;

/**
 * xgear-1 as docs/format.md defines it, written to be read and slow (some 16 MB/s). The tests hold the kernel to it.
 *
 * @param bytes stands for the chunker's memory: offsets count from its start
 * @throws DbupError POOL_FORMAT_UNSUPPORTED as {@link validateChunkerParameters}
 */
export function createChunkerOracle(parameters: ChunkerParameters, bytes: Uint8Array): Chunker {
  const { minBytes, avgBytes, maxBytes } = validateChunkerParameters(parameters);
  const masks = chunkerMasks(avgBytes);

  function isCut(offset: number, chunkLength: number): boolean {
    const last = offset + chunkLength - 1;
    const inner = chunkLength < avgBytes ? masks.strict : masks.loose;
    return (
      matches(difference(bytes, last), masks.outer) &&
      matches(difference(bytes, last - 8), inner) &&
      matches(difference(bytes, last - 16), masks.outer)
    );
  }

  function findCut(offset: number, scanned: number, length: number): number {
    for (let chunkLength = Math.max(minBytes, scanned + 1); chunkLength <= length; chunkLength++) {
      if (chunkLength === maxBytes || isCut(offset, chunkLength)) return chunkLength;
    }
    return 0;
  }

  return { findCut };
}

/** s8 of the byte at `index`: a sum over it and the 7 before it, modulo 256. */
function difference(bytes: Uint8Array, index: number): number {
  let sum = 0;
  SIGNS.forEach((sign, distance) => {
    const byte = bytes[index - distance]!;
    sum += sign * (byte + TABLE[(byte & 15) as 0]);
  });
  return sum & 0xff;
}

function matches(value: number, mask: number): boolean {
  return (value & mask) === (TARGET & mask);
}

import { SKETCH_FEATURES, type Sketcher } from './sketcher.js';

/** u(b) = b + TABLE[b & 15] modulo 256, as the chunker has it. Part of the pool format. */
const TABLE = [
  0xdc, 0x63, 0xdb, 0x93, 0x2b, 0x09, 0xbf, 0xba, 0x33, 0xa9, 0x69, 0xbd, 0x2b, 0xbd, 0x02, 0xaa,
] as const;

/** The signs that three nested differences, over distances 1, 2 and 4, give the last 8 bytes, newest first. */
const SIGNS = [1, -1, -1, 1, -1, 1, 1, -1] as const;

const SMALLEST_CHUNK_BYTES = 64;
const WINDOW_BYTES = 20;
const SAMPLE_MASK = 0xfc;
const SAMPLE_TARGET = 0x88;
const NONE = 2n ** 64n - 1n;

/**
 * Sketches as docs/format.md defines them, written to be read and slow (some 10 MB/s). The tests hold the kernel to it.
 *
 * @param bytes stands for the sketcher's memory: offsets count from its start
 */
export function createSketchOracle(bytes: Uint8Array): Sketcher {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

  function sketch(offset: number, length: number, into: Uint32Array): void {
    const least = new Array<bigint>(SKETCH_FEATURES).fill(NONE);
    if (length >= SMALLEST_CHUNK_BYTES) {
      for (let last = offset + WINDOW_BYTES - 1; last < offset + length; last++) {
        if ((difference(bytes, last) & SAMPLE_MASK) !== SAMPLE_TARGET) continue;
        const x = hashWindow(view, last);
        const kind = Number((((x >> 32n) & 0xffffn) * BigInt(SKETCH_FEATURES)) >> 16n);
        if (x < least[kind]!) least[kind] = x;
      }
    }
    least.forEach((x, kind) => {
      into[kind] = x === NONE ? 0 : Number(x & 0xffffffffn);
    });
  }

  return { sketch };
}

/** s of the byte at `index`: a sum over it and the 7 before it, modulo 256. */
function difference(bytes: Uint8Array, index: number): number {
  let sum = 0;
  for (let distance = 0; distance < 8; distance++) {
    const byte = bytes[index - distance]!;
    sum += SIGNS[distance]! * (byte + TABLE[byte & 15]!);
  }
  return sum & 0xff;
}

function hashWindow(view: DataView, last: number): bigint {
  let x = times(view.getBigUint64(last - 19, true), 0x9e3779b97f4a7c15n);
  x ^= x >> 32n;
  x = times(x ^ view.getBigUint64(last - 11, true), 0xbf58476d1ce4e5b9n);
  x ^= x >> 32n;
  x = times(x ^ BigInt(view.getUint32(last - 3, true)), 0x94d049bb133111ebn);
  x ^= x >> 29n;
  x = times(x, 0xd6e8feb86659fd93n);
  return x ^ (x >> 32n);
}

function times(a: bigint, b: bigint): bigint {
  return BigInt.asUintN(64, a * b);
}

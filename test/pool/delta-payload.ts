import { DeltaEncoder } from '../../src/compress/delta/delta-encoder.js';
import { ZstdCompressor } from '../../src/compress/zstd.js';

/**
 * Codes the bytes of a block as a delta. @returns what is stored, and which of the bases that takes
 * @throws Error when the encoder finds nothing of the bases in the plain bytes
 */
export function encodeDelta(
  plain: Uint8Array,
  bases: readonly Uint8Array[],
  level = 3,
): { stored: Uint8Array; bases: Uint8Array[]; numbers: number[] } {
  const encoder = new DeltaEncoder(level, new ZstdCompressor(level));
  const whole = Buffer.concat(bases);
  const buffers = encoder.buffers(whole.length, plain.length);
  buffers.base.set(whole);
  buffers.plain.set(plain);
  const pieceBytes = Uint32Array.from(bases, ({ length }) => length);
  const coded = encoder.encode(pieceBytes, plain.length);
  if (coded === null) throw new Error('nothing of the bases is in the plain bytes');
  const numbers = [...coded.usedPieces];
  return { stored: Uint8Array.from(coded.payload), bases: numbers.map((number) => bases[number]!), numbers };
}

import { DELTA_STREAMS, NumberReader } from './delta-format.js';

/** Plain bytes that a difference covers, unless its copy ends before. */
export const DIFFERENCE_BYTES = 4;

/** The six streams of a tolerant copy, expanded, one after the other. */
export interface DeltaStreams {
  bytes: Uint8Array;
  /** Where each ends in `bytes`. */
  ends: readonly number[];
}

/** What a tolerant copy says, in few bytes: between its copies, and after the last, lie literals. */
export interface DeltaOps {
  /** Of each copy, where it begins and ends in the plain bytes, and where it begins in the base. */
  copyStarts: Uint32Array;
  copyEnds: Uint32Array;
  sources: Uint32Array;
  /** Those before each copy, all together. */
  literalsBefore: Uint32Array;
  literals: Uint8Array;
  /** Of each difference, in order, the first byte in the plain bytes, and what is added there. */
  differencesAt: Uint32Array;
  differences: Uint32Array;
}

/** Bytes of memory that a list of ops takes. */
export function sizeOfOps(ops: DeltaOps): number {
  const { copyStarts, copyEnds, sources, literalsBefore, literals, differencesAt, differences } = ops;
  const lists = [copyStarts, copyEnds, sources, literalsBefore, literals, differencesAt, differences];
  return lists.reduce((sum, { byteLength }) => sum + byteLength, 0);
}

/**
 * Reads the streams of a tolerant copy (docs/format.md, "Delta block") as lists of their own memory.
 * @throws Error when they do not make `plainBytes` out of a base of `baseBytes`
 */
export function readDeltaOps({ bytes, ends }: DeltaStreams, plainBytes: number, baseBytes: number): DeltaOps {
  const streams = Array.from({ length: DELTA_STREAMS }, (_, i) => bytes.subarray(ends[i - 1] ?? 0, ends[i]));
  const [literalLengths, copyLengths, shifts] = streams
    .slice(0, 3)
    .map((stream) => new NumberReader(stream, 0));
  const literals = streams[5]!.slice();
  const count = countNumbers(streams[0]!);
  const copyStarts = new Uint32Array(count);
  const copyEnds = new Uint32Array(count);
  const sources = new Uint32Array(count);
  const literalsBefore = new Uint32Array(count);
  let [at, literalAt, sourceEnd] = [0, 0, 0];
  for (let i = 0; i < count; i++) {
    const literalBytes = literalLengths!.next();
    const copyBytes = copyLengths!.next();
    const shift = shifts!.next();
    const source = (sourceEnd + literalBytes + ((shift >>> 1) ^ -(shift & 1))) >>> 0;
    at += literalBytes;
    literalAt += literalBytes;
    copyStarts[i] = at;
    at += copyBytes;
    sourceEnd = source + copyBytes;
    if (copyBytes === 0 || literalAt > literals.length || at > plainBytes || sourceEnd > baseBytes)
      throw new Error('a copy or a literal leaves its bounds');
    copyEnds[i] = at;
    sources[i] = source;
    literalsBefore[i] = literalAt;
  }
  const isUsedUp = [literalLengths, copyLengths, shifts].every(
    (reader, i) => reader!.at === streams[i]!.length,
  );
  if (!isUsedUp) throw new Error('there is more in the streams than in the block');
  if (literals.length - literalAt !== plainBytes - at)
    throw new Error('the literals do not end with the block');
  const copies = { copyStarts, copyEnds, sources, literalsBefore, literals };
  return { ...copies, ...placeDifferences(streams[3]!, streams[4]!, copyStarts, copyEnds) };
}

/** Finds the places of the differences by counting through the copied bytes. */
function placeDifferences(
  gaps: Uint8Array,
  values: Uint8Array,
  copyStarts: Uint32Array,
  copyEnds: Uint32Array,
): Pick<DeltaOps, 'differencesAt' | 'differences'> {
  const reader = new NumberReader(gaps, 0);
  const count = countNumbers(gaps);
  if (values.length !== count * DIFFERENCE_BYTES) throw new Error('differences are missing or left over');
  const view = new DataView(values.buffer, values.byteOffset, values.length);
  const differencesAt = new Uint32Array(count);
  const differences = new Uint32Array(count);
  let copy = 0;
  let at = copyStarts[0] ?? 0;
  for (let i = 0; i < count; i++) {
    let gap = reader.next();
    for (; copy < copyEnds.length && gap >= copyEnds[copy]! - at; at = copyStarts[++copy] ?? 0)
      gap -= copyEnds[copy]! - at;
    if (copy >= copyEnds.length) throw new Error('the differences do not fit the copies');
    at += gap;
    differencesAt[i] = at;
    differences[i] = view.getUint32(i * DIFFERENCE_BYTES, true);
    at = Math.min(at + DIFFERENCE_BYTES, copyEnds[copy]!);
  }
  if (reader.at !== gaps.length) throw new Error('a gap is cut off');
  return { differencesAt, differences };
}

/** Each number ends with a byte below 128. */
function countNumbers(stream: Uint8Array): number {
  let count = 0;
  for (const byte of stream) if (byte < 128) count++;
  return count;
}

import { DELTA_STREAMS, NumberReader } from './delta-format.js';

/** Plain bytes that a difference covers, unless its copy ends before. */
const DIFFERENCE_BYTES = 4;

/** The six streams of a tolerant copy, expanded, one after the other. */
export interface DeltaStreams {
  bytes: Uint8Array;
  /** Where each ends in `bytes`. */
  ends: readonly number[];
}

/** A difference: what is added to bytes that were copied. */
export interface DeltaDifference {
  /** Place of the first byte in the plain bytes. */
  at: number;
  /** 1 to 4. */
  sizeBytes: number;
  value: number;
}

/** One copy of a tolerant copy, with the literals before it. */
export interface DeltaCopy {
  literalBytes: number;
  copyBytes: number;
  /** Where it begins in the base. */
  sourceAt: number;
}

/** What a tolerant copy says. */
export interface DeltaOps {
  copies: DeltaCopy[];
  /** Of all copies in order; those left after the last copy end the plain bytes. */
  literals: Uint8Array;
  /** In the order of their places. */
  differences: DeltaDifference[];
}

/**
 * Reads the streams of a tolerant copy (docs/format.md, "Delta block") as a list.
 * @throws Error when they do not make `plainBytes` out of a base of `baseBytes`
 */
export function readDeltaOps({ bytes, ends }: DeltaStreams, plainBytes: number, baseBytes: number): DeltaOps {
  const streams = Array.from({ length: DELTA_STREAMS }, (_, i) => bytes.subarray(ends[i - 1] ?? 0, ends[i]));
  const [literalLengths, copyLengths, shifts] = streams
    .slice(0, 3)
    .map((stream) => new NumberReader(stream, 0));
  const literals = streams[5]!;
  const copies: DeltaCopy[] = [];
  const spans: { at: number; endBytes: number }[] = [];
  let [at, literalAt, sourceEnd] = [0, 0, 0];
  while (literalLengths!.at < streams[0]!.length) {
    const literalBytes = literalLengths!.next();
    const copyBytes = copyLengths!.next();
    const shift = shifts!.next();
    const sourceAt = (sourceEnd + literalBytes + ((shift >>> 1) ^ -(shift & 1))) >>> 0;
    literalAt += literalBytes;
    at += literalBytes;
    spans.push({ at, endBytes: at + copyBytes });
    at += copyBytes;
    sourceEnd = sourceAt + copyBytes;
    if (copyBytes === 0 || literalAt > literals.length || at > plainBytes || sourceEnd > baseBytes)
      throw new Error('a copy or a literal leaves its bounds');
    copies.push({ literalBytes, copyBytes, sourceAt });
  }
  if (copyLengths!.at !== streams[1]!.length || shifts!.at !== streams[2]!.length)
    throw new Error('there is more in the streams than in the block');
  if (literals.length - literalAt !== plainBytes - at)
    throw new Error('the literals do not end with the block');
  return { copies, literals, differences: placeDifferences(streams[3]!, streams[4]!, spans) };
}

/** Finds the places of the differences by counting through the copied bytes. */
function placeDifferences(
  gaps: Uint8Array,
  values: Uint8Array,
  copied: readonly { at: number; endBytes: number }[],
): DeltaDifference[] {
  const reader = new NumberReader(gaps, 0);
  const view = new DataView(values.buffer, values.byteOffset, values.length);
  const differences: DeltaDifference[] = [];
  let span = 0;
  let at = copied[0]?.at ?? 0;
  let valueAt = 0;
  while (reader.at < gaps.length) {
    let gap = reader.next();
    for (; copied[span] !== undefined && gap >= copied[span]!.endBytes - at; at = copied[++span]?.at ?? 0)
      gap -= copied[span]!.endBytes - at;
    const current = copied[span];
    if (!current || valueAt + 4 > values.length) throw new Error('the differences do not fit the copies');
    at += gap;
    const sizeBytes = Math.min(DIFFERENCE_BYTES, current.endBytes - at);
    differences.push({ at, sizeBytes, value: view.getUint32(valueAt, true) });
    valueAt += 4;
    at += sizeBytes;
  }
  if (valueAt !== values.length) throw new Error('differences are left over');
  return differences;
}

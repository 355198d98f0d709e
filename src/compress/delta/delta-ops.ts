/** Plain bytes that a difference covers, unless its copy ends before. */
export const DIFFERENCE_BYTES = 4;

/**
 * What a tolerant copy says (docs/format.md, "Delta block"), in few bytes of its own memory: between its copies, and after the last, lie
 * literals.
 */
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

/** The memory that a list of ops takes. */
export function memoryOfOps(ops: DeltaOps): ArrayBuffer[] {
  const { copyStarts, copyEnds, sources, literalsBefore, literals, differencesAt, differences } = ops;
  const lists = [copyStarts, copyEnds, sources, literalsBefore, literals, differencesAt, differences];
  return lists.map(({ buffer }) => buffer as ArrayBuffer);
}

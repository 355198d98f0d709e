/** Types for the tests. */
export class CorrectedStreams {
  /** @param corrections all of the file's. @throws RangeError */
  constructor(model: number, corrections: Uint8Array);
  /** The deflate stream of the next member's plain bytes. @throws RangeError */
  member(plain: Uint8Array): Uint8Array;
}

/** The forms of a delta block's payload; docs/format.md, "Delta block". */
export const DELTA_FORMS = { tolerantCopy: 1, dictionary: 2 } as const;

/** The streams of a tolerant copy, in their order. */
export const DELTA_STREAMS = 6;

/** Longest LEB128 coding of a 32-bit number. */
export const LONGEST_NUMBER_BYTES = 5;

/** Longest header: the form, and two numbers for each stream. */
export const LONGEST_HEADER_BYTES = 1 + DELTA_STREAMS * 2 * LONGEST_NUMBER_BYTES;

/** What begins a formatted zstd dictionary (RFC 8878, section 6): zstd takes such bytes for one, never for raw content. */
export function hasDictionaryMagic(bytes: Uint8Array): boolean {
  return bytes[0] === 0x37 && bytes[1] === 0xa4 && bytes[2] === 0x30 && bytes[3] === 0xec;
}

/** Writes `value` (32 bits) at `at` as LEB128 and returns where it ends. */
export function writeNumber(bytes: Uint8Array, at: number, value: number): number {
  let rest = value;
  let end = at;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes[end++] = (rest % 128) + 128;
  bytes[end] = rest;
  return end + 1;
}

/** Reads numbers of a payload one after the other. */
export class NumberReader {
  readonly #bytes: Uint8Array;
  #at: number;

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes;
    this.#at = at;
  }

  get at(): number {
    return this.#at;
  }

  /** @throws Error when the number is cut off or has more than 32 bits */
  next(): number {
    let value = 0;
    for (let i = 0; i < LONGEST_NUMBER_BYTES; i++) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) break;
      value += (byte % 128) * 128 ** i;
      if (byte < 128 && value < 2 ** 32) return value;
    }
    throw new Error('a number in the delta block is cut off or too large');
  }
}

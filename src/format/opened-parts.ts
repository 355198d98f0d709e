import { decodeEncoderSpec, type EncoderSpec, encodeEncoderSpec, encoderName } from './encoder-spec.js';
import { encodeNumber } from './variable-number.js';

/**
 * A stretch of an opened segment (docs/format.md, "Opened segment"): so many bytes of its contents or of its frames as
 * they are, or what an encoder makes of so many bytes of its contents.
 */
export type OpenedPart =
  | { kind: 'contents' | 'frame'; sizeBytes: number }
  | {
      kind: 'deflated';
      sizeBytes: number;
      encoder: EncoderSpec;
      /** What the encoder makes of them. */
      deflatedBytes: number;
    };

const TAG = { contents: 0, frame: 1, deflated: 2, encoder: 3 } as const;
/** The two lowest bits of a number are its tag. */
const TAGS = 4;
/** Of a number of 53 bits. */
const NUMBER_BYTES = 8;
/** Of all parts together. */
const MOST_BYTES = Math.floor(Number.MAX_SAFE_INTEGER / TAGS);
/** More than any encoder of this version needs. */
const MAX_SPEC_BYTES = 32;

/** Writes parts one after the other; stretches of one kind that follow each other become one. */
export class OpenedPartsEncoder {
  #encoder = '';
  #raw: { kind: 'contents' | 'frame'; sizeBytes: number } | null = null;

  /** @returns what is complete of the list */
  add(part: OpenedPart): Uint8Array {
    if (part.sizeBytes === 0) return new Uint8Array(0);
    if (part.kind !== 'deflated') {
      if (this.#raw?.kind === part.kind) {
        this.#raw.sizeBytes += part.sizeBytes;
        return new Uint8Array(0);
      }
      const before = this.finish();
      this.#raw = { ...part };
      return before;
    }
    const pieces = [this.finish()];
    const name = encoderName(part.encoder);
    if (name !== this.#encoder) {
      const spec = encodeEncoderSpec(part.encoder);
      pieces.push(encodeNumber(spec.length * TAGS + TAG.encoder), spec);
      this.#encoder = name;
    }
    pieces.push(encodeNumber(part.sizeBytes * TAGS + TAG.deflated), encodeNumber(part.deflatedBytes));
    return Buffer.concat(pieces);
  }

  /** @returns the rest of the list */
  finish(): Uint8Array {
    const raw = this.#raw;
    this.#raw = null;
    return raw ? encodeNumber(raw.sizeBytes * TAGS + TAG[raw.kind]) : new Uint8Array(0);
  }
}

/**
 * Reads a list of parts that comes in pieces.
 * @throws RangeError from every method, saying what is wrong; UnknownEncoderError for an encoder of a later version
 */
export class OpenedPartsDecoder {
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  #encoder: EncoderSpec | null = null;
  #totalBytes = 0;

  /** Takes the next bytes of the list, which it copies. */
  push(bytes: Uint8Array): void {
    this.#bytes = Buffer.concat([this.#bytes.subarray(this.#at), bytes]);
    this.#at = 0;
  }

  /** The next part; null when more bytes are needed. */
  next(): OpenedPart | null {
    for (;;) {
      const start = this.#at;
      const number = this.#number();
      if (number === null) return null;
      const tag = number % TAGS;
      const sizeBytes = Math.floor(number / TAGS);
      if (sizeBytes === 0) throw new RangeError('a part is empty');
      if (tag === TAG.contents) return this.#counted({ kind: 'contents', sizeBytes });
      if (tag === TAG.frame) return this.#counted({ kind: 'frame', sizeBytes });
      if (tag === TAG.deflated) {
        if (!this.#encoder) throw new RangeError('a part has no encoder');
        const deflatedBytes = this.#number();
        if (deflatedBytes !== null)
          return this.#counted({ kind: 'deflated', sizeBytes, encoder: this.#encoder, deflatedBytes });
        this.#at = start;
        return null;
      }
      if (!this.#takeEncoder(sizeBytes)) {
        this.#at = start;
        return null;
      }
    }
  }

  /** Says that no more bytes come, once `next` has given null. */
  finish(): void {
    if (this.#at < this.#bytes.length) throw new RangeError('the list of parts is cut off');
  }

  /** Stretches of one kind are written as one, whose length must be a number, too. */
  #counted(part: OpenedPart): OpenedPart {
    this.#totalBytes += part.sizeBytes;
    if (this.#totalBytes > MOST_BYTES) throw new RangeError('the parts have too many bytes together');
    return part;
  }

  #takeEncoder(byteCount: number): boolean {
    if (byteCount > MAX_SPEC_BYTES) throw new RangeError('an encoder has too many bytes');
    const end = this.#at + byteCount;
    if (end > this.#bytes.length) return false;
    const { spec, byteCount: used } = decodeEncoderSpec(this.#bytes.subarray(this.#at, end));
    if (used !== byteCount) throw new RangeError('an encoder has too many bytes');
    this.#encoder = spec;
    this.#at = end;
    return true;
  }

  /** Null, with nothing taken, where it is cut off. */
  #number(): number | null {
    let value = 0;
    let scale = 1;
    for (let at = this.#at; at < this.#bytes.length; at++, scale *= 128) {
      const byte = this.#bytes[at]!;
      value += (byte & 127) * scale;
      if (!Number.isSafeInteger(value)) throw new RangeError('a number is too large');
      if (byte < 128) {
        if (byte === 0 && scale > 1) throw new RangeError('a number has needless bytes');
        this.#at = at + 1;
        return value;
      }
      if (at - this.#at + 1 >= NUMBER_BYTES) throw new RangeError('a number has too many bytes');
    }
    return null;
  }
}

import { type EncoderSpec, encoderName } from '../../format/encoder-spec.js';
import { encoderCandidates, firstBlockOf } from './detect-encoder.js';

/** Tries in vain for one file: a member takes some 470 if none fits, and a file of many has been made by a few programs. */
export const MAX_FAILED_TRIES = 4096;
/** Encoders found before that are tried first, the last one first. */
const MAX_RECENT = 4;

/** Which encoders are tried on the members of one gzip file, in which order, and how often in vain. */
export class EncoderTries {
  readonly #recent: EncoderSpec[];
  /** Of this member, after how many plain bytes a stream was found not to be it. */
  readonly #failedAfter = new Map<string, number>();
  #leftTries: number;

  /** @param last the encoder of the file before */
  constructor(last: EncoderSpec | null, maxFailedTries = MAX_FAILED_TRIES) {
    this.#recent = last ? [last] : [];
    this.#leftTries = maxFailedTries;
  }

  /**
   * Those for the next member, each once, as long as the file may have more tries.
   * @param readHead the beginning of its deflate stream, asked for at most once
   */
  *forMember(header: Uint8Array, readHead: () => Uint8Array): Generator<EncoderSpec> {
    const tried = new Set<string>();
    this.#failedAfter.clear();
    for (const encoder of this.#inOrder(header, readHead)) {
      const name = encoderName(encoder);
      if (tried.has(name) || this.#mustFail(encoder)) continue;
      if (this.areUsedUp) return;
      tried.add(name);
      yield encoder;
    }
  }

  /** This one made a member. */
  succeeded(encoder: EncoderSpec): void {
    const name = encoderName(encoder);
    const at = this.#recent.findIndex((one) => encoderName(one) === name);
    if (at >= 0) this.#recent.splice(at, 1);
    this.#recent.unshift(encoder);
    if (this.#recent.length > MAX_RECENT) this.#recent.pop();
  }

  /** This one differs. @param givenBytes after so many plain bytes at most; null where that is not known */
  failed(encoder: EncoderSpec, givenBytes: number | null): void {
    this.#leftTries--;
    const { stream, firstBlockBytes } = firstBlockOf(encoder);
    if (givenBytes !== null && givenBytes < firstBlockBytes) this.#failedAfter.set(stream, givenBytes);
  }

  /** True when nothing more is tried on this file. */
  get areUsedUp(): boolean {
    return this.#leftTries <= 0;
  }

  *#inOrder(header: Uint8Array, readHead: () => Uint8Array): Generator<EncoderSpec> {
    yield* [...this.#recent];
    yield* encoderCandidates(header, readHead);
  }

  /** True for one that has done the same, up to where its first block ends, as one that failed before that. */
  #mustFail(encoder: EncoderSpec): boolean {
    const { stream, firstBlockBytes } = firstBlockOf(encoder);
    return (this.#failedAfter.get(stream) ?? Number.POSITIVE_INFINITY) < firstBlockBytes;
  }
}

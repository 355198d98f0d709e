import { ZstdDecompressor } from '../zstd.js';
import { DELTA_FORMS, DELTA_STREAMS, hasDictionaryMagic, NumberReader } from './delta-format.js';
import type { DeltaStreams } from './delta-ops.js';
import { ALIGNMENT_SLACK_BYTES, KernelMemory } from './kernel-memory.js';
import { DELTA_DECODE_WASM_BASE64 } from './kernels/delta-decode-wasm.generated.js';

interface DecodeKernel {
  decode(base: number, baseBytes: number, plain: number, plainBytes: number, streams: number): number;
}

/** The kernel's own static data lies below. */
const RESERVED_BYTES = 64 * 1024;
/** Twelve u32: where each stream begins and ends. */
const STREAMS_AT = RESERVED_BYTES - 64;

/** What the kernel's answers mean. */
const REASONS = [
  '',
  'a number is cut off or too large',
  'the literals end too early',
  'a copy leaves the base',
  'a copy or a literal leaves the block',
  'the differences end too early',
  'there is more in the streams than in the block',
  'a copy is empty',
];

interface StoredStream {
  plainBytes: number;
  stored: Uint8Array;
}

let compiledModule: WebAssembly.Module | undefined;

/** Rebuilds delta blocks. One a thread, reused; its memory stays as large as the largest block needed. */
export class DeltaDecoder {
  readonly #memory: KernelMemory<DecodeKernel>;
  readonly #decompressor = new ZstdDecompressor();

  constructor() {
    compiledModule ??= new WebAssembly.Module(Buffer.from(DELTA_DECODE_WASM_BASE64, 'base64'));
    this.#memory = new KernelMemory(compiledModule);
  }

  /**
   * Fills `plain` exactly. The payload may come from a stranger: time and memory are bounded by the lengths of `plain`
   * and `base`, which the caller has bounded. On an error `plain` holds anything.
   *
   * @throws Error that says what is wrong with the payload
   */
  decodeInto(plain: Uint8Array, payload: Uint8Array, base: readonly Uint8Array[]): void {
    if (payload[0] !== DELTA_FORMS.tolerantCopy) this.#useDictionary(plain, payload, base);
    else this.#memory.copyOut(plain, this.#copyTolerantly(plain.length, payload, base));
  }

  /**
   * The streams of a payload, for `readDeltaOps`; null when it is no tolerant copy, or when they have more than `mostBytes`.
   * @throws Error that says what is wrong with the payload
   */
  expand(payload: Uint8Array, plainBytes: number, mostBytes: number): DeltaStreams | null {
    if (payload[0] !== DELTA_FORMS.tolerantCopy) return null;
    const streams = splitStreams(payload, plainBytes);
    const sizeBytes = streams.reduce((sum, stream) => sum + stream.plainBytes, 0);
    if (sizeBytes > mostBytes) return null;
    const bytes = new Uint8Array(sizeBytes);
    const ends: number[] = [];
    let at = 0;
    for (const stream of streams) {
      this.#expand(bytes.subarray(at, at + stream.plainBytes), stream.stored);
      at += stream.plainBytes;
      ends.push(at);
    }
    return { bytes, ends };
  }

  /** True when `payload` decodes to `plain`; bounded like {@link decodeInto}. @throws Error like it */
  gives(plain: Uint8Array, payload: Uint8Array, base: readonly Uint8Array[]): boolean {
    if (payload[0] === DELTA_FORMS.tolerantCopy) {
      const at = this.#copyTolerantly(plain.length, payload, base);
      return Buffer.compare(this.#memory.view(at, plain.length), plain) === 0;
    }
    const rebuilt = new Uint8Array(plain.length);
    this.#useDictionary(rebuilt, payload, base);
    return Buffer.compare(rebuilt, plain) === 0;
  }

  /** @returns where in the kernel's memory the plain bytes are */
  #copyTolerantly(plainBytes: number, payload: Uint8Array, base: readonly Uint8Array[]): number {
    const streams = splitStreams(payload, plainBytes);
    const baseBytes = base.reduce((sum, { length }) => sum + length, 0);
    const plainAt = RESERVED_BYTES;
    const baseAt = plainAt + plainBytes + ALIGNMENT_SLACK_BYTES;
    let at = baseAt + baseBytes + ALIGNMENT_SLACK_BYTES;
    this.#memory.ensure(at + plainBytes);
    const places: number[] = [];
    for (const stream of streams) {
      this.#expand(this.#memory.view(at, stream.plainBytes), stream.stored);
      places.push(at, at + stream.plainBytes);
      at += stream.plainBytes;
    }
    this.#memory.numbers(STREAMS_AT, places.length).set(places);
    let pieceAt = baseAt;
    for (const piece of base) {
      this.#memory.copyIn(pieceAt, piece);
      pieceAt += piece.length;
    }
    const answer = this.#memory.kernel.decode(baseAt, baseBytes, plainAt, plainBytes, STREAMS_AT);
    if (answer !== 0) throw new Error(`${REASONS[answer]}`);
    return plainAt;
  }

  #expand(into: Uint8Array, stored: Uint8Array): void {
    if (stored.length === into.length) into.set(stored);
    else if (this.#decompressor.decompressInto(into, stored) !== into.length) {
      throw new Error('a stream of the delta block is too short');
    }
  }

  #useDictionary(plain: Uint8Array, payload: Uint8Array, base: readonly Uint8Array[]): void {
    if (payload[0] !== DELTA_FORMS.dictionary) throw new Error('the delta block is of no known form');
    const dictionary = Buffer.concat(base);
    if (hasDictionaryMagic(dictionary)) throw new Error('the base cannot be a raw dictionary');
    if (this.#decompressor.decompressIntoUsing(dictionary, plain, payload.subarray(1)) !== plain.length) {
      throw new Error('the frame of the delta block is too short');
    }
  }
}

/** The streams of a tolerant copy, whose plain bytes together are not more than the block's. */
function splitStreams(payload: Uint8Array, plainBytes: number): StoredStream[] {
  const reader = new NumberReader(payload, 1);
  const lengths: [number, number][] = [];
  for (let i = 0; i < DELTA_STREAMS; i++) lengths.push([reader.next(), reader.next()]);
  let at = reader.at;
  let sum = 0;
  const streams = lengths.map(([streamBytes, storedBytes]) => {
    if (storedBytes > streamBytes)
      throw new Error('a stream of the delta block is stored in more bytes than it has');
    const stored = payload.subarray(at, at + storedBytes);
    at += storedBytes;
    sum += streamBytes;
    return { plainBytes: streamBytes, stored };
  });
  if (at !== payload.length) throw new Error('the streams do not fill the delta block');
  if (sum > plainBytes) throw new Error('the streams of the delta block are longer than the block');
  return streams;
}

import { ZstdDecompressor } from '../zstd.js';
import { DELTA_FORMS, DELTA_STREAMS, hasDictionaryMagic, NumberReader } from './delta-format.js';
import type { DeltaOps } from './delta-ops.js';
import { ALIGNMENT_SLACK_BYTES, KernelMemory } from './kernel-memory.js';
import { DELTA_DECODE_WASM_BASE64 } from './kernels/delta-decode-wasm.generated.js';

interface DecodeKernel {
  decode(base: number, baseBytes: number, plain: number, plainBytes: number, streams: number): number;
  countNumbers(from: number, end: number): number;
  list(baseBytes: number, plainBytes: number, streams: number, lists: number, copies: number): number;
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
   * What a tolerant copy says; null for a payload of another form, or with streams of more than `mostStreamBytes`.
   * @throws Error that says what is wrong with the payload
   */
  listOps(
    payload: Uint8Array,
    plainBytes: number,
    baseBytes: number,
    mostStreamBytes: number,
  ): DeltaOps | null {
    if (payload[0] !== DELTA_FORMS.tolerantCopy) return null;
    const streams = splitStreams(payload, plainBytes);
    const streamBytes = streams.reduce((sum, stream) => sum + stream.plainBytes, 0);
    if (streamBytes > mostStreamBytes) return null;
    const memory = this.#memory;
    const listsAt = Math.ceil((RESERVED_BYTES + streamBytes) / 4) * 4;
    // A copy takes a byte of the first stream, and four numbers in the lists.
    memory.ensure(listsAt + streams[0]!.plainBytes * 16 + streams[4]!.plainBytes);
    const places = this.#expandAll(streams, RESERVED_BYTES);
    const copies = memory.kernel.countNumbers(places[0]!, places[1]!);
    const answer = memory.kernel.list(baseBytes, plainBytes, STREAMS_AT, listsAt, copies);
    if (answer !== 0) throw new Error(`${REASONS[answer]}`);
    const differences = new Uint32Array(streams[4]!.plainBytes / 4);
    new Uint8Array(differences.buffer).set(memory.view(places[8]!, streams[4]!.plainBytes));
    const list = (number: number): Uint32Array =>
      memory.numbers(listsAt + number * copies * 4, copies).slice();
    return {
      ...{ copyStarts: list(0), copyEnds: list(1), sources: list(2), literalsBefore: list(3) },
      literals: memory.view(places[10]!, streams[5]!.plainBytes).slice(),
      differencesAt: memory.numbers(listsAt + 16 * copies, differences.length).slice(),
      differences,
    };
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
    const at = baseAt + baseBytes + ALIGNMENT_SLACK_BYTES;
    this.#memory.ensure(at + plainBytes);
    this.#expandAll(streams, at);
    let pieceAt = baseAt;
    for (const piece of base) {
      this.#memory.copyIn(pieceAt, piece);
      pieceAt += piece.length;
    }
    const answer = this.#memory.kernel.decode(baseAt, baseBytes, plainAt, plainBytes, STREAMS_AT);
    if (answer !== 0) throw new Error(`${REASONS[answer]}`);
    return plainAt;
  }

  /** Expands streams one after the other and tells the kernel where. @returns where each begins and ends */
  #expandAll(streams: readonly StoredStream[], from: number): number[] {
    let at = from;
    const places = streams.flatMap(({ plainBytes, stored }) => {
      this.#expand(this.#memory.view(at, plainBytes), stored);
      at += plainBytes;
      return [at - plainBytes, at];
    });
    this.#memory.numbers(STREAMS_AT, places.length).set(places);
    return places;
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

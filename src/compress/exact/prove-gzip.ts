import { LIMITS } from '../../core/limits.js';
import { CHECKPOINT_STATE_BYTES, type Checkpoint } from '../../format/checkpoint-recipe.js';
import { type EncoderSpec, encoderName } from '../../format/encoder-spec.js';
import { Sha256Stream } from '../../hash/sha256.js';
import { ByteComparer, type CompressedFile, Difference } from './byte-comparer.js';
import { CHECKPOINT_INTERVAL_BYTES, CheckpointMaker } from './checkpoint-maker.js';
import type { DeflateEncoder } from './deflate-encoder.js';
import { createEncoder } from './encoder-registry.js';
import { EncoderTries } from './encoder-tries.js';
import { findGzipHeader, GZIP_TRAILER_BYTES, gzipTrailer, isGzip } from './gzip-header.js';
import { readHeader } from './inflate-gzip.js';
import { inflateMemberNow } from './inflate-member.js';
import type { PlainFeed } from './plain-feed.js';
import { PROBE_BYTES, ProverMemory } from './prover-memory.js';

/** Encoders that may fail late, each a pass over the whole member. */
const MAX_PASSES = 6;
/** Plain bytes an encoder gets at a time, so that a wrong one is found out early. */
const STEP_BYTES = 64 * 1024;
const NO_STATE = new Uint8Array(CHECKPOINT_STATE_BYTES);

/** A gzip member that an encoder makes again exactly. */
export interface ProvenMember {
  header: Uint8Array;
  encoder: EncoderSpec;
  plainBytes: number;
}

/** Why a gzip file is kept compressed. */
export type VerbatimReason = 'damaged' | 'unknown-encoder' | 'differs-late' | 'too-complex';

/** What a whole gzip file was found to be. */
export type GzipProof =
  | {
      exact: true;
      members: ProvenMember[];
      /** What follows the last member. */
      trailing: Uint8Array;
      /** Of a large file, places from which on it can be made again. */
      checkpoints: Checkpoint[];
      plainBytes: number;
      /** SHA-256 of the file, over the very bytes that were compared. */
      digestHex: string;
    }
  | { exact: false; reason: VerbatimReason };

class Verbatim extends Error {
  readonly reason: VerbatimReason;

  constructor(reason: VerbatimReason) {
    super(reason);
    this.reason = reason;
  }
}

export interface ProveOptions {
  /** The encoder of the file before, tried first. */
  last: EncoderSpec | null;
  /** Tries in vain, of all members together, after which the file is too complex. */
  maxFailedTries?: number;
  /** Told of each encoder that is tried on the beginning of a member. */
  onTry?: (encoder: EncoderSpec) => void;
  /** Asked now and then; true ends it with an error. */
  isCancelled?: () => boolean;
  /** Plain bytes from one checkpoint to the next, at least. */
  checkpointEveryBytes?: number;
  /** What it works in; nobody else may meanwhile. */
  memory?: ProverMemory;
  /** Spares inflating what is proven, for as long as the first encoder tried on the whole of a member is the right one. */
  feed?: PlainFeed;
}

/**
 * Finds the encoders that made a gzip file, by making all of it again and comparing every byte. Works in constant
 * memory and keeps its thread busy.
 * @throws Error when it was cancelled; what the file throws
 */
export async function proveGzip(file: CompressedFile, options: ProveOptions): Promise<GzipProof> {
  try {
    return await new GzipProver(file, options).prove();
  } catch (error) {
    if (error instanceof Verbatim) return { exact: false, reason: error.reason };
    throw error;
  }
}

/** The first encoder that makes the beginning of a gzip file, as far as {@link proveGzip} looks at first, or why none does. */
export async function probeGzip(
  file: CompressedFile,
  options: ProveOptions,
): Promise<EncoderSpec | VerbatimReason> {
  const prover = new GzipProver(file, options);
  try {
    for await (const encoder of prover.candidates(0)) return encoder;
    return 'unknown-encoder';
  } catch (error) {
    if (error instanceof Verbatim) return error.reason;
    throw error;
  }
}

/** A member that was made again. */
interface ProvenPass {
  plainBytes: number;
  endAt: number;
  checkpoints: Checkpoint[];
  /** Of the file up to its end. */
  sha256: Sha256Stream;
}

/** The beginning of a member's plain bytes, valid until the next is looked at. */
interface Probe {
  header: Uint8Array;
  deflateAt: number;
  plain: Uint8Array;
  /** Where the deflate stream ends, if `plain` is all of it. */
  endAt: number | null;
}

class GzipProver {
  readonly #file: CompressedFile;
  readonly #isCancelled: () => boolean;
  readonly #everyBytes: number;
  readonly #memory: ProverMemory;
  #encoder: { name: string; encoder: DeflateEncoder } | null = null;
  readonly #tries: EncoderTries;
  readonly #onTry: (encoder: EncoderSpec) => void;
  #feed: PlainFeed | null;
  #sha256 = new Sha256Stream();
  readonly #checkpoints: Checkpoint[] = [];

  constructor(file: CompressedFile, options: ProveOptions) {
    this.#file = file;
    this.#memory = options.memory ?? new ProverMemory();
    this.#feed = options.feed ?? null;
    this.#tries = new EncoderTries(options.last, options.maxFailedTries);
    this.#onTry = options.onTry ?? (() => {});
    this.#isCancelled = options.isCancelled ?? (() => false);
    this.#everyBytes = options.checkpointEveryBytes ?? CHECKPOINT_INTERVAL_BYTES;
  }

  async prove(): Promise<GzipProof> {
    const members: ProvenMember[] = [];
    let plainBytes = 0;
    let headerBytes = 0;
    let at = 0;
    for (;;) {
      const isTooMuch = members.length >= LIMITS.gzipMembers || headerBytes > LIMITS.gzipHeadersBytes;
      if (isTooMuch) throw new Verbatim('too-complex');
      const { member, endAt } = await this.#proveMember(at, plainBytes);
      headerBytes += member.header.length;
      members.push(member);
      plainBytes += member.plainBytes;
      at = endAt;
      if (!isGzip(await this.#readHead(at))) break;
    }
    const trailing = await this.#readTrailing(at);
    this.#sha256.update(trailing);
    const digestHex = this.#sha256.hex();
    return { exact: true, members, trailing, checkpoints: this.#checkpoints, plainBytes, digestHex };
  }

  /** The encoders that make the beginning of the member at `at`. */
  async *candidates(at: number): AsyncGenerator<EncoderSpec> {
    const probe = await this.#probe(at);
    for (const encoder of this.#candidatesOf(probe)) {
      if (this.#matches(probe, encoder)) yield encoder;
    }
  }

  async #proveMember(at: number, plainAt: number): Promise<{ member: ProvenMember; endAt: number }> {
    const probe = await this.#probe(at);
    let passes = 0;
    for (const encoder of this.#candidatesOf(probe)) {
      if (!this.#matches(probe, encoder)) continue;
      if (++passes > MAX_PASSES) break;
      const proven = await this.#pass(probe, encoder, plainAt);
      if (!proven) {
        this.#tries.failed(encoder, null);
        continue;
      }
      const { plainBytes, endAt, checkpoints } = proven;
      this.#sha256 = proven.sha256;
      if (this.#nextDueAt <= plainAt) {
        this.#checkpoints.push({ plainBytes: plainAt, compressedBytes: at, crc: 0, state: NO_STATE });
      }
      for (const checkpoint of checkpoints) this.#checkpoints.push(checkpoint);
      this.#tries.succeeded(encoder);
      return { member: { header: probe.header.slice(), encoder, plainBytes }, endAt };
    }
    if (this.#tries.areUsedUp) throw new Verbatim('too-complex');
    throw new Verbatim(passes > 0 ? 'differs-late' : 'unknown-encoder');
  }

  #candidatesOf({ header, deflateAt }: Probe): Generator<EncoderSpec> {
    const { head } = this.#memory;
    return this.#tries.forMember(header, () => head.subarray(0, this.#file.read(head, deflateAt)));
  }

  async #probe(at: number): Promise<Probe> {
    const header = findGzipHeader(await this.#readHead(at));
    if (header === null) throw new Verbatim('damaged');
    const deflateAt = at + header.length;
    const { plain } = this.#memory;
    let fill = 0;
    const pieces = this.#inflate(deflateAt);
    for (;;) {
      const next = pieces.next();
      if (next.done) return { header, deflateAt, plain: plain.subarray(0, fill), endAt: next.value };
      const taken = next.value.subarray(0, PROBE_BYTES - fill);
      plain.set(taken, fill);
      fill += taken.length;
      if (taken.length < next.value.length) break;
    }
    pieces.return(0);
    return { header, deflateAt, plain, endAt: null };
  }

  /** True when the encoder makes what the file has, as far as the probe goes. */
  #matches(probe: Probe, spec: EncoderSpec): boolean {
    this.#checkCancelled();
    this.#onTry(spec);
    const comparer = new ByteComparer(this.#file, probe.deflateAt, null, this.#memory.compared);
    const encoder = this.#encoderOf(spec);
    let at = 0;
    try {
      for (; at < probe.plain.length; at += STEP_BYTES) {
        encoder.write(probe.plain.subarray(at, at + STEP_BYTES), comparer.compare);
      }
      if (probe.endAt !== null) encoder.finish(comparer.compare);
    } catch (error) {
      if (!(error instanceof Difference)) throw error;
      this.#tries.failed(spec, at < probe.plain.length ? at + STEP_BYTES : null);
      return false;
    }
    const isAll = probe.endAt === null || comparer.position === probe.endAt;
    if (!isAll) this.#tries.failed(spec, null);
    return isAll;
  }

  /** Plain bytes after which a checkpoint is due. */
  get #nextDueAt(): number {
    return (this.#checkpoints.at(-1)?.plainBytes ?? 0) + this.#everyBytes;
  }

  /** Makes the whole member again. @returns null when the encoder differs */
  async #pass(
    probe: Probe,
    spec: EncoderSpec,
    plainAt: number,
    withStates = true,
  ): Promise<ProvenPass | null> {
    const sha256 = this.#sha256.copy();
    sha256.update(probe.header);
    const comparer = new ByteComparer(this.#file, probe.deflateAt, sha256, this.#memory.compared);
    const spare = withStates ? () => createEncoder(spec, this.#memory.spareKernels) : null;
    // Where one is due at once, the member's beginning becomes one.
    const dueAt = this.#nextDueAt > plainAt ? this.#nextDueAt : plainAt + this.#everyBytes;
    const due = { plainAt, dueAt, everyBytes: this.#everyBytes, tail: this.#memory.tail };
    const maker = new CheckpointMaker(comparer, this.#encoderOf(spec), spare, due);
    const pieces = this.#plainOf(probe.deflateAt);
    try {
      for (;;) {
        this.#checkCancelled();
        const next = await pieces.next();
        if (!next.done) {
          maker.write(next.value);
          continue;
        }
        maker.finish();
        if (comparer.position !== next.value) return this.#missed();
        const { crc, plainBytes, checkpoints } = maker;
        comparer.compareTrailer(gzipTrailer(crc, plainBytes));
        return { plainBytes, endAt: next.value + GZIP_TRAILER_BYTES, checkpoints, sha256 };
      }
    } catch (error) {
      if (!(error instanceof Difference)) throw error;
      if (error.isInTrailer) return this.#refuse('damaged');
      this.#missed();
      if (!maker.isDoubtful) return null;
    } finally {
      await pieces.return(0);
    }
    return this.#pass(probe, spec, plainAt, false);
  }

  /** The member must be gone through again: what was fed of it is gone. */
  #missed(): null {
    this.#feed?.close();
    this.#feed = null;
    return null;
  }

  /** The plain bytes of the member whose deflate stream begins there. @returns where it ends */
  async *#plainOf(deflateAt: number): AsyncGenerator<Uint8Array, number> {
    const feed = this.#feed;
    if (!feed) return yield* this.#inflate(deflateAt);
    for (;;) {
      const next = await feed.next();
      if (next === null) return this.#refuse('damaged');
      if (typeof next === 'number') return next;
      yield next;
    }
  }

  #refuse(reason: VerbatimReason): never {
    throw new Verbatim(reason);
  }

  /** What does not inflate is kept as it is. */
  *#inflate(deflateAt: number): Generator<Uint8Array, number> {
    try {
      return yield* inflateMemberNow(this.#file, deflateAt, this.#memory.inflater);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code?.startsWith('Z_')) throw new Verbatim('damaged');
      throw error;
    }
  }

  /** A fresh stream of an encoder; the one used last is kept. */
  #encoderOf(spec: EncoderSpec): DeflateEncoder {
    const name = encoderName(spec);
    if (this.#encoder?.name === name) this.#encoder.encoder.reset();
    else this.#encoder = { name, encoder: createEncoder(spec, this.#memory.kernels) };
    return this.#encoder.encoder;
  }

  #readHead(at: number): Promise<Uint8Array> {
    return readHeader((into, position) => this.#file.read(into, position), at, this.#memory.header);
  }

  async #readTrailing(at: number): Promise<Uint8Array> {
    const restBytes = this.#file.sizeBytes - at;
    if (restBytes > LIMITS.gzipTrailingBytes) throw new Verbatim('too-complex');
    const trailing = new Uint8Array(restBytes);
    for (let done = 0; done < restBytes; ) {
      const count = this.#file.read(trailing.subarray(done), at + done);
      if (count === 0) throw new Verbatim('damaged');
      done += count;
    }
    return trailing;
  }

  #checkCancelled(): void {
    if (this.#isCancelled()) throw new Error('cancelled');
  }
}

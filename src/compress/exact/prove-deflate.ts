import { type EncoderSpec, encoderName } from '../../format/encoder-spec.js';
import { ByteComparer, type CompressedFile, Difference } from './byte-comparer.js';
import type { DeflateEncoder } from './deflate-encoder.js';
import { encoderCandidates } from './detect-encoder.js';
import { createEncoder } from './encoder-registry.js';
import { inflateMemberNow } from './inflate-member.js';
import { type KlauspostLevel, klauspostVariants } from './klauspost/klauspost-encoder.js';
import { PROBE_BYTES, ProverMemory } from './prover-memory.js';

/** Plain bytes an encoder gets at a time, so that a wrong one is found out early. */
const STEP_BYTES = 64 * 1024;
/** Encoders that may fail late, each a pass over the whole stream. */
const MAX_PASSES = 4;
/** What is packed more tightly is no file that anyone edits, but it could cost hours. */
const MAX_RATIO = 64;
const RATIO_FREE_BYTES = 64 * 1024;
/** What most programs make; tried on every stream. */
const USUAL: EncoderSpec = { family: 'zlib', level: 6, memLevel: 8 };
/** What archivers use: the levels people choose, the usual first. */
const LEVELS = [6, 9, 1, 8, 7, 5, 4, 3, 2] as const;

/** A deflate stream that an encoder makes again exactly. */
export interface ProvenDeflate {
  encoder: EncoderSpec;
  plainBytes: number;
  /** All of them, if they are few; valid until the next stream is looked at. */
  plain: Uint8Array | null;
}

export interface SearchOptions {
  /** Tried first, in this order. */
  likely: readonly EncoderSpec[];
  /** Where none of these is right: whether to try all others. */
  maySearch: boolean;
  /** The header of a gzip file, which tells the likely encoders; null for a file of an archive. */
  header: Uint8Array | null;
}

/** Finds the encoders that made deflate streams, by making them again and comparing every byte. Keeps its thread busy. */
export class DeflateProver {
  readonly #memory: ProverMemory;
  #encoder: { name: string; encoder: DeflateEncoder } | null = null;

  /** @param memory which nobody else uses while it proves */
  constructor(memory = new ProverMemory()) {
    this.#memory = memory;
  }

  /**
   * Tries encoders on a stream that fills the file.
   * @returns null when none makes it, when it is damaged or when it inflates to too much
   */
  prove(file: CompressedFile, options: SearchOptions): ProvenDeflate | null {
    const maxBytes = RATIO_FREE_BYTES + file.sizeBytes * MAX_RATIO;
    const probe = this.#probe(file);
    if (!probe || probe.plain.length === 0 || probe.plain.length > maxBytes) return null;
    let passes = 0;
    for (const encoder of candidatesOf(file, options)) {
      if (!this.#makes(file, encoder, probe)) continue;
      if (probe.isWhole) return { encoder, plainBytes: probe.plain.length, plain: probe.plain };
      const plainBytes = this.#pass(file, encoder, maxBytes);
      if (plainBytes !== null) return { encoder, plainBytes, plain: null };
      if (++passes === MAX_PASSES) break;
    }
    return null;
  }

  /** Null when it does not inflate, or ends before the file does. */
  #probe(file: CompressedFile): Probe | null {
    const { plain, inflater } = this.#memory;
    const pieces = inflateMemberNow(file, 0, inflater);
    let fill = 0;
    try {
      for (;;) {
        const next = pieces.next();
        if (next.done)
          return next.value === file.sizeBytes ? { plain: plain.subarray(0, fill), isWhole: true } : null;
        const taken = next.value.subarray(0, plain.length - fill);
        plain.set(taken, fill);
        fill += taken.length;
        if (taken.length < next.value.length) return { plain, isWhole: false };
      }
    } catch (error) {
      if (isZlibError(error)) return null;
      throw error;
    }
  }

  #makes(file: CompressedFile, spec: EncoderSpec, { plain, isWhole }: Probe): boolean {
    const comparer = new ByteComparer(file, 0, null, this.#memory.compared);
    const encoder = this.#encoderOf(spec);
    try {
      for (let at = 0; at < plain.length; at += STEP_BYTES)
        encoder.write(plain.subarray(at, at + STEP_BYTES), comparer.compare);
      if (isWhole) encoder.finish(comparer.compare);
    } catch (error) {
      if (error instanceof Difference) return false;
      throw error;
    }
    return !isWhole || comparer.position === file.sizeBytes;
  }

  /** Makes all of a stream. @returns its plain bytes; null when it differs */
  #pass(file: CompressedFile, spec: EncoderSpec, maxBytes: number): number | null {
    const comparer = new ByteComparer(file, 0, null, this.#memory.compared);
    const encoder = this.#encoderOf(spec);
    const pieces = inflateMemberNow(file, 0, this.#memory.inflater);
    let plainBytes = 0;
    try {
      for (;;) {
        const next = pieces.next();
        if (next.done) {
          encoder.finish(comparer.compare);
          return next.value === file.sizeBytes && comparer.position === next.value ? plainBytes : null;
        }
        plainBytes += next.value.length;
        if (plainBytes > maxBytes) return null;
        encoder.write(next.value, comparer.compare);
      }
    } catch (error) {
      if (error instanceof Difference || isZlibError(error)) return null;
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
}

/** The plain bytes of a stream, or the beginning of them, in the prover's memory. */
interface Probe {
  plain: Uint8Array;
  isWhole: boolean;
}

function isZlibError(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code?.startsWith('Z_') ?? false;
}

/** Each once, though a likely one comes up again. */
function* candidatesOf(
  file: CompressedFile,
  { likely, maySearch, header }: SearchOptions,
): Generator<EncoderSpec> {
  const tried = new Set<string>();
  const all = function* (): Generator<EncoderSpec> {
    yield* likely;
    yield USUAL;
    if (maySearch) yield* header ? gzipCandidates(file, header) : archiveCandidates();
  };
  for (const encoder of all()) {
    const name = encoderName(encoder);
    if (tried.has(name)) continue;
    tried.add(name);
    yield encoder;
  }
}

function gzipCandidates(file: CompressedFile, header: Uint8Array): Generator<EncoderSpec> {
  return encoderCandidates(header, () => {
    const head = new Uint8Array(Math.min(file.sizeBytes, PROBE_BYTES));
    return head.subarray(0, file.read(head, 0));
  });
}

/** Java, Python and most others use zlib; Info-ZIP has the deflate of GNU gzip, Go its own, Node Chromium's zlib. */
function* archiveCandidates(): Generator<EncoderSpec> {
  for (const level of LEVELS) yield { family: 'zlib', level, memLevel: 8 };
  for (const level of LEVELS) yield { family: 'gnu', level };
  for (const level of [5, 6, 9, 1, 8, 7, 4, 3, 2, 10, 0]) yield { family: 'go', level };
  for (const level of [6, 9, 8, 1])
    for (const hash of ['product', 'crc'] as const) yield { family: 'chromium', level, hash, memLevel: 8 };
  for (const level of LEVELS) yield { family: 'zlib', level, memLevel: 9 };
  for (const level of [5, 6, 9, 1] as KlauspostLevel[])
    for (const variant of klauspostVariants(level)) yield { family: 'klauspost', level, variant };
}

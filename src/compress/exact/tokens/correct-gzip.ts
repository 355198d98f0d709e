import { LIMITS } from '../../../core/limits.js';
import type { GzipMember } from '../../../format/gzip-recipe.js';
import { crc32 } from '../../../hash/crc32.js';
import { Sha256Stream } from '../../../hash/sha256.js';
import { ByteComparer, type CompressedFile, Difference } from '../byte-comparer.js';
import { findGzipHeader, GZIP_TRAILER_BYTES, gzipTrailer, isGzip } from '../gzip-header.js';
import { CorrectedEncoder } from './corrected-encoder.js';
import { type CorrectionFrame, encodeFrame } from './correction-frame.js';
import { CannotTakeApart, StreamTaker } from './take-apart.js';
import { TOKEN_MODELS, type TokenModel } from './token-models.js';

/** Of a file's compressed bytes, what each model is tried on, and how much of them corrections may take. */
const PROBE_BYTES = 128 * 1024;
const MOST_SHARE = 0.1;
/** No other model is tried then. */
const NEAR_ENOUGH = 0.005;
/** What the recipes take beside the corrections, about. */
const RECIPES_BYTES = 256;
/** A share is looked at early once so much of the file was taken apart. */
const EARLY_BYTES = 1024 * 1024;
/** Plain bytes waiting for the frame that is for them: beyond, its blocks are longer than any encoder's. */
const MOST_WAITING_BYTES = 64 * 1024 * 1024;
/** Plain bytes a step takes, about. */
const STEP_BYTES = 4 * 1024 * 1024;

/** What a whole gzip file was found to be. */
export interface CorrectedGzip {
  model: string;
  members: GzipMember[];
  trailing: Uint8Array;
  plainBytes: number;
  correctionBytes: number;
  /** SHA-256 of the file, over the very bytes that were compared. */
  digestHex: string;
}

/** The corrections of the next stretch, as they are to be stored, and at the end what the file is; null when it cannot be. */
export type CorrectionStep = { frames: Uint8Array; found: CorrectedGzip | null } | null;

/**
 * Takes a gzip file apart with the model that needs the least corrections, puts it together again and compares every byte.
 * Works in bounded memory.
 */
export class GzipCorrector {
  readonly #file: CompressedFile;
  readonly #taker: StreamTaker;
  readonly #encoder: CorrectedEncoder;
  readonly #model: number;
  readonly #members: GzipMember[] = [];
  readonly #sha256 = new Sha256Stream();
  #comparer: ByteComparer | null = null;
  #header: Uint8Array = new Uint8Array(0);
  #headerBytes = 0;
  /** Where the next member begins. */
  #at = 0;
  #crc = 0;
  #memberBytes = 0;
  #plainBytes = 0;
  #correctionBytes = 0;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;

  private constructor(file: CompressedFile, model: number) {
    this.#file = file;
    this.#model = model;
    this.#taker = new StreamTaker(file, TOKEN_MODELS[model - 1]!);
    this.#encoder = new CorrectedEncoder(TOKEN_MODELS[model - 1]!);
  }

  /** Finds the model. @returns null when none is near enough, or the file is no gzip file. @throws what the file throws */
  static open(file: CompressedFile): GzipCorrector | null {
    const header = findGzipHeader(readHead(file, 0));
    if (!header) return null;
    let best = { model: 0, share: MOST_SHARE };
    for (const [index, model] of TOKEN_MODELS.entries()) {
      const share = shareOf(file, header.length, model);
      if (share < best.share) best = { model: index + 1, share };
      if (share < NEAR_ENOUGH) break;
    }
    return best.model === 0 ? null : new GzipCorrector(file, best.model);
  }

  /** Goes on for some MiB. @returns null when the file is damaged, too complex or needs too many corrections */
  step(): CorrectionStep {
    try {
      return this.#step();
    } catch (error) {
      if (error instanceof CannotTakeApart || error instanceof Difference || error instanceof RangeError)
        return null;
      throw error;
    }
  }

  #step(): CorrectionStep {
    const frames: Uint8Array[] = [];
    for (const until = this.#plainBytes + STEP_BYTES; this.#plainBytes < until; ) {
      if (!this.#comparer && !this.#beginMember()) return null;
      const piece = this.#taker.step();
      if (!piece) return null;
      this.#keep(piece.plain);
      if (piece.frame) {
        const frame = encodeFrame(piece.frame);
        frames.push(frame);
        this.#correctionBytes += frame.length;
        if (this.#isTooLong(this.#comparer!.position, EARLY_BYTES)) return null;
        this.#rebuild(copyFrame(piece.frame));
      }
      if (piece.endAt === null) continue;
      this.#endMember(piece.endAt);
      if (isGzip(readHead(this.#file, this.#at))) continue;
      return this.#finish(frames);
    }
    return { frames: Buffer.concat(frames), found: null };
  }

  #isTooLong(fileBytes: number, leastBytes: number): boolean {
    return fileBytes > leastBytes && this.#correctionBytes + RECIPES_BYTES > fileBytes * MOST_SHARE;
  }

  #beginMember(): boolean {
    const header = findGzipHeader(readHead(this.#file, this.#at));
    if (!header || this.#members.length >= LIMITS.gzipMembers) return false;
    this.#headerBytes += header.length;
    if (this.#headerBytes > LIMITS.gzipHeadersBytes) return false;
    this.#header = new Uint8Array(header);
    this.#sha256.update(this.#header);
    const deflateAt = this.#at + header.length;
    this.#comparer = new ByteComparer(this.#file, deflateAt, this.#sha256);
    this.#taker.begin(deflateAt);
    this.#encoder.reset();
    this.#crc = 0;
    this.#memberBytes = 0;
    return true;
  }

  #keep(plain: Uint8Array): void {
    this.#crc = crc32(plain, this.#crc);
    this.#memberBytes += plain.length;
    this.#plainBytes += plain.length;
    this.#waiting.push(plain.slice());
    this.#waitingBytes += plain.length;
    if (this.#waitingBytes > MOST_WAITING_BYTES) throw new CannotTakeApart(false);
  }

  /** Puts what waited for the frame together. What comes after its plain bytes is looked at only, and kept in mind there. */
  #rebuild(frame: CorrectionFrame): void {
    this.#encoder.give(frame);
    let ready = frame.plainBytes;
    const { compare } = this.#comparer!;
    while (ready > 0) {
      const first = this.#waiting[0]!;
      const piece = first.subarray(0, ready);
      this.#encoder.write(piece, compare);
      ready -= piece.length;
      this.#waitingBytes -= piece.length;
      if (piece.length === first.length) this.#waiting.shift();
      else this.#waiting[0] = first.subarray(piece.length);
    }
  }

  #endMember(endAt: number): void {
    const comparer = this.#comparer!;
    this.#encoder.finish(comparer.compare);
    if (comparer.position !== endAt) throw new CannotTakeApart(true);
    comparer.compareTrailer(gzipTrailer(this.#crc, this.#memberBytes));
    this.#members.push({
      header: this.#header,
      encoder: { family: 'corrected', level: this.#model },
      plainBytes: this.#memberBytes,
    });
    this.#comparer = null;
    this.#at = endAt + GZIP_TRAILER_BYTES;
  }

  #finish(frames: Uint8Array[]): CorrectionStep {
    const trailing = this.#readTrailing();
    if (!trailing || this.#isTooLong(this.#file.sizeBytes, 0)) return null;
    this.#sha256.update(trailing);
    const found: CorrectedGzip = {
      model: TOKEN_MODELS[this.#model - 1]!.name,
      members: this.#members,
      trailing,
      plainBytes: this.#plainBytes,
      correctionBytes: this.#correctionBytes,
      digestHex: this.#sha256.hex(),
    };
    return { frames: Buffer.concat(frames), found };
  }

  #readTrailing(): Uint8Array | null {
    const trailing = new Uint8Array(Math.min(this.#file.sizeBytes - this.#at, LIMITS.gzipTrailingBytes + 1));
    if (trailing.length > LIMITS.gzipTrailingBytes) return null;
    return readFully(this.#file, trailing, this.#at) === trailing.length ? trailing : null;
  }
}

/** Which part of the first compressed bytes their corrections are. */
function shareOf(file: CompressedFile, deflateAt: number, model: TokenModel): number {
  const taker = new StreamTaker(file, model, Math.min(file.sizeBytes, deflateAt + PROBE_BYTES));
  taker.begin(deflateAt);
  let bytes = 0;
  try {
    for (;;) {
      const piece = taker.step();
      if (!piece) break;
      if (piece.frame) bytes += piece.frame.tokens.length + piece.frame.blocks.length;
      if (piece.endAt !== null) break;
    }
  } catch (error) {
    if (error instanceof CannotTakeApart) return 1;
    throw error;
  }
  return (bytes + taker.pendingBytes) / Math.max(1, taker.position - deflateAt);
}

function copyFrame({ plainBytes, blockCount, tokens, blocks }: CorrectionFrame): CorrectionFrame {
  return { plainBytes, blockCount, tokens: tokens.slice(), blocks: blocks.slice() };
}

function readHead(file: CompressedFile, at: number): Uint8Array {
  const head = new Uint8Array(LIMITS.gzipHeaderBytes);
  return head.subarray(0, readFully(file, head, at));
}

/** @returns how many bytes there were */
function readFully(file: CompressedFile, into: Uint8Array, at: number): number {
  let done = 0;
  while (done < into.length) {
    const count = file.read(into.subarray(done), at + done);
    if (count === 0) break;
    done += count;
  }
  return done;
}

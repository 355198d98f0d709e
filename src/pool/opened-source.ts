import type { MakeStep } from '../compress/exact/parts-maker.js';
import { DbupError } from '../core/errors.js';
import { UnknownEncoderError } from '../format/encoder-spec.js';
import { type OpenedPart, OpenedPartsDecoder } from '../format/opened-parts.js';
import { type ByteSource, fillFrom, NOTHING } from './byte-source.js';
import { cannotMakeAgain } from './cannot-make-again.js';
import type { EncodeAnswer, EncodeSlot } from './encode-slot.js';
import { EncodedPieces, type PieceUnderWay } from './encoded-pieces.js';
import type { GzipWorkers } from './gzip-workers.js';

/** Handed over at a time, and pieces under way. */
const PIECE_BYTES = 512 * 1024;
const PIECES_AHEAD = 5;
const ENCODED_BYTES = PIECE_BYTES + 64 * 1024;
/** Steps of one piece: a hostile list has one for each byte. */
const MAX_STEPS = 8192;
/** Bytes that stay as they are and come in such a number need not go through a thread. */
const PASSED_BYTES = 64 * 1024;
/** Threads that make one segment. */
const LANES = 2;
/** For errors. */
const WHAT = 'a compressed file in a layer';

export interface OpenedStreams {
  contents: ByteSource;
  frames: ByteSource;
  parts: ByteSource;
}

/** A part, of which `leftBytes` are to come. */
interface OpenPart {
  part: OpenedPart;
  leftBytes: number;
}

/** The bytes of an opened segment, its deflate streams made again in other threads, ahead of the reader. Closes its streams. */
export class OpenedSource implements ByteSource {
  current: Uint8Array = NOTHING;
  readonly #streams: OpenedStreams;
  readonly #workers: GzipWorkers;
  readonly #lanes: PartsLane[] = [];
  #lane = LANES - 1;
  readonly #decoder = new OpenedPartsDecoder();
  #part: OpenPart | null = null;
  readonly #pieces: EncodedPieces;
  readonly #freeSlots: EncodeSlot[] = [];
  /** Where `current` is from, when it goes past the threads. */
  #passed: ByteSource | null = null;
  /** What the parts that are to come must make. */
  #leftBytes: number;
  #hasEnded = false;

  /** @param sizeBytes what comes out */
  constructor(workers: GzipWorkers, streams: OpenedStreams, sizeBytes: number) {
    this.#workers = workers;
    this.#streams = streams;
    this.#leftBytes = sizeBytes;
    this.#pieces = new EncodedPieces({
      piecesAhead: PIECES_AHEAD,
      handOver: () => this.#handOver(),
      returnSlot: (slot) => this.#freeSlots.push(slot),
      explain: (error) => cannotMakeAgain(WHAT, error),
    });
  }

  consume(byteCount: number): void {
    this.current = this.current.subarray(byteCount);
    if (!this.#passed) return;
    this.#passed.consume(byteCount);
    this.#take(byteCount);
  }

  async advance(): Promise<boolean> {
    this.#passed = null;
    this.current = await this.#pieces.next();
    if (this.current.length > 0) return true;
    if (this.#hasEnded) return false;
    await this.#pass();
    return true;
  }

  async close(): Promise<void> {
    this.#pieces.close();
    for (const lane of this.#lanes.splice(0)) lane.close();
    const { contents, frames, parts } = this.#streams;
    await contents.close();
    await frames.close();
    await parts.close();
  }

  /** Sends the next piece; null when the next bytes pass as they are, or at the end. */
  async #handOver(): Promise<PieceUnderWay | null> {
    if (this.#hasEnded) return null;
    const steps: MakeStep[] = [];
    // What was begun in one thread goes on there.
    const continues = this.#part !== null;
    const slot = this.#freeSlots.pop() ?? newSlot();
    let fill = 0;
    while (fill < PIECE_BYTES && steps.length < MAX_STEPS) {
      const open = await this.#openPart();
      if (!open || passesBy(open)) break;
      const { part, leftBytes } = open;
      const taken = Math.min(leftBytes, PIECE_BYTES - fill);
      const filled = await fillFrom(this.#sourceOf(part), slot.plain.subarray(fill, fill + taken));
      if (filled < taken) throw doNotAgree();
      fill += taken;
      const encoder = part.kind === 'deflated' ? part.encoder : null;
      steps.push({ encoder, sizeBytes: taken, isEnd: taken === leftBytes });
      this.#take(taken);
    }
    if (steps.length === 0) {
      this.#freeSlots.push(slot);
      return null;
    }
    if (!continues) this.#lane = (this.#lane + 1) % LANES;
    this.#lanes[this.#lane] ??= new PartsLane(this.#workers);
    const answer = this.#lanes[this.#lane]!.make(slot, steps);
    return { slot, answer };
  }

  async #pass(): Promise<void> {
    const { part, leftBytes } = this.#part!;
    const source = this.#sourceOf(part);
    if (source.current.length === 0 && !(await source.advance())) throw doNotAgree();
    this.#passed = source;
    this.current = source.current.subarray(0, leftBytes);
  }

  #take(byteCount: number): void {
    const open = this.#part!;
    open.leftBytes -= byteCount;
    if (open.leftBytes === 0) this.#part = null;
  }

  #sourceOf({ kind }: OpenedPart): ByteSource {
    return kind === 'frame' ? this.#streams.frames : this.#streams.contents;
  }

  /** The part whose bytes come next; null at the end, where everything must have been used. */
  async #openPart(): Promise<OpenPart | null> {
    if (this.#part || this.#hasEnded) return this.#part;
    try {
      const part = await this.#nextPart();
      if (part) {
        this.#part = { part, leftBytes: part.sizeBytes };
        this.#leftBytes -= part.kind === 'deflated' ? part.deflatedBytes : part.sizeBytes;
      }
    } catch (error) {
      throw error instanceof RangeError ? damagedParts(error) : error;
    }
    if (this.#leftBytes < 0) throw doNotAgree();
    if (this.#part) return this.#part;
    this.#hasEnded = true;
    if (this.#leftBytes > 0) throw doNotAgree();
    for (const source of [this.#streams.contents, this.#streams.frames]) {
      if (source.current.length > 0 || (await source.advance())) throw doNotAgree();
    }
    return null;
  }

  async #nextPart(): Promise<OpenedPart | null> {
    const { parts } = this.#streams;
    for (;;) {
      const part = this.#decoder.next();
      if (part) return part;
      if (!(await parts.advance())) break;
      this.#decoder.push(parts.current);
      parts.consume(parts.current.length);
    }
    this.#decoder.finish();
    return null;
  }
}

/** One thread that makes pieces of a segment in order. */
class PartsLane {
  readonly #lane: ReturnType<GzipWorkers['openLane']>;

  constructor(workers: GzipWorkers) {
    this.#lane = workers.openLane();
  }

  make(slot: EncodeSlot, steps: readonly MakeStep[]): Promise<EncodeAnswer> {
    return this.#lane.run({ type: 'make', maker: this.#lane.number, slot, steps });
  }

  close(): void {
    this.#lane.run({ type: 'end-make', maker: this.#lane.number }).catch(() => {});
    this.#lane.close();
  }
}

function passesBy({ part, leftBytes }: OpenPart): boolean {
  return part.kind !== 'deflated' && leftBytes >= PASSED_BYTES;
}

function newSlot(): EncodeSlot {
  return {
    plain: new Uint8Array(new SharedArrayBuffer(PIECE_BYTES)),
    encoded: new Uint8Array(new SharedArrayBuffer(ENCODED_BYTES)),
  };
}

function doNotAgree(): DbupError {
  return new DbupError('POOL_DAMAGED', 'an opened segment and its list of parts do not agree', {
    hint: 'Run `dbup verify`.',
  });
}

function damagedParts(error: RangeError): DbupError {
  if (error instanceof UnknownEncoderError) return cannotMakeAgain(WHAT, error);
  return new DbupError('POOL_DAMAGED', `the parts of an opened segment are damaged: ${error.message}`, {
    hint: 'Run `dbup verify`.',
  });
}

import { NOTHING } from './byte-source.js';
import type { EncodeAnswer, EncodeSlot } from './encode-slot.js';

/** A piece that a thread is making. */
export interface PieceUnderWay {
  readonly slot: EncodeSlot;
  readonly answer: Promise<EncodeAnswer>;
  /** Called when the answer has come. */
  readonly done?: () => void;
}

/** What {@link EncodedPieces} are for. */
export interface PieceMaker {
  /** Pieces under way at a time. */
  readonly piecesAhead: number;
  /** Sends the next piece to its thread; null when none can be sent now. */
  handOver(): Promise<PieceUnderWay | null>;
  /** Takes back a slot that no thread writes to any more. */
  returnSlot(slot: EncodeSlot): void;
  /** What is wrong, of an error that a thread answered. */
  explain(error: unknown): Error;
}

/** Pieces that threads make, some ahead of the reader, as the bytes they become, in the order they were handed over. */
export class EncodedPieces {
  readonly #maker: PieceMaker;
  readonly #ahead: PieceUnderWay[] = [];
  /** What comes after the bytes given last, the next at the end: of many, taking the first takes long. And the slot these are in. */
  #rest: Uint8Array[] = [];
  #slot: EncodeSlot | null = null;

  constructor(maker: PieceMaker) {
    this.#maker = maker;
  }

  /**
   * The next bytes, which stay as they are until it is asked for more; none when there is nothing under way.
   * @throws what `handOver` and `explain` say
   */
  async next(): Promise<Uint8Array> {
    for (;;) {
      const bytes = this.#rest.pop();
      if (bytes) return bytes;
      this.#releaseSlot();
      await this.#handOver();
      const piece = this.#ahead.shift();
      if (!piece) return NOTHING;
      const { encodedBytes, rest } = await piece.answer.catch((error) => {
        throw this.#maker.explain(error);
      });
      piece.done?.();
      this.#slot = piece.slot;
      const pieces = [piece.slot.encoded.subarray(0, encodedBytes), ...rest];
      this.#rest = pieces.filter(({ length }) => length > 0).reverse();
    }
  }

  /** Gives all slots back, those under way as soon as no thread writes to them. */
  close(): void {
    for (const { answer, slot } of this.#ahead.splice(0))
      answer.finally(() => this.#maker.returnSlot(slot)).catch(() => {});
    this.#rest = [];
    this.#releaseSlot();
  }

  async #handOver(): Promise<void> {
    while (this.#ahead.length < this.#maker.piecesAhead) {
      const piece = await this.#maker.handOver();
      if (!piece) return;
      // Whoever closes early never asks.
      piece.answer.catch(() => {});
      this.#ahead.push(piece);
    }
  }

  #releaseSlot(): void {
    if (this.#slot) this.#maker.returnSlot(this.#slot);
    this.#slot = null;
  }
}

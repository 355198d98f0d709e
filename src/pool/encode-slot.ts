/** Memory shared with the thread: plain bytes on the way there, what they make on the way back. */
export interface EncodeSlot {
  plain: Uint8Array<SharedArrayBuffer>;
  encoded: Uint8Array<SharedArrayBuffer>;
}

/** How much of the slot is filled with compressed bytes, and those that did not fit into it. */
export interface EncodeAnswer {
  encodedBytes: number;
  rest: Uint8Array[];
}

/** Puts bytes into a slot, one after the other; a piece's bytes need not stay as they are. */
export class SlotFiller {
  readonly answer: EncodeAnswer = { encodedBytes: 0, rest: [] };
  readonly #slot: EncodeSlot;

  constructor(slot: EncodeSlot) {
    this.#slot = slot;
  }

  readonly take = (bytes: Uint8Array): void => {
    const { answer } = this;
    const { encoded } = this.#slot;
    const fits = answer.rest.length > 0 ? 0 : encoded.length - answer.encodedBytes;
    encoded.set(bytes.subarray(0, fits), answer.encodedBytes);
    answer.encodedBytes += Math.min(fits, bytes.length);
    if (bytes.length > fits) answer.rest.push(new Uint8Array(bytes.subarray(fits)));
  };
}

/** Corrections of a stretch of plain bytes (docs/format.md, "Corrections"). */
export interface CorrectionFrame {
  /** Of the plain bytes that `tokens` is for. */
  plainBytes: number;
  blockCount: number;
  tokens: Uint8Array;
  blocks: Uint8Array;
}

const HEAD_BYTES = 16;
/** Far more than a frame has: what claims more is damaged. */
const MOST_TOKEN_BYTES = 2 * 1024 * 1024;
const MOST_BLOCK_BYTES = 512 * 1024;

/** A frame as it lies in a stream of corrections. */
export function encodeFrame({ plainBytes, blockCount, tokens, blocks }: CorrectionFrame): Uint8Array {
  const head = Buffer.alloc(HEAD_BYTES);
  for (const [i, value] of [plainBytes, blockCount, tokens.length, blocks.length].entries()) {
    head.writeUInt32LE(value, 4 * i);
  }
  return Buffer.concat([head, tokens, blocks]);
}

/** Finds the frames in a stream of corrections that comes in pieces. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0);
  #pieces: Buffer[] = [];
  #pieceBytes = 0;
  #wantedBytes = HEAD_BYTES;

  /** Takes the next bytes, which are copied. @throws RangeError when they are no frames */
  push(bytes: Uint8Array): CorrectionFrame[] {
    this.#pieces.push(Buffer.from(bytes));
    this.#pieceBytes += bytes.length;
    const frames: CorrectionFrame[] = [];
    while (this.#rest.length + this.#pieceBytes >= this.#wantedBytes) {
      this.#rest = Buffer.concat([this.#rest, ...this.#pieces]);
      this.#pieces = [];
      this.#pieceBytes = 0;
      const frame = this.#take();
      if (frame) frames.push(frame);
    }
    return frames;
  }

  /** True when no frame is cut off. */
  get isAtEnd(): boolean {
    return this.#rest.length + this.#pieceBytes === 0;
  }

  #take(): CorrectionFrame | null {
    const rest = this.#rest;
    const [plainBytes, blockCount, tokenBytes, blockBytes] = [0, 4, 8, 12].map((at) => rest.readUInt32LE(at));
    if (tokenBytes! > MOST_TOKEN_BYTES || blockBytes! > MOST_BLOCK_BYTES) {
      throw new RangeError('a frame of corrections claims too much');
    }
    const end = HEAD_BYTES + tokenBytes! + blockBytes!;
    if (rest.length < end) {
      this.#wantedBytes = end;
      return null;
    }
    this.#wantedBytes = HEAD_BYTES;
    this.#rest = rest.subarray(end);
    const tokens = rest.subarray(HEAD_BYTES, HEAD_BYTES + tokenBytes!);
    return {
      plainBytes: plainBytes!,
      blockCount: blockCount!,
      tokens,
      blocks: rest.subarray(HEAD_BYTES + tokenBytes!, end),
    };
  }
}

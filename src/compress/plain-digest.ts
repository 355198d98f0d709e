import { Sha256Stream } from '../hash/sha256.js';
import { COMPRESSION_MAGIC_BYTES, type Compression, detectCompression, inflate } from './inflate.js';

/** What compressed bytes inflate to. */
export interface PlainDigest {
  compression: Compression;
  digestHex: string;
  sizeBytes: number;
}

/** Tells from the first bytes that pass whether they are compressed, and if so inflates and hashes them, keeping nothing. */
export class PlainDigester {
  readonly #head = new Uint8Array(COMPRESSION_MAGIC_BYTES);
  #headBytes = 0;
  #inflating: InflatingDigester | null = null;

  /** The bytes are the caller's again when the promise resolves; it waits while the inflater is behind. */
  async write(bytes: Uint8Array): Promise<void> {
    let rest = bytes;
    if (this.#headBytes < COMPRESSION_MAGIC_BYTES) {
      const taken = Math.min(rest.length, COMPRESSION_MAGIC_BYTES - this.#headBytes);
      this.#head.set(rest.subarray(0, taken), this.#headBytes);
      this.#headBytes += taken;
      rest = rest.subarray(taken);
      if (this.#headBytes < COMPRESSION_MAGIC_BYTES) return;
      const compression = detectCompression(this.#head);
      if (compression === null) return;
      this.#inflating = new InflatingDigester(compression);
      await this.#inflating.write(this.#head);
    }
    if (rest.length > 0) await this.#inflating?.write(rest);
  }

  /** undefined when the bytes were not compressed; null when they were no sound compressed stream. */
  async finish(): Promise<PlainDigest | null | undefined> {
    return this.#inflating?.finish();
  }
}

/** Hands pieces over to an inflater that pulls them. */
class InflatingDigester {
  readonly #compression: Compression;
  readonly #sha256 = new Sha256Stream();
  readonly #done: Promise<void>;
  #sizeBytes = 0;
  #failed = false;
  #ended = false;
  #piece: Uint8Array | null = null;
  #last = false;
  #wakeReader: (() => void) | null = null;
  #wakeWriter: (() => void) | null = null;

  constructor(compression: Compression) {
    this.#compression = compression;
    this.#done = this.#run();
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (this.#ended) return;
    this.#piece = bytes;
    this.#wakeReader?.();
    await new Promise<void>((resolve) => {
      this.#wakeWriter = resolve;
      if (this.#ended) resolve();
    });
    this.#piece = null;
  }

  async finish(): Promise<PlainDigest | null> {
    this.#last = true;
    this.#wakeReader?.();
    await this.#done;
    if (this.#failed) return null;
    return { compression: this.#compression, digestHex: this.#sha256.hex(), sizeBytes: this.#sizeBytes };
  }

  async #run(): Promise<void> {
    try {
      for await (const piece of inflate(this.#pieces(), this.#compression)) {
        this.#sha256.update(piece);
        this.#sizeBytes += piece.length;
      }
    } catch {
      this.#failed = true;
    }
    this.#ended = true;
    this.#wakeWriter?.();
  }

  async *#pieces(): AsyncGenerator<Uint8Array> {
    for (;;) {
      if (this.#piece) {
        const piece = this.#piece;
        this.#piece = null;
        yield piece;
        this.#wakeWriter?.();
      } else if (this.#last) return;
      else {
        await new Promise<void>((resolve) => {
          this.#wakeReader = resolve;
        });
      }
    }
  }
}

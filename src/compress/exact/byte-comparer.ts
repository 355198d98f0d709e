import type { Sha256Stream } from '../../hash/sha256.js';
import { lastBytes } from './tail.js';

/** Of the file, held at a time. */
export const COMPARED_BYTES = 256 * 1024;

/** A compressed file that can be read at any position. */
export interface CompressedFile {
  readonly sizeBytes: number;
  /** Reads some bytes; 0 at the end. */
  read(into: Uint8Array, position: number): number;
}

/** What was made is not what the file has. */
export class Difference extends Error {
  readonly isInTrailer: boolean;

  constructor(position: number, isInTrailer: boolean) {
    super(`the bytes differ before ${position}`);
    this.isInTrailer = isInTrailer;
  }
}

/** Compares bytes with those of a file, from a position on, and hashes what was compared. */
export class ByteComparer {
  position: number;
  readonly #file: CompressedFile;
  readonly #sha256: Sha256Stream | null;
  #hashedTo: number;
  readonly #buffer: Buffer;
  #window: Buffer;

  /** @param buffer of COMPARED_BYTES, used by this comparer alone */
  constructor(
    file: CompressedFile,
    position: number,
    sha256: Sha256Stream | null = null,
    buffer = Buffer.allocUnsafeSlow(COMPARED_BYTES),
  ) {
    this.#buffer = buffer;
    this.#window = buffer.subarray(0, 0);
    this.#file = file;
    this.position = position;
    this.#hashedTo = position;
    this.#sha256 = sha256;
  }

  /** @throws Difference */
  readonly compare = (bytes: Uint8Array): void => this.#compare(bytes, false);

  /** @throws Difference that says that it is in the trailer */
  compareTrailer(bytes: Uint8Array): void {
    this.#compare(bytes, true);
  }

  /** Compares from an earlier position on once more; nothing is hashed twice. */
  goBack(position: number): void {
    if (position === this.position) return;
    this.position = position;
    this.#window = this.#buffer.subarray(0, 0);
  }

  #compare(bytes: Uint8Array, isTrailer: boolean): void {
    for (let done = 0; done < bytes.length; ) {
      if (this.#window.length === 0) this.#fill();
      const piece = this.#window.subarray(0, bytes.length - done);
      const isEqual = piece.length > 0 && piece.equals(bytes.subarray(done, done + piece.length));
      this.position += piece.length;
      if (!isEqual) throw new Difference(this.position, isTrailer);
      if (this.#sha256 && this.position > this.#hashedTo) {
        this.#sha256.update(lastBytes(piece, this.position - this.#hashedTo));
        this.#hashedTo = this.position;
      }
      this.#window = this.#window.subarray(piece.length);
      done += piece.length;
    }
  }

  #fill(): void {
    this.#window = this.#buffer.subarray(0, this.#file.read(this.#buffer, this.position));
  }
}

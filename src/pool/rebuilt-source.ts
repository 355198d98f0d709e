import type { FileHandle } from 'node:fs/promises';
import type { NewRebuiltBlob } from '../store/rebuilt-blobs.js';
import { type ByteSource, NOTHING } from './byte-source.js';

const READ_BYTES = 256 * 1024;

/** The bytes of an open file, which it closes. */
export class FileSource implements ByteSource {
  current: Uint8Array = NOTHING;
  readonly #file: FileHandle;
  readonly #buffer = new Uint8Array(READ_BYTES);
  #position = 0;
  #isOpen = true;

  constructor(file: FileHandle) {
    this.#file = file;
  }

  consume(byteCount: number): void {
    this.current = this.current.subarray(byteCount);
  }

  async advance(): Promise<boolean> {
    const { bytesRead } = await this.#file.read(this.#buffer, 0, this.#buffer.length, this.#position);
    this.#position += bytesRead;
    this.current = this.#buffer.subarray(0, bytesRead);
    return bytesRead > 0;
  }

  async close(): Promise<void> {
    this.current = NOTHING;
    if (this.#isOpen) await this.#file.close();
    this.#isOpen = false;
  }
}

/** A source that is written to a file as it passes; the file stays if the source came to its end without an error. */
export class KeptSource implements ByteSource {
  readonly #source: ByteSource;
  readonly #kept: NewRebuiltBlob;

  constructor(source: ByteSource, kept: NewRebuiltBlob) {
    this.#source = source;
    this.#kept = kept;
  }

  get current(): Uint8Array {
    return this.#source.current;
  }

  consume(byteCount: number): void {
    this.#source.consume(byteCount);
  }

  async advance(): Promise<boolean> {
    if (await this.#source.advance()) {
      await this.#kept.write(this.#source.current);
      return true;
    }
    await this.#kept.keep();
    return false;
  }

  async close(): Promise<void> {
    await this.#kept.abandon();
    await this.#source.close();
  }
}

import { constants, createReadStream, openSync } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { DbupError, toDbupError } from '../core/errors.js';

const READ_BYTES = 1024 * 1024;

/** Bytes of an archive from the front to the end, wherever they come from. */
export interface ArchiveInput {
  /** What the user would call it: a file name, `standard input`, an image of an engine. */
  readonly description: string;
  /** null when only reading to the end will tell. */
  readonly sizeBytes: number | null;
  /** A regular file can be read at any position, also by other threads; null for a stream. */
  readonly path: string | null;
  /** Where in the file at `path` the first byte is. */
  readonly startBytes: number;
  /** Offset of the next byte. */
  readonly positionBytes: number;
  /** The next bytes, valid until the next call; null at the end. */
  read(): Promise<Uint8Array | null>;
  /** Lends the input two buffers of one size to read into, instead of its own; before the first read. */
  useBuffers(buffers: readonly Uint8Array[]): void;
  /** Goes on `byteCount` bytes further without reading them. Only where `path` is not null. */
  skip(byteCount: number): void;
  /** Reads at a position without moving. Only where `path` is not null. @returns the bytes read, fewer only at the end */
  readAt(into: Uint8Array, positionBytes: number): Promise<number>;
  /** @throws DbupError INPUT_CHANGED when the file was written to since it was opened */
  assertUnchanged(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Opens a file for reading as an archive; a pipe or a device is read as a stream. `-` is standard input.
 * @param signal ends the reading of a stream, which may have nothing to say for ever, with INTERRUPTED
 */
export async function openArchiveInput(path: string, signal?: AbortSignal): Promise<ArchiveInput> {
  if (path === '-') return streamInput(process.stdin, 'standard input', signal);
  let handle: FileHandle;
  try {
    const kind = await stat(path);
    if (kind.isDirectory()) throw isDirectory(path);
    // A pipe is opened once: who writes to it takes the first one that goes for the last.
    if (kind.isFIFO()) return streamInput(openNamedPipe(path), path, signal);
    if (!kind.isFile())
      return streamInput(createReadStream(path, { highWaterMark: READ_BYTES }), path, signal);
    handle = await open(path, 'r');
  } catch (error) {
    throw toDbupError(error, `opening ${path}`);
  }
  const stats = await handle.stat({ bigint: true });
  return new FileInput(handle, path, stats.size, stats.mtimeNs, stats.ctimeNs);
}

function streamInput(stream: Readable, description: string, signal?: AbortSignal): StreamInput {
  // Nobody may be reading when it ends: an error that no one hears would end the process.
  stream.on('error', () => {});
  const stop = (): void => {
    stream.destroy(
      new DbupError('INTERRUPTED', `interrupted while reading ${description}`, {
        hint: 'Nothing is lost. Run the same command again: what was already stored is reused.',
      }),
    );
  };
  if (signal?.aborted) stop();
  else signal?.addEventListener('abort', stop, { once: true });
  return new StreamInput(stream, description);
}

/** Without waiting in `open` for a writer, where a thread would be stuck that even the end of the process waits for. */
function openNamedPipe(path: string): Socket {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  return new Socket({ fd, readable: true, writable: false });
}

function isDirectory(path: string): DbupError {
  return new DbupError('INPUT_NOT_AN_IMAGE', `${path} is a directory, not an archive`, {
    hint: `For an OCI layout write oci:${path}[:tag].`,
    details: { path },
  });
}

/** A stream that cannot be read twice. */
export class StreamInput implements ArchiveInput {
  readonly description: string;
  readonly sizeBytes: number | null;
  readonly path = null;
  readonly startBytes = 0;
  positionBytes = 0;
  readonly #iterator: AsyncIterator<Uint8Array>;

  constructor(stream: AsyncIterable<Uint8Array>, description: string, sizeBytes: number | null = null) {
    this.description = description;
    this.sizeBytes = sizeBytes;
    this.#iterator = stream[Symbol.asyncIterator]();
  }

  async read(): Promise<Uint8Array | null> {
    try {
      for (;;) {
        const next = await this.#iterator.next();
        if (next.done) return null;
        if (next.value.length === 0) continue;
        this.positionBytes += next.value.length;
        return next.value;
      }
    } catch (error) {
      throw toDbupError(error, `reading ${this.description}`);
    }
  }

  useBuffers(): void {}

  skip(): void {
    throw new TypeError('a stream cannot be skipped');
  }

  readAt(): Promise<number> {
    throw new TypeError('a stream has no positions');
  }

  async assertUnchanged(): Promise<void> {}

  async close(): Promise<void> {
    await this.#iterator.return?.();
  }
}

class FileInput implements ArchiveInput {
  readonly description: string;
  readonly path: string;
  readonly sizeBytes: number;
  readonly startBytes = 0;
  positionBytes = 0;
  readonly #handle: FileHandle;
  readonly #mtimeNs: bigint;
  readonly #ctimeNs: bigint;
  #buffers: Uint8Array[] = [];
  /** The read under way, begun while the caller works on the last one. */
  #ahead: { positionBytes: number; bytes: Promise<Uint8Array> } | null = null;

  constructor(handle: FileHandle, path: string, sizeBytes: bigint, mtimeNs: bigint, ctimeNs: bigint) {
    this.#handle = handle;
    this.path = path;
    this.description = path;
    this.sizeBytes = Number(sizeBytes);
    this.#mtimeNs = mtimeNs;
    this.#ctimeNs = ctimeNs;
  }

  async read(): Promise<Uint8Array | null> {
    if (this.#ahead?.positionBytes !== this.positionBytes) {
      await this.#ahead?.bytes;
      this.#ahead = this.#begin(this.positionBytes);
    }
    let bytes: Uint8Array;
    try {
      bytes = await this.#ahead.bytes;
    } catch (error) {
      throw toDbupError(error, `reading ${this.path}`);
    }
    if (bytes.length === 0) return null;
    this.positionBytes += bytes.length;
    this.#ahead = this.#begin(this.positionBytes);
    return bytes;
  }

  useBuffers(buffers: readonly Uint8Array[]): void {
    this.#buffers = [...buffers];
  }

  skip(byteCount: number): void {
    this.positionBytes += byteCount;
  }

  async readAt(into: Uint8Array, positionBytes: number): Promise<number> {
    let done = 0;
    while (done < into.length) {
      const { bytesRead } = await this.#handle.read(into, done, into.length - done, positionBytes + done);
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    return done;
  }

  async assertUnchanged(): Promise<void> {
    const stats = await this.#handle.stat({ bigint: true });
    const same =
      Number(stats.size) === this.sizeBytes &&
      stats.mtimeNs === this.#mtimeNs &&
      stats.ctimeNs === this.#ctimeNs;
    if (same) return;
    throw new DbupError('INPUT_CHANGED', `${this.path} was changed while it was being read`, {
      hint: 'Nothing of it was saved. Wait until whatever writes it has finished, then save again.',
      details: { path: this.path },
    });
  }

  async close(): Promise<void> {
    await this.#ahead?.bytes.catch(() => {});
    await this.#handle.close();
  }

  #begin(positionBytes: number): { positionBytes: number; bytes: Promise<Uint8Array> } {
    const buffer = (this.#buffers.length < 2 ? null : this.#buffers.shift()) ?? new Uint8Array(READ_BYTES);
    this.#buffers.push(buffer);
    const bytes = this.#handle
      .read(buffer, 0, buffer.length, positionBytes)
      .then(({ bytesRead }) => buffer.subarray(0, bytesRead));
    bytes.catch(() => {});
    return { positionBytes, bytes };
  }
}

/** A stretch of a file that is open, as an input of its own. It must be done with before the file is closed. */
export class RegionInput implements ArchiveInput {
  readonly description: string;
  readonly path: string;
  readonly sizeBytes: number;
  readonly startBytes: number;
  positionBytes = 0;
  readonly #file: ArchiveInput;
  readonly #offsetBytes: number;
  #buffers: Uint8Array[] = [];

  /** @param file one with a `path` */
  constructor(file: ArchiveInput, startBytes: number, sizeBytes: number, description = file.description) {
    this.#file = file;
    this.description = description;
    this.path = file.path!;
    this.#offsetBytes = startBytes;
    this.startBytes = file.startBytes + startBytes;
    this.sizeBytes = sizeBytes;
  }

  async read(): Promise<Uint8Array | null> {
    const buffer = this.#buffers.shift() ?? new Uint8Array(READ_BYTES);
    this.#buffers.push(buffer);
    const length = await this.readAt(buffer, this.positionBytes);
    if (length === 0) return null;
    this.positionBytes += length;
    return buffer.subarray(0, length);
  }

  useBuffers(buffers: readonly Uint8Array[]): void {
    this.#buffers = [...buffers];
  }

  skip(byteCount: number): void {
    this.positionBytes += byteCount;
  }

  readAt(into: Uint8Array, positionBytes: number): Promise<number> {
    const length = Math.min(into.length, Math.max(0, this.sizeBytes - positionBytes));
    return this.#file.readAt(into.subarray(0, length), this.#offsetBytes + positionBytes);
  }

  assertUnchanged(): Promise<void> {
    return this.#file.assertUnchanged();
  }

  async close(): Promise<void> {}
}

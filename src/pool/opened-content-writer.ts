import { createNestedScan, NESTED_HEAD_BYTES } from '../archive/nested-scan.js';
import type { NestedScan, ScanPiece } from '../archive/scan-piece.js';
import type { Segment } from '../format/recipe.js';
import type { ChunkIngest } from './chunk-ingest.js';
import { OpenedQueue } from './opened-queue.js';
import type { Opening } from './opening.js';
import type { TarContentSink } from './tar-content-sink.js';

/** Of smaller files, opening gains less than it costs (docs/decisions/0012). */
const MIN_FILE_BYTES = 16 * 1024;
const MIN_GZIP_BYTES = 1024 * 1024;
/** A file of so many bytes that is none to be opened goes past the queue, once what waits in it is stored. */
const PASSING_BYTES = 1024 * 1024;

/** The file whose bytes pass. */
interface PassingFile {
  name: string;
  sizeBytes: number;
  /** Its beginning, until there is enough to tell what it is. */
  head: Buffer | null;
  /** What takes it apart; null when it stays as it is. */
  scan: NestedScan | null;
}

/** Takes the files of a layer, and opens those that hold deflate streams which an encoder makes again exactly. */
export class OpenedContentWriter implements TarContentSink {
  readonly #queue: OpenedQueue;
  #file: PassingFile | null = null;

  constructor(ingest: ChunkIngest, opening: Opening) {
    this.#queue = new OpenedQueue(ingest, opening);
  }

  begin(name: string, sizeBytes: number): Promise<void> | undefined {
    const mayBeOpened = sizeBytes >= MIN_FILE_BYTES;
    this.#file = { name, sizeBytes, head: mayBeOpened ? Buffer.alloc(0) : null, scan: null };
    return mayBeOpened ? undefined : this.#beginPlain(name, sizeBytes);
  }

  write(bytes: Uint8Array): Promise<void> | undefined {
    const { head, scan } = this.#file!;
    if (head) return this.#writeHead(head, bytes);
    if (scan) return this.#writePieces(scan.push(bytes));
    return this.#queue.isIdle ? this.#queue.store.contents(bytes) : this.#queue.add('contents', bytes);
  }

  async end(): Promise<void> {
    const { head, sizeBytes } = this.#file!;
    // A file that was cut off in its head is what it is.
    if (head) await this.#decide(head);
    const { scan } = this.#file!;
    this.#file = null;
    if (scan) {
      await this.#writePieces(scan.finish());
      this.#queue.note({ kind: 'end-file' });
    } else if (this.#queue.isIdle) this.#queue.store.endPlain(sizeBytes);
    else this.#queue.note({ kind: 'end-plain', sizeBytes });
  }

  /** Ends the contents. @returns the segments of the layer's recipe */
  finish(): Promise<Segment[]> {
    return this.#queue.finish();
  }

  async #writeHead(head: Buffer, bytes: Uint8Array): Promise<void> {
    const taken = bytes.subarray(0, NESTED_HEAD_BYTES - head.length);
    const whole = Buffer.concat([head, taken]);
    this.#file!.head = whole;
    if (whole.length < NESTED_HEAD_BYTES) return;
    await this.#decide(whole);
    if (taken.length < bytes.length) await this.write(bytes.subarray(taken.length));
  }

  async #decide(head: Buffer): Promise<void> {
    const file = this.#file!;
    const { name, sizeBytes } = file;
    file.head = null;
    const isSmallGzip = head[0] === 0x1f && sizeBytes < MIN_GZIP_BYTES;
    file.scan = isSmallGzip ? null : createNestedScan(head, sizeBytes);
    if (file.scan) this.#queue.note({ kind: 'begin-file', name, sizeBytes });
    else await this.#beginPlain(name, sizeBytes);
    await this.write(head);
  }

  async #beginPlain(name: string, sizeBytes: number): Promise<void> {
    if (!this.#queue.isIdle && sizeBytes >= PASSING_BYTES) await this.#queue.settle();
    if (this.#queue.isIdle) this.#queue.store.beginPlain(name, sizeBytes);
    else this.#queue.note({ kind: 'begin-plain', name, sizeBytes });
  }

  async #writePieces(pieces: Iterable<ScanPiece>): Promise<void> {
    const queue = this.#queue;
    for (const piece of pieces) {
      switch (piece.kind) {
        case 'frame':
        case 'contents':
          await queue.add(piece.kind, piece.bytes);
          break;
        case 'deflate':
          await queue.addToStream(piece.bytes);
          break;
        case 'begin-deflate':
          await queue.beginStream(piece.name, piece.sizeBytes, piece.header);
          break;
        case 'end-deflate':
          await queue.endStream();
          break;
        case 'begin-stored':
          queue.note(piece);
          break;
      }
    }
  }
}

import { open } from 'node:fs/promises';
import { inflateMember, type ReadAt } from '../compress/exact/inflate-member.js';
import type { EncoderSpec } from '../format/encoder-spec.js';
import { type OpenedPart, OpenedPartsEncoder } from '../format/opened-parts.js';
import { BLOCK_KIND } from '../format/pack.js';
import type { Segment } from '../format/recipe.js';
import type { ChunkIngest } from './chunk-ingest.js';
import { entryName, framesName } from './entry-names.js';
import { StreamWriter } from './stream-writer.js';

/** Frames held back until it is known whether what they surround is opened. */
const HELD_FRAME_BYTES = 64 * 1024;
const PARTS_BYTES = 4096;
/** Files in archives smaller than this are found with their neighbours. */
const NAMED_BYTES = 1024;

/** A file whose bytes pass. */
interface PassingFile {
  name: string;
  sizeBytes: number;
  /** True once a stream in it was stored as its plain bytes: from there on its frames go to their own stream. */
  hasOpened: boolean;
  isNamed: boolean;
}

/** A deflate stream that an encoder makes again, and where its bytes are. */
export interface StreamToOpen {
  name: string;
  encoder: EncoderSpec;
  plainBytes: number;
  deflatedBytes: number;
}

/**
 * Writes the contents of a layer as three streams: contents, frames, parts (docs/format.md, "Opened segment"); as one where
 * nothing was opened. Chunks end around files, and files in archives, of at least the smallest chunk.
 */
export class OpenedStore {
  readonly #contents: StreamWriter;
  readonly #frames: StreamWriter;
  readonly #parts: StreamWriter;
  readonly #encoder = new OpenedPartsEncoder();
  readonly #minBytes: number;
  #partsHeld: Uint8Array[] = [];
  #partsHeldBytes = 0;
  #heldFrames: Uint8Array[] = [];
  #heldFrameBytes = 0;
  #file: PassingFile | null = null;
  #sizeBytes = 0;
  hasOpened = false;

  constructor(ingest: ChunkIngest) {
    this.#contents = new StreamWriter(ingest, BLOCK_KIND.data);
    this.#frames = new StreamWriter(ingest, BLOCK_KIND.skeleton);
    this.#parts = new StreamWriter(ingest, BLOCK_KIND.recipe);
    this.#minBytes = ingest.chunkerParameters.minBytes;
  }

  /** A file begins that is stored as it is. */
  beginPlain(name: string, sizeBytes: number): void {
    this.#cutFor(sizeBytes);
    this.#contents.beginFile(name, sizeBytes);
  }

  /** It has ended. */
  endPlain(sizeBytes: number): void {
    this.#cutFor(sizeBytes);
  }

  /** A file begins in which there may be deflate streams. */
  beginFile(name: string, sizeBytes: number): void {
    this.#cutFor(sizeBytes);
    this.#file = { name, sizeBytes, hasOpened: false, isNamed: false };
  }

  async endFile(): Promise<void> {
    const { sizeBytes } = this.#file!;
    await this.#writeHeldFrames();
    this.#cutFor(sizeBytes);
    this.#file = null;
  }

  /** Bytes that stay as they are. Returns nothing when it need not wait. */
  contents(bytes: Uint8Array): Promise<void> | undefined {
    if (bytes.length === 0) return undefined;
    if (this.#file && !this.#file.isNamed) return this.#firstContents(bytes);
    if (this.#heldFrameBytes > 0) return this.#writeHeldFrames().then(() => this.contents(bytes));
    this.#addPart({ kind: 'contents', sizeBytes: bytes.length });
    return this.#contents.write(bytes);
  }

  /** A file in the passing archive begins that stays as it is. */
  async beginEntry(name: string, sizeBytes: number): Promise<void> {
    await this.#writeHeldFrames();
    this.#nameEntry(name, sizeBytes);
  }

  /** A stream begins that stays as it is. */
  async beginClosed(name: string, sizeBytes: number): Promise<void> {
    if (this.#file!.hasOpened) await this.beginEntry(name, sizeBytes);
  }

  /** Headers and the like, which are contents as well where nothing was opened. */
  async frame(bytes: Uint8Array): Promise<void> {
    this.#heldFrames.push(new Uint8Array(bytes));
    this.#heldFrameBytes += bytes.length;
    if (this.#heldFrameBytes >= HELD_FRAME_BYTES) await this.#writeHeldFrames();
  }

  /** A stream whose plain bytes are stored in its place. @param pieces of them, each valid until the next is asked for */
  async open(
    { name, encoder, plainBytes, deflatedBytes }: StreamToOpen,
    pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  ): Promise<void> {
    this.hasOpened = true;
    this.#beginFrames(this.#file!);
    await this.#writeHeldFrames();
    this.#addPart({ kind: 'deflated', sizeBytes: plainBytes, encoder, deflatedBytes });
    this.#nameEntry(name, plainBytes);
    for await (const bytes of pieces) await this.#contents.write(bytes);
    this.#cutFor(plainBytes);
    await this.#flushParts(PARTS_BYTES);
  }

  /** Ends the streams. */
  async finish(): Promise<Segment[]> {
    this.#holdParts(this.#encoder.finish());
    const contents = await this.#contents.finish();
    if (!this.hasOpened) return contents.sizeBytes > 0 ? [{ type: 'stream', stream: contents }] : [];
    await this.#flushParts(0);
    const frames = await this.#frames.finish();
    const parts = await this.#parts.finish();
    return [{ type: 'opened', opened: { sizeBytes: this.#sizeBytes, contents, frames, parts } }];
  }

  #beginFrames(file: PassingFile): void {
    if (file.hasOpened) return;
    file.hasOpened = true;
    this.#frames.beginFile(framesName(file.name), file.sizeBytes);
  }

  async #firstContents(bytes: Uint8Array): Promise<void> {
    const file = this.#file!;
    file.isNamed = true;
    if (!file.hasOpened) this.#contents.beginFile(file.name, file.sizeBytes);
    await this.contents(bytes);
  }

  #nameEntry(name: string, sizeBytes: number): void {
    const file = this.#file!;
    this.#cutFor(sizeBytes);
    if (sizeBytes < NAMED_BYTES && name !== '') return;
    file.isNamed = true;
    this.#contents.beginFile(entryName(file.name, name), sizeBytes);
  }

  async #writeHeldFrames(): Promise<void> {
    if (this.#heldFrameBytes === 0) return;
    const held = this.#heldFrames;
    this.#heldFrames = [];
    this.#heldFrameBytes = 0;
    const file = this.#file!;
    for (const bytes of held) {
      if (!file.hasOpened) {
        await this.contents(bytes);
        continue;
      }
      this.#addPart({ kind: 'frame', sizeBytes: bytes.length });
      await this.#frames.write(bytes);
    }
  }

  #addPart(part: OpenedPart): void {
    this.#sizeBytes += part.kind === 'deflated' ? part.deflatedBytes : part.sizeBytes;
    this.#holdParts(this.#encoder.add(part));
  }

  #holdParts(bytes: Uint8Array): void {
    if (bytes.length > 0) this.#partsHeld.push(bytes);
    this.#partsHeldBytes += bytes.length;
  }

  async #flushParts(leastBytes: number): Promise<void> {
    if (this.#partsHeldBytes < leastBytes) return;
    const held = Buffer.concat(this.#partsHeld);
    this.#partsHeld = [];
    this.#partsHeldBytes = 0;
    if (held.length > 0) await this.#parts.write(held);
  }

  #cutFor(sizeBytes: number): void {
    if (sizeBytes >= this.#minBytes) this.#contents.cut();
  }
}

/** Inflates a stream that lies in memory or, all of it, in a file. */
export async function* inflateFrom(source: Uint8Array | { path: string }): AsyncGenerator<Uint8Array> {
  if (source instanceof Uint8Array) {
    const readAt: ReadAt = (into, position) => {
      const piece = source.subarray(position, position + into.length);
      into.set(piece);
      return piece.length;
    };
    yield* inflateMember(readAt, 0);
    return;
  }
  const file = await open(source.path, 'r');
  try {
    const readAt: ReadAt = async (into, position) =>
      (await file.read(into, 0, into.length, position)).bytesRead;
    yield* inflateMember(readAt, 0);
  } finally {
    await file.close();
  }
}

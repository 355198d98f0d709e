import { isTarHeader, TAR_BLOCK_BYTES, TarBlock } from '../archive/tar-header.js';
import { TarWalk } from '../archive/tar-walk.js';
import { DbupError } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import { BLOCK_KIND } from '../format/pack.js';
import { type BlobRef, encodeRecipe, type Recipe, type Segment, type StreamRef } from '../format/recipe.js';
import { Sha256Stream } from '../hash/sha256.js';
import type { ChunkIngest } from './chunk-ingest.js';
import { OpenedContentWriter } from './opened-content-writer.js';
import { StreamWriter } from './stream-writer.js';
import type { TarContentSink } from './tar-content-sink.js';

/** A blob in the pool, and where it is compressed what became of that. */
export interface StoredBlob extends BlobRef {
  /** It is stored open; this encoder makes it again. */
  encoder?: string;
  /** Of one that a model makes again with corrections: how long those are. */
  correctionBytes?: number;
  /** It is stored as it was, for this reason. */
  verbatim?: string;
}

/** Takes the bytes of one blob, of any kind, and leaves them in the pool as chunks and a recipe. */
export class BlobWriter {
  readonly #ingest: ChunkIngest;
  readonly #sha256 = new Sha256Stream();
  /** The first block, until it says what the blob is. */
  readonly #head = new TarBlock();
  #headBytes = 0;
  #body: TarBody | PlainBody | null = null;
  #sizeBytes = 0;

  constructor(ingest: ChunkIngest) {
    this.#ingest = ingest;
  }

  /** Takes all of `bytes`; they are the caller's again when the promise resolves. */
  async write(bytes: Uint8Array): Promise<void> {
    this.#sha256.update(bytes);
    this.#sizeBytes += bytes.length;
    let rest = bytes;
    if (!this.#body) {
      const taken = Math.min(rest.length, TAR_BLOCK_BYTES - this.#headBytes);
      this.#head.bytes.set(rest.subarray(0, taken), this.#headBytes);
      this.#headBytes += taken;
      rest = rest.subarray(taken);
      if (this.#headBytes < TAR_BLOCK_BYTES) return;
      await this.#begin();
    }
    if (rest.length > 0) await this.#body!.write(rest);
  }

  /** Stores the recipe. The blob is in the pool once the ingest has finished. */
  async finish(): Promise<BlobRef> {
    if (!this.#body) await this.#begin();
    const recipe = await this.#body!.finish(this.#sizeBytes);
    return {
      digestHex: this.#sha256.hex(),
      sizeBytes: this.#sizeBytes,
      recipeId: storeRecipe(this.#ingest, recipe),
    };
  }

  async #begin(): Promise<void> {
    const head = this.#head.bytes.subarray(0, this.#headBytes);
    this.#body =
      head.length === TAR_BLOCK_BYTES && isTarHeader(this.#head)
        ? new TarBody(this.#ingest)
        : new PlainBody(this.#ingest);
    if (head.length > 0) await this.#body.write(head);
  }
}

/**
 * Stores an encoded recipe as a chunk. @returns its id, 64 hex digits
 * @throws DbupError INPUT_TOO_LARGE when no reader would take one so long
 */
export function storeRecipe(ingest: ChunkIngest, recipe: Recipe): string {
  const bytes = encodeRecipe(recipe);
  if (bytes.length > LIMITS.recipeBytes) {
    throw new DbupError('INPUT_TOO_LARGE', `what rebuilds a blob of ${recipe.sizeBytes} bytes is too long`, {
      hint: 'It is in too many pieces. Pack it anew: `docker save` or `skopeo copy` write fewer.',
      details: { recipeBytes: bytes.length, limitBytes: LIMITS.recipeBytes },
    });
  }
  return Buffer.from(ingest.addChunk(bytes, BLOCK_KIND.recipe)).toString('hex');
}

class PlainBody {
  readonly #stream: StreamWriter;

  constructor(ingest: ChunkIngest) {
    this.#stream = new StreamWriter(ingest, BLOCK_KIND.data);
  }

  async write(bytes: Uint8Array): Promise<void> {
    await this.#stream.write(bytes);
  }

  async finish(sizeBytes: number): Promise<Recipe> {
    return { kind: 'plain', sizeBytes, stream: await this.#stream.finish() };
  }
}

class TarBody {
  readonly #split: TarSplitter;
  readonly #content: ContentWriter | OpenedContentWriter;

  constructor(ingest: ChunkIngest) {
    const { opening } = ingest;
    this.#content = opening ? new OpenedContentWriter(ingest, opening) : new ContentWriter(ingest);
    this.#split = new TarSplitter(ingest, this.#content);
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#split.write(bytes);
  }

  async finish(sizeBytes: number): Promise<Recipe> {
    const skeleton = await this.#split.finish();
    const segments = await this.#content.finish();
    return { kind: 'tar', sizeBytes, skeleton, segments };
  }
}

/** Walks a tar as it passes: the skeleton becomes a stream of its own, contents go to a sink. */
export class TarSplitter {
  readonly walk: TarWalk;
  readonly #skeleton: StreamWriter;
  readonly #sink: TarContentSink;
  #inMember = false;

  constructor(ingest: ChunkIngest, sink: TarContentSink, walk: TarWalk = new TarWalk()) {
    this.walk = walk;
    this.#skeleton = new StreamWriter(ingest, BLOCK_KIND.skeleton, 'skeleton');
    this.#sink = sink;
  }

  async write(bytes: Uint8Array): Promise<void> {
    const { walk } = this;
    for (let at = 0; at < bytes.length; ) {
      const piece = bytes.subarray(at, Math.min(bytes.length, at + walk.remainingBytes));
      at += piece.length;
      let wait: Promise<void> | undefined;
      if (walk.kind === 'skeleton') {
        wait = this.#skeleton.write(piece);
        if (wait) await wait;
        walk.skeleton(piece);
        continue;
      }
      if (!this.#inMember) {
        this.#inMember = true;
        const { name, sizeBytes } = walk.member!;
        this.#skeleton.beginFile(name, sizeBytes);
        wait = this.#sink.begin(name, sizeBytes);
        if (wait) await wait;
      }
      wait = this.#sink.write(piece);
      if (wait) await wait;
      walk.content(piece.length);
      if (walk.kind !== 'content') await this.endMember();
    }
  }

  /** Tells the walk that the next `byteCount` bytes are the whole contents of a member the sink need not see. */
  skipMember(byteCount: number): void {
    this.walk.content(byteCount);
  }

  async endMember(): Promise<void> {
    if (!this.#inMember) return;
    this.#inMember = false;
    await this.#sink.end();
  }

  /** Ends a member that was cut short. @returns the skeleton */
  async finish(): Promise<StreamRef> {
    await this.endMember();
    return this.#skeleton.finish();
  }
}

/** File contents as one stream, with cut points around every file of at least the minimum chunk. */
class ContentWriter implements TarContentSink {
  readonly #stream: StreamWriter;
  readonly #minBytes: number;
  #ownChunks = false;

  constructor(ingest: ChunkIngest) {
    this.#stream = new StreamWriter(ingest, BLOCK_KIND.data);
    this.#minBytes = ingest.chunkerParameters.minBytes;
  }

  begin(name: string, sizeBytes: number): undefined {
    this.#ownChunks = sizeBytes >= this.#minBytes;
    if (this.#ownChunks) this.#stream.cut();
    this.#stream.beginFile(name, sizeBytes);
  }

  write(bytes: Uint8Array): Promise<void> | undefined {
    return this.#stream.write(bytes);
  }

  end(): undefined {
    if (this.#ownChunks) this.#stream.cut();
  }

  async finish(): Promise<Segment[]> {
    const stream = await this.#stream.finish();
    return stream.sizeBytes > 0 ? [{ type: 'stream', stream }] : [];
  }
}

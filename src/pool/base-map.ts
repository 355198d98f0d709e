import { TarWalk } from '../archive/tar-walk.js';
import { PENDING_PACK } from '../catalog/chunk-table.js';
import { throwIfInterrupted } from '../core/context.js';
import type { OpenedContent, Recipe, StreamRef } from '../format/recipe.js';
import { decodeListNode } from '../format/stream-list.js';
import { checkRecipeDepth, readRecipe } from './blob-source.js';
import type { BlockCache } from './block-cache.js';
import { readSource, StreamSource } from './byte-source.js';
import type { ChunkCatalog } from './chunk-catalog.js';
import { GrowingArray } from './growing-array.js';
import { OpenedNames } from './opened-names.js';
import { type GuidedStream, type NameKeys, nameKeys } from './stream-guide.js';

/** Skeletons read for their names. More tells little more, and time and memory must not grow with the pool. */
const MAX_SKELETON_BYTES = 48 * 1024 * 1024;
const MAX_CHUNKS = 400_000;
/** Names of files, and of files in them. */
const MAX_FILES = 400_000;
/** A layer with less that is new to the map has hardly a name that is, and a version less is read for the same names. */
const LEAST_NEW_SHARE = 1 / 4;
/** List nodes and recipes kept as bases for those of the image being saved. */
const MAX_NODES = 2_000;
/** Little: the cache of a save is small. */
const READ_AHEAD = { bytes: 2 * 1024 * 1024, blockBytes: 4 * 1024 * 1024 };

/** Where a file lies in the map; positions count the bytes of all streams one after the other. */
export interface MappedFile {
  contentAt: number;
  skeletonAt: number;
  sizeBytes: number;
}

/**
 * The streams of chosen blobs of the pool laid end to end: which chunk is at which position, where which file
 * begins. What comes first counts where two blobs have a file of one name.
 */
export class BaseMap {
  readonly #cache: BlockCache;
  readonly #chunks: ChunkCatalog;
  readonly #signal: AbortSignal;
  readonly #entries = new GrowingArray();
  readonly #starts = new GrowingArray();
  readonly #firstIndex = new Map<number, number>();
  readonly #fileOf = new Map<number, number>();
  readonly #contentAt = new GrowingArray();
  readonly #skeletonAt = new GrowingArray();
  readonly #fileBytes = new GrowingArray();
  readonly #recipes = new Set<string>();
  /** Chunks that are recipes or list nodes, in the order they were met. */
  readonly nodes = new Set<number>();
  #endBytes = 0;
  /** Of chunks, each counted once. */
  #addedBytes = 0;
  #skeletonBytes = 0;

  constructor(cache: BlockCache, chunks: ChunkCatalog, signal: AbortSignal) {
    this.#cache = cache;
    this.#chunks = chunks;
    this.#signal = signal;
  }

  get isFull(): boolean {
    return (
      this.#skeletonBytes >= MAX_SKELETON_BYTES ||
      this.#entries.length >= MAX_CHUNKS ||
      this.#contentAt.length >= MAX_FILES
    );
  }

  /** Adds the streams of a blob. @throws DbupError POOL_DAMAGED, POOL_INCOMPLETE: what was added before stays of use */
  async addBlob(recipeId: string, sizeBytes: number, depth = 1): Promise<void> {
    checkRecipeDepth(recipeId, depth);
    if (this.#recipes.has(recipeId)) return;
    this.#recipes.add(recipeId);
    throwIfInterrupted(this.#signal);
    this.#addNode(Buffer.from(recipeId, 'hex'));
    const recipe = await readRecipe(this.#cache, recipeId, sizeBytes);
    if (recipe.kind === 'tar') await this.#addTar(recipe);
    else if (recipe.kind === 'gzip' || recipe.kind === 'checkpoints' || recipe.kind === 'corrections')
      await this.addBlob(recipe.inner.recipeId, recipe.inner.sizeBytes, depth + 1);
    else await this.#addStream(recipe.stream);
  }

  async #addTar(recipe: Recipe & { kind: 'tar' }): Promise<void> {
    const { skeleton, segments } = recipe;
    const skeletonAt = this.#endBytes;
    await this.#addStream(skeleton);
    const contentAt = this.#endBytes;
    const addedBefore = this.#addedBytes;
    const [first] = segments;
    if (segments.length === 1 && first?.type === 'opened') {
      await this.#addOpened(first.opened, skeleton, skeletonAt);
      return;
    }
    let isWhole = true;
    for (const segment of segments) {
      if (segment.type === 'stream') await this.#addStream(segment.stream);
      else isWhole = false;
    }
    // Where contents are blobs, positions cannot be told from the skeleton alone; such an archive has few files.
    if (!isWhole || this.isFull) return;
    const isNews = this.#addedBytes - addedBefore >= (this.#endBytes - contentAt) * LEAST_NEW_SHARE;
    if (isNews) await this.#addFiles(skeleton, skeletonAt, contentAt);
  }

  async #addOpened(opened: OpenedContent, skeleton: StreamRef, skeletonStart: number): Promise<void> {
    const starts = { contents: this.#endBytes, frames: this.#endBytes + opened.contents.sizeBytes };
    await this.#addStream(opened.contents);
    await this.#addStream(opened.frames);
    if (this.isFull) return;
    const open = (stream: StreamRef): StreamSource =>
      new StreamSource(this.#cache, stream, false, READ_AHEAD);
    const names = new OpenedNames(opened, open(opened.parts), open(opened.frames));
    try {
      for await (const { name, sizeBytes, skeletonAt } of this.#filesOf(skeleton, skeletonStart)) {
        for await (const stretch of names.next(name, sizeBytes)) {
          const contentAt = starts[stretch.stream] + stretch.atBytes;
          this.#addFile(stretch.name, { contentAt, skeletonAt, sizeBytes: stretch.sizeBytes });
        }
      }
    } catch (error) {
      // A list that cannot be read says nothing; `dbup verify` tells of it.
      if (!(error instanceof RangeError)) throw error;
    } finally {
      await names.close();
    }
  }

  async #addFiles(skeleton: StreamRef, skeletonStart: number, contentStart: number): Promise<void> {
    let contentAt = contentStart;
    for await (const { name, sizeBytes, skeletonAt } of this.#filesOf(skeleton, skeletonStart)) {
      this.#addFile(name, { contentAt, skeletonAt, sizeBytes });
      contentAt += sizeBytes;
    }
  }

  /** The files of a tar that have contents. */
  async *#filesOf(
    skeleton: StreamRef,
    skeletonStart: number,
  ): AsyncGenerator<{ name: string; sizeBytes: number; skeletonAt: number }> {
    const walk = new TarWalk();
    let skeletonAt = skeletonStart;
    for await (const bytes of readSource(new StreamSource(this.#cache, skeleton, false, READ_AHEAD))) {
      throwIfInterrupted(this.#signal);
      if (this.isFull) return;
      this.#skeletonBytes += bytes.length;
      for (let at = 0; at < bytes.length; ) {
        const piece = bytes.subarray(at, at + Math.min(bytes.length - at, walk.remainingBytes));
        walk.skeleton(piece);
        at += piece.length;
        skeletonAt += piece.length;
        if (walk.kind !== 'content') continue;
        const { name, sizeBytes } = walk.member!;
        yield { name, sizeBytes, skeletonAt };
        walk.content(sizeBytes);
      }
    }
  }

  #addFile(name: string, file: MappedFile): void {
    const number = this.#contentAt.length;
    const { exactKey, placeKey, looseKey } = nameKeys(name);
    if (this.#fileOf.has(exactKey)) return;
    this.#contentAt.push(file.contentAt);
    this.#skeletonAt.push(file.skeletonAt);
    this.#fileBytes.push(file.sizeBytes);
    this.#fileOf.set(exactKey, number);
    for (const key of [placeKey, looseKey]) if (!this.#fileOf.has(key)) this.#fileOf.set(key, number);
  }

  async #addStream(stream: StreamRef): Promise<void> {
    if (stream.sizeBytes > 0) {
      await this.#addList(Buffer.from(stream.id, 'hex'), stream.depth, stream.sizeBytes);
    }
  }

  async #addList(id: Uint8Array, depth: number, sizeBytes: number): Promise<void> {
    if (depth === 0) {
      this.#addChunk(id, sizeBytes);
      return;
    }
    throwIfInterrupted(this.#signal);
    if (this.isFull) return;
    this.#addNode(id);
    const where = Buffer.from(id).toString('hex', 0, 6);
    const { ids, sizes } = decodeListNode(await this.#cache.readChunk(id), sizeBytes, where);
    for (let i = 0; i < ids.length; i++) {
      // Leaves are nearly all there is: no promise for each.
      if (depth === 1) this.#addChunk(ids[i]!, sizes[i]!);
      else await this.#addList(ids[i]!, depth - 1, sizes[i]!);
    }
  }

  #addChunk(id: Uint8Array, sizeBytes: number): void {
    const entry = this.#find(id);
    if (!this.#firstIndex.has(entry)) {
      this.#firstIndex.set(entry, this.#entries.length);
      this.#addedBytes += sizeBytes;
    }
    this.#entries.push(entry);
    this.#starts.push(this.#endBytes);
    this.#endBytes += sizeBytes;
  }

  /** Of a chunk that the pool had when the save began. */
  #find(id: Uint8Array): number {
    const { table } = this.#chunks;
    const entry = table.find(id);
    return entry >= 0 && table.packIndex(entry) !== PENDING_PACK ? entry : -1;
  }

  #addNode(id: Uint8Array): void {
    const entry = this.#find(id);
    if (entry >= 0 && this.nodes.size < MAX_NODES) this.nodes.add(entry);
  }

  /** Where a file of that name begins in the stream of that sort; null when no blob has one. */
  locateFile(
    { exactKey, placeKey, looseKey }: NameKeys,
    stream: GuidedStream,
  ): { atBytes: number; sizeBytes: number } | null {
    const number = this.#fileOf.get(exactKey) ?? this.#fileOf.get(placeKey) ?? this.#fileOf.get(looseKey);
    if (number === undefined) return null;
    const atBytes = (stream === 'content' ? this.#contentAt : this.#skeletonAt).at(number);
    return { atBytes, sizeBytes: this.#fileBytes.at(number) };
  }

  /** The position of a chunk of the pool, at its first place; -1 when the map has it not. */
  positionOf(entry: number): number {
    const index = this.#firstIndex.get(entry);
    return index === undefined ? -1 : this.#starts.at(index);
  }

  /** Numbers of the chunks that have bytes in a range: the first, and the one after the last. */
  range(fromBytes: number, toBytes: number): { first: number; end: number } {
    return {
      first: Math.max(0, this.#starts.countUpTo(fromBytes) - 1),
      end: this.#starts.countUpTo(toBytes - 1),
    };
  }

  /** The entry in the chunk table of chunk `number` of the map; -1 for one the pool lacks. */
  entry(number: number): number {
    return this.#entries.at(number);
  }
}

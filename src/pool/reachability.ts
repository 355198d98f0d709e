import { ChunkTable } from '../catalog/chunk-table.js';
import { throwIfInterrupted } from '../core/context.js';
import type { Recipe, StreamRef } from '../format/recipe.js';
import type { Snapshot } from '../format/snapshot.js';
import { decodeListNode } from '../format/stream-list.js';
import { checkRecipeDepth, readRecipe } from './blob-source.js';
import type { BlockCache } from './block-cache.js';
import type { ChunkCatalog } from './chunk-catalog.js';

const NEEDED = 1;
/** A recipe or list node that needs no second visit. */
const VISITED = 2;
const NOWHERE = { packIndex: 0, blockIndex: 0, offsetBytes: 0, sizeBytes: 0 };

/** Which chunks some recipes need, as one mark for each entry of the pool's chunk table. */
export class Reachability {
  readonly #cache: BlockCache;
  readonly #chunks: ChunkCatalog;
  readonly #signal: AbortSignal | undefined;
  readonly #marks: Uint8Array;
  /** Chunks that are needed and not in the pool; where they would lie means nothing. */
  readonly missing = new ChunkTable();
  /** How many of them are recipes or list nodes: what those lead to is unknown. */
  missingNodes = 0;

  constructor(cache: BlockCache, chunks: ChunkCatalog, signal?: AbortSignal) {
    this.#cache = cache;
    this.#chunks = chunks;
    this.#signal = signal;
    this.#marks = new Uint8Array(chunks.table.count);
  }

  /** True for an entry of the chunk table that something added needs. */
  has(entry: number): boolean {
    return (this.#marks[entry]! & NEEDED) !== 0;
  }

  /** Marks everything a snapshot needs, as {@link addRecipe} does. */
  async addSnapshot({ archive, blobs }: Snapshot): Promise<void> {
    if (archive) await this.addRecipe(archive.recipeId, archive.sizeBytes);
    for (const { recipeId, sizeBytes } of blobs) await this.addRecipe(recipeId, sizeBytes);
  }

  /**
   * Marks everything a recipe needs. Chunks the pool lacks go to `missing`, and what they would have led to
   * stays unknown. @throws DbupError POOL_DAMAGED when a recipe or a list node cannot be read, INTERRUPTED
   */
  async addRecipe(recipeId: string, sizeBytes: number, depth = 1): Promise<void> {
    checkRecipeDepth(recipeId, depth);
    if (!this.#enter(Buffer.from(recipeId, 'hex'))) return;
    if (this.#signal) throwIfInterrupted(this.#signal);
    const recipe = await readRecipe(this.#cache, recipeId, sizeBytes);
    for (const stream of streamsOf(recipe)) await this.#addStream(stream);
    if (recipe.kind !== 'tar') return;
    for (const segment of recipe.segments) {
      if (segment.type === 'blob') {
        await this.addRecipe(segment.blob.recipeId, segment.blob.sizeBytes, depth + 1);
      }
    }
  }

  async #addStream({ id, depth, sizeBytes }: StreamRef): Promise<void> {
    if (sizeBytes > 0) await this.#addNode(Buffer.from(id, 'hex'), depth, sizeBytes);
  }

  async #addNode(id: Uint8Array, depth: number, sizeBytes: number): Promise<void> {
    if (depth === 0) {
      this.#mark(id, NEEDED);
      return;
    }
    if (!this.#enter(id)) return;
    const where = Buffer.from(id).toString('hex', 0, 6);
    const { ids, sizes } = decodeListNode(await this.#cache.readChunk(id), sizeBytes, where);
    for (let i = 0; i < ids.length; i++) {
      // Leaves are nearly all there is: a promise for each would cost ten times the look-up.
      if (depth === 1) this.#mark(ids[i]!, NEEDED);
      else await this.#addNode(ids[i]!, depth - 1, sizes[i]!);
    }
  }

  /** Marks a recipe or a list node. @returns false when it was visited before or is missing */
  #enter(id: Uint8Array): boolean {
    const entry = this.#chunks.table.find(id);
    if (entry >= 0 && (this.#marks[entry]! & VISITED) !== 0) return false;
    if (this.#mark(id, NEEDED | VISITED)) return true;
    this.missingNodes++;
    return false;
  }

  #mark(id: Uint8Array, marks: number): boolean {
    const entry = this.#chunks.table.find(id);
    if (entry < 0) {
      this.missing.add(id, 0, NOWHERE);
      return false;
    }
    this.#marks[entry] = this.#marks[entry]! | marks;
    return true;
  }
}

/** The streams of a recipe itself, not of the blobs in it. */
export function streamsOf(recipe: Recipe): StreamRef[] {
  if (recipe.kind === 'plain') return [recipe.stream];
  const streams = [recipe.skeleton];
  for (const segment of recipe.segments) if (segment.type === 'stream') streams.push(segment.stream);
  return streams;
}

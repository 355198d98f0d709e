import type { Recipe, StreamRef } from '../format/recipe.js';
import type { BlockCache } from './block-cache.js';
import { readRecipe } from './byte-source.js';
import type { ChunkCatalog } from './chunk-catalog.js';
import { streamNodesAndChunks } from './stream-chunks.js';

/** Which chunks some recipes need, as one mark for each entry of the pool's chunk table. */
export class Reachability {
  readonly #cache: BlockCache;
  readonly #chunks: ChunkCatalog;
  readonly #marks: Uint8Array;
  /** Recipes and list nodes that need no second visit. */
  readonly #visited = new Set<string>();
  /** Chunks that are needed and not in the pool, 64 hex digits each. */
  readonly missing = new Set<string>();

  constructor(cache: BlockCache, chunks: ChunkCatalog) {
    this.#cache = cache;
    this.#chunks = chunks;
    this.#marks = new Uint8Array(chunks.table.count);
  }

  /** True for an entry of the chunk table that something added needs. */
  has(entry: number): boolean {
    return this.#marks[entry] === 1;
  }

  /**
   * Marks everything a recipe needs. Chunks the pool lacks go to `missing`, and what they would have led to
   * stays unknown. @throws DbupError POOL_DAMAGED when a recipe or a list node cannot be read
   */
  async addRecipe(recipeId: string, sizeBytes: number): Promise<void> {
    if (!this.#enter(Buffer.from(recipeId, 'hex'))) return;
    const recipe = await readRecipe(this.#cache, recipeId, sizeBytes);
    for (const stream of streamsOf(recipe)) await this.#addStream(stream);
    if (recipe.kind !== 'tar') return;
    for (const segment of recipe.segments) {
      if (segment.type === 'blob') await this.addRecipe(segment.blob.recipeId, segment.blob.sizeBytes);
    }
  }

  async #addStream(stream: StreamRef): Promise<void> {
    if (stream.sizeBytes === 0) return;
    const enter = (id: Uint8Array): boolean => this.#enter(id);
    for await (const { id } of streamNodesAndChunks(this.#cache, stream, enter)) this.#mark(id);
  }

  /** Marks a recipe or a list node. @returns false when it was visited before or is missing */
  #enter(id: Uint8Array): boolean {
    const hex = Buffer.from(id).toString('hex');
    if (this.#visited.has(hex)) return false;
    this.#visited.add(hex);
    return this.#mark(id);
  }

  #mark(id: Uint8Array): boolean {
    const entry = this.#chunks.table.find(id);
    if (entry < 0) {
      this.missing.add(Buffer.from(id).toString('hex'));
      return false;
    }
    this.#marks[entry] = 1;
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

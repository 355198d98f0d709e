import { ChunkTable } from '../catalog/chunk-table.js';
import { throwIfInterrupted } from '../core/context.js';
import type { Recipe, StreamRef } from '../format/recipe.js';
import { featureOfRecipe, NESTED_DEFLATE_FEATURE, type Snapshot } from '../format/snapshot.js';
import { decodeListNode } from '../format/stream-list.js';
import { checkRecipeDepth, readRecipe } from './blob-source.js';
import { BlockBases, NO_BASE } from './block-bases.js';
import type { BlockCache } from './block-cache.js';
import type { BlockAddress, ChunkCatalog } from './chunk-catalog.js';

const NEEDED = 1;
/** A recipe or list node that needs no second visit. */
const VISITED = 2;
/** Needed for its own bytes, not only as a base. */
const NAMED = 4;
const NOWHERE = { packIndex: 0, blockIndex: 0, offsetBytes: 0, sizeBytes: 0 };

/**
 * Which chunks some recipes need, as one mark for each entry of the pool's chunk table: those they name, and the
 * bases of the delta blocks these are in, of any depth.
 */
export class Reachability {
  readonly #cache: BlockCache;
  readonly #chunks: ChunkCatalog;
  readonly #signal: AbortSignal | undefined;
  readonly #marks: Uint8Array;
  readonly #bases: BlockBases;
  /** Delta blocks met, and whether the pool has everything they lean on. */
  readonly #leaning = new Map<number, boolean>();
  /** Chunks that are needed and not in the pool; where they would lie means nothing. */
  readonly missing = new ChunkTable();
  /** How many recipes and list nodes cannot be read for want of chunks: what those lead to is unknown. */
  missingNodes = 0;
  /** Snapshot features that announce the recipes met. */
  readonly features = new Set<string>();

  /** @param everyCopy for a deleter, see {@link BlockBases} */
  constructor(cache: BlockCache, chunks: ChunkCatalog, signal?: AbortSignal, { everyCopy = false } = {}) {
    this.#cache = cache;
    this.#chunks = chunks;
    this.#signal = signal;
    this.#marks = new Uint8Array(chunks.table.count);
    this.#bases = new BlockBases(chunks, { everyCopy });
  }

  /** True for an entry of the chunk table that something added needs. */
  has(entry: number): boolean {
    return (this.#marks[entry]! & NEEDED) !== 0;
  }

  /** True for an entry that is needed for its own bytes, not only as a base of others. */
  isNamed(entry: number): boolean {
    return (this.#marks[entry]! & NAMED) !== 0;
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
    const feature = featureOfRecipe(recipe.kind);
    if (feature) this.features.add(feature);
    if (hasOpenedSegment(recipe)) this.features.add(NESTED_DEFLATE_FEATURE);
    for (const stream of streamsOf(recipe)) await this.#addStream(stream);
    for (const inner of recipesIn(recipe)) await this.addRecipe(inner.recipeId, inner.sizeBytes, depth + 1);
  }

  async #addStream({ id, depth, sizeBytes }: StreamRef): Promise<void> {
    if (sizeBytes > 0) await this.#addNode(Buffer.from(id, 'hex'), depth, sizeBytes);
  }

  async #addNode(id: Uint8Array, depth: number, sizeBytes: number): Promise<void> {
    if (depth === 0) {
      this.#mark(id, NEEDED | NAMED);
      return;
    }
    if (!this.#enter(id)) return;
    const where = Buffer.from(id).toString('hex', 0, 6);
    const { ids, sizes } = decodeListNode(await this.#cache.readChunk(id), sizeBytes, where);
    for (let i = 0; i < ids.length; i++) {
      // Leaves are nearly all there is: a promise for each would cost ten times the look-up.
      if (depth === 1) this.#mark(ids[i]!, NEEDED | NAMED);
      else await this.#addNode(ids[i]!, depth - 1, sizes[i]!);
    }
  }

  /** Marks a recipe or a list node. @returns false when it was visited before or cannot be read */
  #enter(id: Uint8Array): boolean {
    const entry = this.#chunks.table.find(id);
    if (entry >= 0 && (this.#marks[entry]! & VISITED) !== 0) return false;
    if (!this.#mark(id, NEEDED | NAMED)) {
      this.missingNodes++;
      return false;
    }
    this.#marks[entry] = this.#marks[entry]! | VISITED;
    return true;
  }

  /** @returns false when the chunk or some chunk it leans on is missing */
  #mark(id: Uint8Array, marks: number): boolean {
    const entry = this.#chunks.table.find(id);
    if (entry < 0) {
      this.missing.add(id, 0, NOWHERE);
      return false;
    }
    return this.#markEntry(entry, marks);
  }

  #markEntry(entry: number, marks: number): boolean {
    this.#marks[entry] = this.#marks[entry]! | marks;
    const blocks = this.#bases.leaningBlocksOf(entry);
    // The first is the one that is read; what others lack keeps nobody from reading.
    for (let i = 1; i < blocks.length; i++) this.#markBases(blocks[i]!);
    return blocks.length === 0 || this.#markBases(blocks[0]!);
  }

  /** As deep as blocks lean on one another: a base's block has a lower depth than the block that leans on it. */
  #markBases(block: BlockAddress): boolean {
    const key = this.#bases.keyOf(block);
    const known = this.#leaning.get(key);
    if (known !== undefined) return known;
    let complete = true;
    this.#bases.forEach(block, (base, id) => {
      if (base === NO_BASE) this.missing.add(id, 0, NOWHERE);
      if (base === NO_BASE || !this.#markEntry(base, NEEDED)) complete = false;
    });
    this.#leaning.set(key, complete);
    return complete;
  }
}

/** The streams of a recipe itself, not of the blobs in it. */
export function streamsOf(recipe: Recipe): StreamRef[] {
  if (recipe.kind === 'gzip' || recipe.kind === 'checkpoints') return [];
  if (recipe.kind === 'corrections') return [recipe.corrections];
  if (recipe.kind === 'plain') return [recipe.stream];
  const streams = [recipe.skeleton];
  for (const segment of recipe.segments) {
    if (segment.type === 'stream') streams.push(segment.stream);
    if (segment.type !== 'opened') continue;
    const { contents, frames, parts } = segment.opened;
    streams.push(contents, frames, parts);
  }
  return streams;
}

function hasOpenedSegment(recipe: Recipe): boolean {
  return recipe.kind === 'tar' && recipe.segments.some(({ type }) => type === 'opened');
}

/** The recipes that a recipe leads to. */
export function recipesIn(recipe: Recipe): { recipeId: string; sizeBytes: number }[] {
  if (recipe.kind === 'gzip' || recipe.kind === 'checkpoints' || recipe.kind === 'corrections') {
    return [recipe.inner];
  }
  if (recipe.kind === 'plain') return [];
  return recipe.segments.flatMap((segment) => (segment.type === 'blob' ? [segment.blob] : []));
}

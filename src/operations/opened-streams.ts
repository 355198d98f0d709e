import { DbupError } from '../core/errors.js';
import { OpenedPartsDecoder } from '../format/opened-parts.js';
import type { StreamRef } from '../format/recipe.js';
import { NESTED_DEFLATE_FEATURE, type Snapshot } from '../format/snapshot.js';
import { checkRecipeDepth, readRecipe } from '../pool/blob-source.js';
import type { BlockCache } from '../pool/block-cache.js';
import { StreamSource } from '../pool/byte-source.js';
import { recipesIn } from '../pool/reachability.js';

/** Some 3 million streams: what claims more is not counted, as a small pool could claim it without end. */
const MOST_PARTS_BYTES = 16 * 1024 * 1024;

/** Deflate streams of files in layers that are held as their plain bytes. */
export interface OpenedStreams {
  /** How many: of a jar one for each of its files. */
  streams: number;
  /** What they are in the layer. */
  compressedBytes: number;
  /** What is held of them, before chunks and deltas. */
  plainBytes: number;
}

export const NOTHING_OPENED: OpenedStreams = { streams: 0, compressedBytes: 0, plainBytes: 0 };

/** Counts the opened streams of layers, each recipe once for all of its life. */
export class OpenedStreamCounter {
  readonly #cache: BlockCache;
  readonly #seen = new Set<string>();

  constructor(cache: BlockCache) {
    this.#cache = cache;
  }

  /**
   * Those of some layers of a snapshot that no call before has counted; of each digest once.
   * @returns null where the pool lacks or misreads something, or has too much of it
   */
  async ofLayers(snapshot: Snapshot, digests: Iterable<string>): Promise<OpenedStreams | null> {
    if (!snapshot.features?.includes(NESTED_DEFLATE_FEATURE)) return NOTHING_OPENED;
    const blobs = new Map(snapshot.blobs.map((blob) => [blob.digest as string, blob]));
    const sum = { ...NOTHING_OPENED };
    try {
      for (const digest of new Set(digests)) {
        const blob = blobs.get(digest);
        if (blob && !(await this.#addRecipe(sum, blob.recipeId, blob.sizeBytes, 1))) return null;
      }
      return sum;
    } catch (error) {
      const isDamage =
        error instanceof RangeError || (error instanceof DbupError && error.code.startsWith('POOL_'));
      if (isDamage) return null;
      throw error;
    }
  }

  async #addRecipe(sum: OpenedStreams, recipeId: string, sizeBytes: number, depth: number): Promise<boolean> {
    checkRecipeDepth(recipeId, depth);
    if (this.#seen.has(recipeId)) return true;
    this.#seen.add(recipeId);
    const recipe = await readRecipe(this.#cache, recipeId, sizeBytes);
    for (const segment of recipe.kind === 'tar' ? recipe.segments : []) {
      if (segment.type === 'opened' && !(await this.#addParts(sum, segment.opened.parts))) return false;
    }
    for (const inner of recipesIn(recipe)) {
      if (!(await this.#addRecipe(sum, inner.recipeId, inner.sizeBytes, depth + 1))) return false;
    }
    return true;
  }

  async #addParts(sum: OpenedStreams, stream: StreamRef): Promise<boolean> {
    if (stream.sizeBytes > MOST_PARTS_BYTES) return false;
    const decoder = new OpenedPartsDecoder();
    const source = new StreamSource(this.#cache, stream, true);
    try {
      while (await source.advance()) {
        decoder.push(source.current);
        source.consume(source.current.length);
        for (let part = decoder.next(); part; part = decoder.next()) {
          if (part.kind !== 'deflated') continue;
          sum.streams++;
          sum.compressedBytes += part.deflatedBytes;
          sum.plainBytes += part.sizeBytes;
        }
      }
      decoder.finish();
      return true;
    } finally {
      await source.close();
    }
  }
}

import type { SnapshotRecord } from '../catalog/catalog.js';
import { DbupError } from '../core/errors.js';
import type { StoredBlob } from './blob-writer.js';
import type { BlockCache } from './block-cache.js';
import type { ChunkCatalog } from './chunk-catalog.js';
import { Reachability } from './reachability.js';

/** The blobs that snapshots of the pool list, by digest: what need not be stored again. */
export class KnownBlobs {
  readonly #blobs = new Map<string, StoredBlob>();
  /** Digest of a compressed layer to that of its plain tar, as the snapshots say. */
  readonly #diffIds = new Map<string, string>();
  readonly #complete = new Map<string, boolean>();
  /** By recipe, the snapshot features that announce what it leads to. */
  readonly #features = new Map<string, Iterable<string>>();
  /** The features that announce what the blobs `find` answered with lead to. */
  readonly foundFeatures = new Set<string>();
  /** Sizes of the blobs that `find` answered with, by digest. */
  readonly foundBytes = new Map<string, number>();
  readonly #cache: BlockCache;
  readonly #chunks: ChunkCatalog;

  constructor(records: readonly SnapshotRecord[], cache: BlockCache, chunks: ChunkCatalog) {
    this.#cache = cache;
    this.#chunks = chunks;
    for (const { snapshot } of records) {
      for (const { digest, mediaType: _, ...blob } of snapshot.blobs) {
        const digestHex = digest.slice('sha256:'.length);
        this.#blobs.set(digestHex, { digestHex, ...blob });
      }
      for (const image of snapshot.images) {
        // A plain layer proves nothing, and neither does a statement about an image.
        for (const { digest, diffId } of image.layers) {
          if (digest !== diffId) this.#diffIds.set(digest, diffId);
        }
      }
    }
  }

  /**
   * The blob, if the pool holds all it needs: a snapshot may have come without its packs, and a new one
   * must not lean on what is not there.
   */
  async find(digestHex: string, sizeBytes: number): Promise<StoredBlob | null> {
    const blob = this.#blobs.get(digestHex);
    if (!blob || blob.sizeBytes !== sizeBytes) return null;
    if (!(await this.isComplete(blob.recipeId, sizeBytes))) return null;
    this.foundBytes.set(digestHex, sizeBytes);
    for (const feature of this.#features.get(blob.recipeId) ?? []) this.foundFeatures.add(feature);
    return blob;
  }

  /** Those of some digests that snapshots list, whole or not. */
  listed(digestsHex: Iterable<string>): StoredBlob[] {
    return [...digestsHex].flatMap((hex) => this.#blobs.get(hex) ?? []);
  }

  /** True when every chunk a recipe needs is in the pool. @throws DbupError POOL_DAMAGED when that cannot be told */
  async isComplete(recipeId: string, sizeBytes: number): Promise<boolean> {
    const known = this.#complete.get(recipeId);
    if (known !== undefined) return known;
    const complete = await this.#check(recipeId, sizeBytes);
    this.#complete.set(recipeId, complete);
    return complete;
  }

  /** The diffId a snapshot gives for a layer blob. */
  diffIdOf(digest: string): string | undefined {
    return this.#diffIds.get(digest);
  }

  async #check(recipeId: string, sizeBytes: number): Promise<boolean> {
    const reach = new Reachability(this.#cache, this.#chunks);
    try {
      await reach.addRecipe(recipeId, sizeBytes);
    } catch (error) {
      // What is missing is stored again. What is damaged would not be: its chunks count as known.
      if (error instanceof DbupError && error.code === 'POOL_INCOMPLETE') return false;
      throw error;
    }
    this.#features.set(recipeId, reach.features);
    return reach.missing.count === 0;
  }
}

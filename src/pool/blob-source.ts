import { DbupError } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import type { Checkpoint } from '../format/checkpoint-recipe.js';
import type { GzipRecipe } from '../format/gzip-recipe.js';
import { type BlobRef, decodeRecipe, type Recipe, type Segment, type StreamRef } from '../format/recipe.js';
import { Sha256Stream } from '../hash/sha256.js';
import type { BlockCache } from './block-cache.js';
import { type ByteSource, NOTHING, SequenceSource, StreamSource, TarSource } from './byte-source.js';
import { CorrectedSource } from './corrected-source.js';
import { GzipSource, partsOf } from './gzip-source.js';
import { OpenedSource } from './opened-source.js';
import { FileSource, KeptSource } from './rebuilt-source.js';

const VERIFY_WINDOW_BYTES = 256 * 1024;

/** A blob gathered into windows, each hashed while it is in the cache; at the end the digest must be the blob's. */
class VerifiedSource implements ByteSource {
  current: Uint8Array = NOTHING;
  readonly #cache: BlockCache;
  readonly #inner: ByteSource;
  readonly #blob: BlobRef;
  readonly #sha256 = new Sha256Stream();
  readonly #window: Uint8Array;
  #doneBytes = 0;
  #ended = false;
  #closed = false;

  constructor(cache: BlockCache, inner: ByteSource, blob: BlobRef) {
    this.#cache = cache;
    this.#inner = inner;
    this.#blob = blob;
    this.#window = cache.window(VERIFY_WINDOW_BYTES);
  }

  consume(byteCount: number): void {
    this.current = this.current.subarray(byteCount);
  }

  async advance(): Promise<boolean> {
    if (this.#ended) return false;
    let fill = 0;
    while (fill < this.#window.length) {
      const { current } = this.#inner;
      if (current.length === 0) {
        if (await this.#inner.advance()) continue;
        this.#ended = true;
        break;
      }
      const taken = Math.min(current.length, this.#window.length - fill);
      this.#cache.copy(this.#window, fill, taken === current.length ? current : current.subarray(0, taken));
      this.#inner.consume(taken);
      fill += taken;
    }
    this.#doneBytes += fill;
    this.current = this.#window.subarray(0, fill);
    this.#sha256.update(this.current);
    if (this.#ended || this.#doneBytes > this.#blob.sizeBytes) this.#check();
    return fill > 0;
  }

  async close(): Promise<void> {
    if (!this.#closed) this.#cache.returnWindow(this.#window);
    this.#closed = true;
    await this.#inner.close();
  }

  #check(): void {
    this.#ended = true;
    const { sizeBytes, digestHex } = this.#blob;
    const hex = this.#sha256.hex();
    if (this.#doneBytes === sizeBytes && hex === digestHex) return;
    throw new DbupError(
      'POOL_DAMAGED',
      `blob sha256:${digestHex} was rebuilt as ${this.#doneBytes} bytes with digest sha256:${hex}, not as the ${sizeBytes} bytes that were saved`,
      {
        hint: 'Nothing of it was accepted. Run `dbup verify --read-data` to find the damage, then `dbup repair --from OTHER_POOL`.',
        details: { digest: `sha256:${digestHex}`, rebuilt: `sha256:${hex}` },
      },
    );
  }
}

/** Reads a recipe and checks that it is for `sizeBytes` bytes. */
export async function readRecipe(cache: BlockCache, recipeId: string, sizeBytes: number): Promise<Recipe> {
  const recipe = decodeRecipe(await cache.readChunk(Buffer.from(recipeId, 'hex')), recipeId.slice(0, 12));
  if (recipe.sizeBytes === sizeBytes) return recipe;
  throw new DbupError(
    'POOL_DAMAGED',
    `recipe ${recipeId.slice(0, 12)} rebuilds ${recipe.sizeBytes} bytes, not ${sizeBytes}`,
    {
      hint: 'Run `dbup verify`.',
      details: { recipe: recipeId },
    },
  );
}

/** The bytes of a blob, verified against its digest before the last of them is given. The caller closes it. */
export async function openBlob(cache: BlockCache, blob: BlobRef, depth = 1): Promise<ByteSource> {
  checkRecipeDepth(blob.recipeId, depth);
  const recipe = await readRecipe(cache, blob.recipeId, blob.sizeBytes);
  const open = async () => new VerifiedSource(cache, await openParts(cache, recipe, false, depth), blob);
  if (recipe.kind !== 'gzip' || !cache.rebuilt) return open();
  const { digestHex, sizeBytes } = blob;
  const file = await cache.rebuilt.open(digestHex, sizeBytes);
  if (file) return new VerifiedSource(cache, new FileSource(file), blob);
  const source = await open();
  const kept = await cache.rebuilt.create(digestHex, sizeBytes);
  return kept ? new KeptSource(source, kept) : source;
}

/** The bytes of an archive, which has no digest of its own: blobs in it are verified by their digests, the rest by its chunks. */
export async function openArchive(
  cache: BlockCache,
  recipeId: string,
  sizeBytes: number,
): Promise<ByteSource> {
  return openParts(cache, await readRecipe(cache, recipeId, sizeBytes), true, 1);
}

/** The bytes that a recipe stands for, against no digest. @param verifyChunks compares each chunk with its id */
export async function openParts(
  cache: BlockCache,
  recipe: Recipe,
  verifyChunks: boolean,
  depth: number,
): Promise<ByteSource> {
  if (recipe.kind === 'gzip') {
    const { inner, checkpoints, corrections } = await readGzipInner(cache, recipe, depth);
    if (corrections) {
      const plain = await openParts(cache, inner, verifyChunks, depth + 2);
      return new CorrectedSource(
        cache.gzip,
        recipe,
        plain,
        new StreamSource(cache, corrections, verifyChunks),
      );
    }
    const parts = partsOf(recipe, checkpoints);
    // What covers the gzip file proves the plain bytes as well.
    const source = await openParts(cache, inner, verifyChunks, depth + (checkpoints.length > 0 ? 2 : 1));
    return new GzipSource(cache.gzip, recipe, source, { parts, history: NOTHING });
  }
  if (recipe.kind === 'checkpoints' || recipe.kind === 'corrections') {
    checkRecipeDepth(recipe.inner.recipeId, depth + 1);
    const inner = await readRecipe(cache, recipe.inner.recipeId, recipe.sizeBytes);
    return openParts(cache, inner, verifyChunks, depth + 1);
  }
  if (recipe.kind === 'plain') return new StreamSource(cache, recipe.stream, verifyChunks);
  const openSegment = async (segment: Segment): Promise<ByteSource> =>
    segment.type === 'blob'
      ? openBlob(cache, segment.blob, depth + 1)
      : openContent(cache, segment, verifyChunks);
  const content = new SequenceSource(recipe.segments.map((segment) => () => openSegment(segment)));
  return new TarSource(new StreamSource(cache, recipe.skeleton, verifyChunks), content);
}

/** The recipe of a gzip file's plain bytes, and the checkpoints or corrections if there are any. */
export async function readGzipInner(
  cache: BlockCache,
  { inner: { recipeId, sizeBytes } }: GzipRecipe,
  depth: number,
): Promise<{ inner: Recipe; checkpoints: Checkpoint[]; corrections?: StreamRef }> {
  checkRecipeDepth(recipeId, depth + 1);
  const inner = await readRecipe(cache, recipeId, sizeBytes);
  if (inner.kind !== 'checkpoints' && inner.kind !== 'corrections') return { inner, checkpoints: [] };
  checkRecipeDepth(inner.inner.recipeId, depth + 2);
  const plain = await readRecipe(cache, inner.inner.recipeId, sizeBytes);
  if (inner.kind === 'corrections') return { inner: plain, checkpoints: [], corrections: inner.corrections };
  return { inner: plain, checkpoints: inner.checkpoints };
}

function openContent(
  cache: BlockCache,
  segment: Exclude<Segment, { type: 'blob' }>,
  verifyChunks: boolean,
): ByteSource {
  const open = (stream: StreamRef): ByteSource => new StreamSource(cache, stream, verifyChunks);
  if (segment.type === 'stream') return open(segment.stream);
  const { contents, frames, parts, sizeBytes } = segment.opened;
  const streams = { contents: open(contents), frames: open(frames), parts: open(parts) };
  return new OpenedSource(cache.gzip, streams, sizeBytes);
}

/** @throws DbupError POOL_DAMAGED for recipes nested deeper than any writer nests them */
export function checkRecipeDepth(recipeId: string, depth: number): void {
  if (depth <= LIMITS.recipeDepth) return;
  throw new DbupError(
    'POOL_DAMAGED',
    `recipe ${recipeId.slice(0, 12)} lies more than ${LIMITS.recipeDepth} recipes deep`,
    {
      hint: 'No dbup writes this: check where the pool comes from.',
      details: { recipe: recipeId },
    },
  );
}

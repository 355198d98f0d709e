import { TarWalk } from '../archive/tar-walk.js';
import { DbupError } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import { type BlobRef, decodeRecipe, type Recipe, type Segment, type StreamRef } from '../format/recipe.js';
import { Sha256Stream } from '../hash/sha256.js';
import { type BlockCache, type ChunkLease, checkChunk } from './block-cache.js';
import { streamChunks } from './stream-chunks.js';

/** Decoded ahead of the reader, for each stream. */
const AHEAD_BYTES = 6 * 1024 * 1024;
const AHEAD_BLOCKS = 12;
const AHEAD_CHUNKS = 256;
const VERIFY_WINDOW_BYTES = 256 * 1024;

/**
 * A pull source of bytes without copies: `current` is what is at hand (empty: call `advance`), `consume`
 * moves past some of it. `advance` resolves to false at the end.
 */
export interface ByteSource {
  readonly current: Uint8Array;
  consume(byteCount: number): void;
  advance(): Promise<boolean>;
  close(): Promise<void>;
}

const NOTHING = new Uint8Array(0);

/** The bytes of a stream, read ahead. With `verifyChunks` each chunk is compared with its id, for streams no blob digest covers. */
class StreamSource implements ByteSource {
  current: Uint8Array = NOTHING;
  readonly #cache: BlockCache;
  readonly #verifyChunks: boolean;
  readonly #chunks: AsyncGenerator<{ id: Uint8Array; sizeBytes: number }>;
  readonly #ahead: ChunkLease[] = [];
  readonly #aheadBlocks = new Map<string, number>();
  #aheadBytes = 0;
  #listEnded = false;
  #held: ChunkLease | null = null;

  constructor(cache: BlockCache, stream: StreamRef, verifyChunks: boolean) {
    this.#cache = cache;
    this.#verifyChunks = verifyChunks;
    this.#chunks = streamChunks(cache, stream);
  }

  consume(byteCount: number): void {
    this.current = this.current.subarray(byteCount);
  }

  async advance(): Promise<boolean> {
    this.#releaseHeld();
    await this.#readAhead();
    const lease = this.#ahead.shift();
    if (!lease) return false;
    this.#held = lease;
    this.#aheadBytes -= lease.bytes.length;
    const leases = this.#aheadBlocks.get(lease.blockKey)!;
    if (leases === 1) this.#aheadBlocks.delete(lease.blockKey);
    else this.#aheadBlocks.set(lease.blockKey, leases - 1);
    await lease.ready;
    if (this.#verifyChunks) checkChunk(lease.id, lease.bytes);
    this.current = lease.bytes;
    return true;
  }

  async close(): Promise<void> {
    this.#releaseHeld();
    for (const lease of this.#ahead.splice(0)) lease.release();
    await this.#chunks.return(undefined);
  }

  #releaseHeld(): void {
    this.current = NOTHING;
    this.#held?.release();
    this.#held = null;
  }

  async #readAhead(): Promise<void> {
    while (
      !this.#listEnded &&
      (this.#ahead.length === 0 ||
        (this.#aheadBytes < AHEAD_BYTES &&
          this.#aheadBlocks.size < AHEAD_BLOCKS &&
          this.#ahead.length < AHEAD_CHUNKS))
    ) {
      const next = await this.#chunks.next();
      if (next.done) {
        this.#listEnded = true;
        return;
      }
      const lease = this.#cache.lease(next.value.id);
      this.#ahead.push(lease);
      if (lease.bytes.length !== next.value.sizeBytes) throw wrongLength(next.value.id);
      this.#aheadBytes += lease.bytes.length;
      this.#aheadBlocks.set(lease.blockKey, (this.#aheadBlocks.get(lease.blockKey) ?? 0) + 1);
    }
  }
}

/** Several sources one after the other, each opened when it is its turn. */
class SequenceSource implements ByteSource {
  readonly #openers: (() => Promise<ByteSource>)[];
  #source: ByteSource | null = null;

  constructor(openers: (() => Promise<ByteSource>)[]) {
    this.#openers = openers;
  }

  get current(): Uint8Array {
    return this.#source?.current ?? NOTHING;
  }

  consume(byteCount: number): void {
    this.#source!.consume(byteCount);
  }

  async advance(): Promise<boolean> {
    for (;;) {
      if (this.#source && (await this.#source.advance())) return true;
      await this.close();
      const open = this.#openers.shift();
      if (!open) return false;
      this.#source = await open();
      if (this.#source.current.length > 0) return true;
    }
  }

  async close(): Promise<void> {
    await this.#source?.close();
    this.#source = null;
  }
}

/** A tar put together again: the walk over the skeleton says when contents are due. */
class TarSource implements ByteSource {
  readonly #walk = new TarWalk();
  readonly #skeleton: ByteSource;
  readonly #content: ByteSource;

  constructor(skeleton: ByteSource, content: ByteSource) {
    this.#skeleton = skeleton;
    this.#content = content;
  }

  get current(): Uint8Array {
    const { current } = this.#due;
    const { remainingBytes } = this.#walk;
    return current.length > remainingBytes ? current.subarray(0, remainingBytes) : current;
  }

  consume(byteCount: number): void {
    const source = this.#due;
    if (this.#walk.kind === 'skeleton') this.#walk.skeleton(source.current.subarray(0, byteCount));
    else this.#walk.content(byteCount);
    source.consume(byteCount);
  }

  async advance(): Promise<boolean> {
    if (this.#due.current.length > 0 || (await this.#due.advance())) return true;
    await this.#checkNothingLeft();
    return false;
  }

  /** The walk says which bytes come next: bytes it never comes to mean that the recipe is not the archive's. */
  async #checkNothingLeft(): Promise<void> {
    const other = this.#due === this.#skeleton ? this.#content : this.#skeleton;
    if (other.current.length === 0 && !(await other.advance())) return;
    throw new DbupError('POOL_DAMAGED', 'a recipe holds bytes that its skeleton has no place for', {
      hint: 'Nothing of it was accepted. Run `dbup verify`.',
    });
  }

  async close(): Promise<void> {
    await this.#skeleton.close();
    await this.#content.close();
  }

  get #due(): ByteSource {
    return this.#walk.kind === 'skeleton' ? this.#skeleton : this.#content;
  }
}

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
  return new VerifiedSource(cache, openParts(cache, recipe, false, depth), blob);
}

/** The bytes of an archive, which has no digest of its own: blobs in it are verified by their digests, the rest by its chunks. */
export async function openArchive(
  cache: BlockCache,
  recipeId: string,
  sizeBytes: number,
): Promise<ByteSource> {
  return openParts(cache, await readRecipe(cache, recipeId, sizeBytes), true, 1);
}

function openParts(cache: BlockCache, recipe: Recipe, verifyChunks: boolean, depth: number): ByteSource {
  if (recipe.kind === 'plain') return new StreamSource(cache, recipe.stream, verifyChunks);
  const openSegment = async (segment: Segment): Promise<ByteSource> =>
    segment.type === 'blob'
      ? openBlob(cache, segment.blob, depth + 1)
      : new StreamSource(cache, segment.stream, verifyChunks);
  const content = new SequenceSource(recipe.segments.map((segment) => () => openSegment(segment)));
  return new TarSource(new StreamSource(cache, recipe.skeleton, verifyChunks), content);
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

/** A source as an iterable of pieces, each valid until the next is asked for. Closes the source. */
export async function* readSource(source: ByteSource): AsyncGenerator<Uint8Array> {
  try {
    for (;;) {
      const { current } = source;
      if (current.length === 0) {
        if (!(await source.advance())) return;
        continue;
      }
      yield current;
      source.consume(current.length);
    }
  } finally {
    await source.close();
  }
}

function wrongLength(id: Uint8Array): DbupError {
  const hex = Buffer.from(id).toString('hex');
  return new DbupError('POOL_DAMAGED', `chunk ${hex.slice(0, 12)} has another length than the recipe says`, {
    hint: 'Run `dbup verify`.',
    details: { chunk: hex },
  });
}

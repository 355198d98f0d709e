import { detectCompression, inflate } from '../compress/inflate.js';
import { DbupError } from '../core/errors.js';
import type { BlobRef } from '../format/recipe.js';
import type { Snapshot, SnapshotImage, SnapshotLayer } from '../format/snapshot.js';
import { Sha256Stream } from '../hash/sha256.js';
import { parsePlatform, platformMatches } from '../oci/platform.js';
import { openArchive, openBlob, readRecipe } from '../pool/blob-source.js';
import type { BlockCache } from '../pool/block-cache.js';
import { readSource } from '../pool/byte-source.js';

/** A layer as the plain tar its diffId names. */
export interface PlainLayer {
  diffId: string;
  sizeBytes: number;
  read(): AsyncGenerator<Uint8Array>;
}

/** Gives back what one snapshot holds. Every iterable throws before its end when the bytes are not what was saved. */
export class ImageReader {
  readonly snapshot: Snapshot;
  readonly #cache: BlockCache;
  readonly #blobs: Map<string, BlobRef>;

  constructor(cache: BlockCache, snapshot: Snapshot) {
    this.snapshot = snapshot;
    this.#cache = cache;
    this.#blobs = new Map(
      snapshot.blobs.map(({ digest, sizeBytes, recipeId }) => [
        digest,
        { digestHex: digest.slice('sha256:'.length), sizeBytes, recipeId },
      ]),
    );
  }

  /** The tar the image came from. */
  async *archive(): AsyncGenerator<Uint8Array> {
    const { recipeId, sizeBytes } = this.snapshot.archive!;
    let doneBytes = 0;
    for await (const piece of readSource(await openArchive(this.#cache, recipeId, sizeBytes))) {
      doneBytes += piece.length;
      yield piece;
    }
    // Its parts have digests, but only their number of bytes tells that all of them were put together.
    if (doneBytes === sizeBytes) return;
    throw new DbupError(
      'POOL_DAMAGED',
      `the archive of ${this.snapshot.reference} was rebuilt as ${doneBytes} bytes, not as the ${sizeBytes} that were saved`,
      { hint: 'Run `dbup verify --read-data`, then `dbup repair --from OTHER_POOL`.' },
    );
  }

  /** A blob as it was saved. Pieces are valid until the next is asked for. */
  async *blob(digest: string): AsyncGenerator<Uint8Array> {
    yield* readSource(await openBlob(this.#cache, this.#ref(digest)));
  }

  /** A small blob whole. */
  async document(digest: string): Promise<Uint8Array> {
    const pieces: Uint8Array[] = [];
    for await (const piece of this.blob(digest)) pieces.push(new Uint8Array(piece));
    return Buffer.concat(pieces);
  }

  blobBytes(digest: string): number {
    return this.#ref(digest).sizeBytes;
  }

  /**
   * The image for a platform, or the only one, or the one for this machine.
   * @throws DbupError USAGE, SNAPSHOT_NOT_FOUND
   */
  image(platform: string | undefined): SnapshotImage {
    const runnable = this.snapshot.images.filter((image) => image.platform !== 'unknown/unknown');
    const candidates = runnable.length > 0 ? runnable : this.snapshot.images;
    if (platform === undefined && candidates.length === 1) return candidates[0]!;
    const wanted = parsePlatform(platform ?? `linux/${process.arch === 'x64' ? 'amd64' : process.arch}`);
    const image = candidates.find((candidate) => platformMatches(wanted, parsePlatform(candidate.platform)));
    if (image) return image;
    throw new DbupError(
      'SNAPSHOT_NOT_FOUND',
      `${this.snapshot.reference} has no image for ${platform ?? 'this machine'}`,
      {
        hint: `It has ${candidates.map((candidate) => candidate.platform).join(', ')}; choose with --platform.`,
      },
    );
  }

  /** A layer as a plain tar. One that is stored compressed costs one pass to learn its size. */
  async plainLayer(layer: SnapshotLayer): Promise<PlainLayer> {
    const { digest, diffId } = layer;
    if (digest === diffId)
      return { diffId, sizeBytes: this.blobBytes(digest), read: () => this.blob(digest) };
    const stored = this.#ref(digest);
    const recipe = await readRecipe(this.#cache, stored.recipeId, stored.sizeBytes);
    if (recipe.kind === 'gzip') {
      const plain = { digestHex: diffId.slice('sha256:'.length), ...recipe.inner };
      const open = async function* (cache: BlockCache): AsyncGenerator<Uint8Array> {
        yield* readSource(await openBlob(cache, plain));
      };
      return { diffId, sizeBytes: plain.sizeBytes, read: () => open(this.#cache) };
    }
    let sizeBytes = 0;
    for await (const piece of this.#inflate(digest, diffId)) sizeBytes += piece.length;
    return { diffId, sizeBytes, read: () => this.#inflate(digest, diffId) };
  }

  async *#inflate(digest: string, diffId: string): AsyncGenerator<Uint8Array> {
    const sha256 = new Sha256Stream();
    for await (const piece of inflateBlob(this.blob(digest))) {
      sha256.update(piece);
      yield piece;
    }
    const actual = `sha256:${sha256.hex()}`;
    if (actual === diffId) return;
    throw new DbupError('DIGEST_MISMATCH', `layer ${digest} inflates to ${actual}, not to ${diffId}`, {
      hint: 'The image was saved like this; get it with -o as it was saved.',
    });
  }

  #ref(digest: string): BlobRef {
    const ref = this.#blobs.get(digest);
    if (ref) return ref;
    throw new DbupError(
      'POOL_DAMAGED',
      `the snapshot of ${this.snapshot.reference} does not list ${digest}`,
      {
        hint: 'Run `dbup verify`.',
      },
    );
  }
}

/** The plain bytes of a compressed blob; plain bytes pass through. */
async function* inflateBlob(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const iterator = source[Symbol.asyncIterator]();
  try {
    const first = await iterator.next();
    if (first.done) return;
    async function* whole(): AsyncGenerator<Uint8Array> {
      yield first.value as Uint8Array;
      for (let next = await iterator.next(); !next.done; next = await iterator.next()) yield next.value;
    }
    const compression = detectCompression(first.value);
    yield* compression === null ? whole() : inflate(whole(), compression);
  } finally {
    await iterator.return?.();
  }
}

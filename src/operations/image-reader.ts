import { detectCompression, inflate } from '../compress/inflate.js';
import { DbupError } from '../core/errors.js';
import type { BlobRef } from '../format/recipe.js';
import type { Snapshot, SnapshotImage, SnapshotLayer } from '../format/snapshot.js';
import { Sha256Stream } from '../hash/sha256.js';
import {
  formatPlatform,
  NO_PLATFORM,
  type Platform,
  parsePlatform,
  platformMatches,
  platformOf,
} from '../oci/platform.js';
import { openArchive, openBlob, readRecipe } from '../pool/blob-source.js';
import type { BlockCache } from '../pool/block-cache.js';
import { readSource } from '../pool/byte-source.js';

/** A layer as the plain tar its diffId names. */
export interface PlainLayer {
  diffId: string;
  sizeBytes: number;
  read(): AsyncGenerator<Uint8Array>;
}

/** Go's names of Node's architectures, where they differ. */
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386', ppc64: 'ppc64le' };

/** What a container runs on here. */
export function hostPlatform(): Platform {
  return { os: 'linux', architecture: ARCHITECTURES[process.arch] ?? process.arch };
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

  hasBlob(digest: string): boolean {
    return this.#blobs.has(digest);
  }

  mediaType(digest: string): string {
    return this.snapshot.blobs.find((blob) => blob.digest === digest)?.mediaType ?? '';
  }

  /** What can be run of the snapshot, or all of it where nothing can. */
  get runnable(): SnapshotImage[] {
    const runnable = this.snapshot.images.filter(({ platform }) => platform !== NO_PLATFORM);
    return runnable.length > 0 ? runnable : this.snapshot.images;
  }

  /** The images for some platforms, or all. @throws DbupError USAGE, SNAPSHOT_NOT_FOUND for one that is not there */
  images(platforms: readonly string[]): SnapshotImage[] {
    if (platforms.length === 0) return this.runnable;
    return [...new Set(platforms.map((platform) => this.image(platform)))];
  }

  /**
   * The image for a platform, or the only one, or the one for `host`.
   * @throws DbupError USAGE, SNAPSHOT_NOT_FOUND
   */
  image(platform: string | undefined, host: Platform = hostPlatform()): SnapshotImage {
    const { runnable } = this;
    if (platform === undefined && runnable.length === 1) return runnable[0]!;
    const wanted = platform === undefined ? host : parsePlatform(platform);
    const image = runnable.find((candidate) => platformMatches(wanted, platformOf(candidate.platform)));
    if (image) return image;
    const platforms = runnable.map((candidate) => candidate.platform);
    throw new DbupError(
      'SNAPSHOT_NOT_FOUND',
      `${this.snapshot.reference} has no image for ${formatPlatform(wanted)}`,
      { hint: `It has ${platforms.join(', ')}; choose with --platform.`, details: { platforms } },
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

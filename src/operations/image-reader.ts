import { createInflater, detectCompression } from '../compress/plain-digest.js';
import { DbupError } from '../core/errors.js';
import type { BlobRef } from '../format/recipe.js';
import type { Snapshot, SnapshotImage, SnapshotLayer } from '../format/snapshot.js';
import { Sha256Stream } from '../hash/sha256.js';
import { parsePlatform, platformMatches } from '../oci/platform.js';
import type { BlockCache } from '../pool/block-cache.js';
import { openArchive, openBlob, readSource } from '../pool/byte-source.js';

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
    yield* readSource(await openArchive(this.#cache, recipeId, sizeBytes));
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

  /** A layer inflated, if it was saved compressed. That costs one pass to learn its size. */
  async plainLayer(layer: SnapshotLayer): Promise<PlainLayer> {
    const { digest, diffId } = layer;
    if (digest === diffId)
      return { diffId, sizeBytes: this.blobBytes(digest), read: () => this.blob(digest) };
    let sizeBytes = 0;
    for await (const piece of this.#inflate(digest, diffId)) sizeBytes += piece.length;
    return { diffId, sizeBytes, read: () => this.#inflate(digest, diffId) };
  }

  async *#inflate(digest: string, diffId: string): AsyncGenerator<Uint8Array> {
    const sha256 = new Sha256Stream();
    for await (const piece of inflate(this.blob(digest))) {
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

/** The plain bytes of a compressed stream; plain input passes through. */
async function* inflate(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const iterator = source[Symbol.asyncIterator]();
  try {
    const first = await iterator.next();
    if (first.done) return;
    const head = new Uint8Array(first.value);
    const compression = detectCompression(head);
    async function* rest(): AsyncGenerator<Uint8Array> {
      yield head;
      for (let next = await iterator.next(); !next.done; next = await iterator.next())
        yield new Uint8Array(next.value);
    }
    if (!compression) yield* rest();
    else yield* inflateWith(compression, rest());
  } finally {
    await iterator.return?.();
  }
}

async function* inflateWith(
  compression: 'gzip' | 'zstd',
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const inflater = createInflater(compression);
  const feeding = (async () => {
    try {
      for await (const piece of source) {
        if (!inflater.write(piece)) await new Promise((resolve) => inflater.once('drain', resolve));
      }
      inflater.end();
    } catch (error) {
      inflater.destroy(error as Error);
    }
  })();
  try {
    for await (const piece of inflater) yield piece as Uint8Array;
  } finally {
    inflater.destroy();
    // A feeder held back by a destroyed inflater would never be told to go on.
    inflater.emit('drain');
    await feeding;
  }
}

import type { SnapshotRecord } from '../catalog/catalog.js';
import { DICTIONARY_LEVEL } from '../compress/delta/delta-encoder.js';
import { type OperationContext, quietContext } from '../core/context.js';
import { DbupError } from '../core/errors.js';
import type { BlobRef } from '../format/recipe.js';
import {
  COMPANIONS_FEATURE,
  NESTED_DEFLATE_FEATURE,
  type Snapshot,
  type SnapshotArchive,
} from '../format/snapshot.js';
import { BaseFinder } from '../pool/base-finder.js';
import { BlobWriter } from '../pool/blob-writer.js';
import { BlockCache } from '../pool/block-cache.js';
import { BlockCoder, baseWindowBytes } from '../pool/block-coder.js';
import { blockTargetBytes } from '../pool/block-target.js';
import type { ChunkCatalog } from '../pool/chunk-catalog.js';
import { ChunkIngest } from '../pool/chunk-ingest.js';
import { KnownBlobs } from '../pool/known-blobs.js';
import { makeNamesDurable } from '../pool/make-names-durable.js';
import { Opening } from '../pool/opening.js';
import { chunkerOf, type Pool } from '../pool/pool.js';
import { PackWriter } from '../store/pack-file.js';
import { SpoolFile } from '../store/spool-file.js';
import { appendSnapshot, isSameImage } from './append-snapshot.js';
import { baseBlobs, countVersions } from './base-blobs.js';
import { type AppendedSnapshot, confirmAppended } from './confirm-appended.js';
import type { FoundImage } from './found-image.js';
import { GzipQueue } from './gzip-queue.js';
import { openWhatIsWhole } from './known-damage.js';
import { removePacks } from './remove-packs.js';
import type { SavedImage, StoredParts } from './saved-image.js';
import { placeOfVersion } from './version-place.js';
import { versionsByReference } from './versions.js';

export const DEFAULT_LEVEL = 5;
/** Deltas upon deltas, at most, in a short history (docs/decisions/0006). */
const MAX_DELTA_DEPTH = 3;
/** Decoded blocks kept while saving: recipes, and bases of a few blocks. */
const CACHE_BYTES = 8 * 1024 * 1024;

/** A snapshot and how its save is told. */
interface Written extends AppendedSnapshot {
  image: SavedImage;
}

/** How what is saved is stored. */
interface StoreOptions {
  /** Of zstd. */
  level: number;
  opensNested: boolean;
}

/** One save: what it reads of the pool, what it adds, and how it ends. */
export class SaveSession {
  readonly pool: Pool;
  readonly context: OperationContext;
  readonly ingest: ChunkIngest;
  readonly known: KnownBlobs;
  readonly gzip: GzipQueue;
  readonly #opening: Opening | null;
  readonly #records: SnapshotRecord[];
  readonly #packs: PackWriter;
  /** Those the session may have built on. */
  readonly #packNames: readonly string[];
  #references: readonly string[] = [];
  #shared: readonly BlobRef[] = [];
  #snapshotBytes = 0;

  private constructor(
    pool: Pool,
    context: OperationContext,
    records: SnapshotRecord[],
    chunks: ChunkCatalog,
    { level, opensNested }: StoreOptions,
  ) {
    this.pool = pool;
    this.context = context;
    this.#records = records;
    this.#packNames = chunks.packs.map(({ name }) => name);
    const cache = new BlockCache(pool.layout, chunks, pool.workers, {
      budgetBytes: CACHE_BYTES,
      windowBytes: baseWindowBytes(pool.workers, blockTargetBytes(level)),
      spill: pool.spill,
    });
    this.known = new KnownBlobs(records, cache, chunks);
    const finder = new BaseFinder({
      chunks,
      cache,
      history: () => {
        const earlier = countVersions(records, this.#references);
        const place = placeOfVersion(level < DICTIONARY_LEVEL ? earlier : 0, MAX_DELTA_DEPTH);
        return { ...place, blobs: baseBlobs(records, this.#references, this.#shared, place) };
      },
      context,
    });
    const bases = chunks.packs.length > 0 ? { finder, cache, chunks } : null;
    this.#packs = new PackWriter(pool.fs, pool.layout, pool.packTargetBytes);
    this.#opening = opensNested ? new Opening(pool.workers.gzip, () => this.newSpool()) : null;
    this.ingest = new ChunkIngest({
      chunker: chunkerOf(pool),
      table: chunks.table,
      workers: pool.workers,
      packs: this.#packs,
      coder: new BlockCoder(pool.workers, level, blockTargetBytes(level), bases),
      opening: this.#opening,
      blockBytes: blockTargetBytes(level),
      context,
    });
    this.gzip = new GzipQueue(this.ingest, pool.workers.gzip, context);
  }

  static async open(pool: Pool, context: OperationContext, options: StoreOptions): Promise<SaveSession> {
    const { records, unusable } = await pool.catalog.snapshots();
    for (const { error } of unusable) context.report({ type: 'warning', message: error.message });
    const chunks = await openWhatIsWhole(pool, context);
    return new SaveSession(pool, context, records, chunks, options);
  }

  /**
   * Says what the image will be called and which blobs it will have, as far as that can be foreseen: earlier versions,
   * and what it shares with others, are the likeliest bases.
   */
  expect(references: readonly string[], digestsHex: Iterable<string>): void {
    this.#references = references;
    this.#shared = this.known.listed(digestsHex);
  }

  /** The current version of a reference. */
  current(reference: string): SnapshotRecord | undefined {
    return versionsByReference(this.#records).get(reference)?.[0];
  }

  /** What has been stored so far; complete after `commit`. */
  stored(): StoredParts {
    const { newChunks, newPlainBytes, knownChunks, knownChunkBytes } = this.ingest;
    const blocks = this.#packs.blockBytes;
    const blockBytes = Object.values(blocks).reduce((sum, bytes) => sum + bytes, 0);
    return {
      ...{ newChunks, newPlainBytes, knownChunks, knownChunkBytes },
      knownBlobs: this.known.foundBytes.size,
      knownBlobBytes: [...this.known.foundBytes.values()].reduce((sum, bytes) => sum + bytes, 0),
      blocks,
      footerBytes: this.#packs.writtenBytes - blockBytes,
      snapshotBytes: this.#snapshotBytes,
    };
  }

  /** A snapshot of that image, known by its config or by its manifest or index, that the pool holds whole. */
  async findImage(imageId: string): Promise<SnapshotRecord | null> {
    for (const record of this.#records) {
      const { snapshot } = record;
      const isIt = snapshot.imageId === imageId || snapshot.root?.digest === imageId;
      if (!isIt || !snapshot.archive) continue;
      if (await this.#isWhole(snapshot)) return record;
    }
    return null;
  }

  async #isWhole({ archive, blobs }: Snapshot): Promise<boolean> {
    for (const { recipeId, sizeBytes } of archive ? [archive, ...blobs] : blobs) {
      if (!(await this.known.isComplete(recipeId, sizeBytes))) return false;
    }
    return true;
  }

  /** Puts bytes aside that come only once and must be read again. The caller removes the file. */
  newSpool(): Promise<SpoolFile> {
    const { fs, directory } = this.pool.spools;
    return SpoolFile.create(fs, directory);
  }

  async storeBlob(bytes: Uint8Array): Promise<BlobRef> {
    const writer = new BlobWriter(this.ingest);
    await writer.write(bytes);
    return writer.finish();
  }

  /** Makes the content durable and then the snapshots that point to it. */
  async commit(
    images: readonly {
      image: FoundImage;
      references: readonly string[];
      archive?: SnapshotArchive;
      imageBytes: number;
    }[],
    source: string,
  ): Promise<SavedImage[]> {
    await this.ingest.finish();
    await makeNamesDurable(this.pool);
    const saved: Written[] = [];
    const features = new Set([...this.gzip.features, ...this.known.foundFeatures]);
    if (this.#opening?.hasOpened) features.add(NESTED_DEFLATE_FEATURE);
    let newBytes = this.#packs.writtenBytes;
    let newPlainBytes = this.ingest.newPlainBytes;
    for (const { image, references, archive, imageBytes } of images) {
      for (const reference of references) {
        saved.push(
          await this.#writeSnapshot({
            reference,
            source,
            image,
            features: [...features, ...(image.companions ? [COMPANIONS_FEATURE] : [])].sort(),
            ...(archive && { archive }),
            stats: { imageBytes, newBytes, newPlainBytes },
          }),
        );
        // What the first snapshot brought is not new to the next.
        newBytes = 0;
        newPlainBytes = 0;
      }
    }
    return this.#confirm(saved);
  }

  async #confirm(written: readonly Written[]): Promise<SavedImage[]> {
    const packs = [...this.#packNames, ...this.#packs.written.map(({ name }) => name)];
    await confirmAppended(this.pool, packs, written, this.context);
    return written.map(({ image }) => image);
  }

  /** Appends another snapshot of an image the pool holds, under `reference`, unless it is the current one already. */
  async repeat(record: SnapshotRecord, reference: string, source: string): Promise<SavedImage> {
    await makeNamesDurable(this.pool);
    const {
      imageId,
      images,
      absent,
      blobs,
      root,
      companions,
      archive,
      stats,
      features = [],
    } = record.snapshot;
    const image: FoundImage = {
      references: [],
      tag: null,
      imageId,
      images,
      absent,
      blobs,
      ...(root && { root }),
      ...(companions && { companions }),
    };
    const written = await this.#writeSnapshot({
      reference,
      source,
      image,
      features,
      ...(archive && { archive }),
      stats: { imageBytes: stats.imageBytes, newBytes: 0, newPlainBytes: 0 },
    });
    return (await this.#confirm([written]))[0]!;
  }

  /**
   * Ends a save that failed. After a cut or an interruption what was stored stays, for the next try to reuse;
   * after refused input the packs written go again, if nobody can have built on them. Never throws.
   */
  async fail(error: unknown): Promise<void> {
    const refused = error instanceof DbupError && /^(INPUT_|DIGEST_|REFERENCE_|USAGE$)/.test(error.code);
    const interrupted =
      error instanceof DbupError && (error.code === 'INTERRUPTED' || error.code.startsWith('ENGINE_'));
    if (interrupted) {
      await this.gzip.abandon();
      await this.#opening?.abandon();
      try {
        await this.ingest.finish();
        return;
      } catch {
        // The failure to report is the one that ended the save.
      }
    }
    await this.gzip.abandon();
    await this.#opening?.abandon();
    await this.ingest.abandon();
    if (!refused || this.#packs.written.length === 0) return;
    try {
      await this.#removePacks();
    } catch {
      // What ended the save is the one to report; gc removes what is left.
    }
  }

  /** Only alone with the pool, and only when no snapshot has appeared since: then nothing refers to the packs. */
  async #removePacks(): Promise<void> {
    const snapshotIds = new Set(this.#records.map(({ id }) => id));
    if (!this.pool.tryExclusive()) return;
    const names = this.#packs.written.filter(({ isNew }) => isNew).map(({ name }) => name);
    await removePacks({ pool: this.pool, snapshotIds }, names, quietContext());
  }

  async #writeSnapshot(parts: {
    reference: string;
    source: string;
    image: FoundImage;
    features: string[];
    archive?: SnapshotArchive;
    stats: Snapshot['stats'];
  }): Promise<Written> {
    const { reference, source, image, features, archive, stats } = parts;
    const current = this.current(reference);
    const contents = {
      ...(features.length > 0 && { features }),
      reference,
      source,
      imageId: image.imageId,
      ...(image.root && { root: image.root }),
      ...(image.companions && { companions: image.companions }),
      images: image.images,
      absent: image.absent,
      blobs: image.blobs,
      ...(archive && { archive }),
      stats,
    };
    const same = current !== undefined && isSameImage(current.snapshot, contents);
    const record = same ? current : await appendSnapshot(this.pool, contents, current, this.context);
    if (!same) {
      this.#records.push(record);
      this.#snapshotBytes += record.sizeBytes;
    }
    const layers = image.images.flatMap((one) => one.layers);
    const verbatim = new Set(image.blobs.filter((blob) => blob.verbatim).map(({ digest }) => digest));
    const saved: SavedImage = {
      reference,
      snapshotId: record.id,
      imageId: image.imageId,
      platforms: image.images.map(({ platform }) => platform),
      imageBytes: stats.imageBytes,
      newBytes: stats.newBytes + (same ? 0 : record.sizeBytes),
      newPlainBytes: stats.newPlainBytes,
      layersExact: layers.length,
      layersVerbatim: layers.filter(({ digest }) => verbatim.has(digest)).length,
      layerCount: layers.length,
      alreadySaved: same,
      absent: image.absent,
    };
    return { image: saved, record, isNew: !same };
  }
}

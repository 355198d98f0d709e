import type { BlockBytes } from '../store/pack-file.js';

/** What one image's save came to. */
export interface SavedImage {
  reference: string;
  snapshotId: string;
  imageId: string;
  platforms: string[];
  /** Bytes of the image as the source handed it over. */
  imageBytes: number;
  /** Bytes added to the pool. */
  newBytes: number;
  /** Plain bytes that were not in the pool. */
  newPlainBytes: number;
  /** Layers whose bytes had the digest the image gives and whose every chunk is in the pool; a save with others is refused. */
  layersExact: number;
  /** Of these, the compressed ones that no encoder makes again, which are stored compressed. */
  layersVerbatim: number;
  layerCount: number;
  /** True when this version was the current one already and nothing was added. */
  alreadySaved: boolean;
  /** Digests of other platforms the source did not hold. */
  absent: string[];
}

/** What a save stores, and what it finds stored. */
export interface StoredParts {
  /** Chunks that were not in the pool, and their plain bytes. */
  newChunks: number;
  newPlainBytes: number;
  /** Chunks that were read and found in the pool, or met before in the same save. */
  knownChunks: number;
  knownChunkBytes: number;
  /** Layers and other blobs the pool holds whole, which are not cut into chunks again. */
  knownBlobs: number;
  knownBlobBytes: number;
  /** Of packs: blocks by what they hold, and all else. */
  blocks: BlockBytes;
  footerBytes: number;
  snapshotBytes: number;
}

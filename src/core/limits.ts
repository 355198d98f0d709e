/**
 * Every bound dbup puts on a length it reads from a file or a socket.
 * A limit is checked before memory is allocated. Those of the first part, up to `snapshotBlobs`, with
 * `archiveImages`, `imageLayers` and `tarExtensionBytes`, are part of the pool format (docs/format.md, "Limits"):
 * a lower one could not read pools that were written, a higher one would write pools that older readers refuse.
 */
const KiB = 1024;
const MiB = 1024 * KiB;

export const LIMITS = {
  /** Features a descriptor or a snapshot may name. */
  poolFeatures: 64,
  /** A pool descriptor file. */
  descriptorBytes: 64 * KiB,
  /** A snapshot file. */
  snapshotBytes: 16 * MiB,
  /** Objects and arrays inside one another in a descriptor or a snapshot; what is written has four. */
  poolJsonDepth: 64,
  /** A pack file. */
  packBytes: 1024 * MiB,
  /** A pack's footer. */
  footerBytes: 64 * MiB,
  /** Plain bytes of one block. */
  blockPlainBytes: 16 * MiB,
  /** Stored bytes of one block (zstd's worst case stays below). */
  blockStoredBytes: 17 * MiB,
  /** Plain bytes of one chunk: no chunk is larger than a block. */
  chunkBytes: 16 * MiB,
  /** Delta blocks on delta blocks: the longest way from a block to one that leans on nothing. */
  deltaDepth: 8,
  /** Base chunks of one delta block. */
  deltaBases: 65_536,
  /** Bytes of all base chunks of one delta block together. */
  deltaBaseBytes: 32 * MiB,
  /** An encoded recipe. */
  recipeBytes: 16 * MiB,
  /** Levels of a stream's chunk list tree. */
  streamDepth: 8,
  /** Recipes inside recipes: a compressed archive, its layers, and room below. */
  recipeDepth: 8,
  /** Segments (nested blobs and runs) of one archive. */
  archiveSegments: 20_000,
  /** The header of one gzip member that a recipe holds. */
  gzipHeaderBytes: 4096,
  /** Members of one gzip file that a recipe rebuilds. */
  gzipMembers: 200_000,
  /** What a parity file tells of itself and of what it covers. */
  parityMetadataBytes: 64 * MiB,
  /** Packs that one parity file covers. */
  parityPacks: 65_536,
  /** One cell of a parity file. */
  parityCellBytes: 1 * MiB,
  /** Bytes after the last gzip member that a recipe holds. */
  gzipTrailingBytes: 64 * KiB,
  /** Blobs one snapshot may list. */
  snapshotBlobs: 10_000,
  /** Headers of all members of one gzip file that is stored open: recipes must stay below `recipeBytes`. */
  gzipHeadersBytes: 4 * MiB,
  /** A JSON document inside an image: manifest.json, index, manifest, config. */
  imageJsonBytes: 8 * MiB,
  /** Objects and arrays inside one another in such a document; real ones stay below 10. */
  imageJsonDepth: 256,
  /** Indexes inside one another, counted from the top-level index. */
  imageIndexDepth: 8,
  /** JSON documents of one archive kept in memory together. */
  imageJsonTotalBytes: 64 * MiB,
  /** Images in one archive. */
  archiveImages: 1_000,
  /** Layers of one image (docker itself stops at 127). */
  imageLayers: 1_000,
  /** A tar member's name, from ustar, GNU 'L' or PAX records. */
  tarNameBytes: 64 * KiB,
  /** One PAX or GNU long-name body that the parser interprets; longer ones are carried as opaque bytes. */
  tarExtensionBytes: 1 * MiB,
  /** Members of the outer archive kept in mind: blobs, documents and links. Others, and those of layers, are unbounded. */
  archiveMembers: 200_000,
  /** A JSON answer of an engine. */
  engineJsonBytes: 64 * MiB,
  /** Objects and arrays inside one another in such an answer. */
  engineJsonDepth: 256,
  /** A file of docker's client configuration: config.json, a context, a PEM file. */
  engineConfigBytes: 1 * MiB,
} as const;

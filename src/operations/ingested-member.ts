import type { MemberInfo } from '../archive/docker-manifest.js';
import type { Compression } from '../compress/inflate.js';
import type { PlainDigest } from '../compress/plain-digest.js';
import type { OperationContext } from '../core/context.js';
import type { StoredBlob } from '../pool/blob-writer.js';
import type { BlockWorkers } from '../pool/block-workers.js';
import type { ChunkIngest } from '../pool/chunk-ingest.js';
import type { KnownBlobs } from '../pool/known-blobs.js';
import type { SpoolFile } from '../store/spool-file.js';
import type { GzipQueue } from './gzip-queue.js';

/** A member of an archive that has passed. */
export interface IngestedMember extends MemberInfo {
  /** Set for files stored as blobs of their own. */
  blob?: StoredBlob;
  /** What a compressed blob inflates to; null when it does not inflate. Absent too where the pool knew the blob. */
  plain?: PlainDigest | null;
  /** Of a blob that the pool knew. */
  compression?: Compression;
  /** The bytes of a JSON document. */
  document?: Uint8Array;
}

export interface IngestParts {
  ingest: ChunkIngest;
  known: KnownBlobs;
  workers: BlockWorkers;
  context: OperationContext;
  gzip: GzipQueue;
  /** Puts bytes aside that come only once. */
  newSpool(): Promise<SpoolFile>;
  /** The digest each member will have if the archive is sound, by member key: what is known need not be read twice. */
  expected: ReadonlyMap<string, string>;
}

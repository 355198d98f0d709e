import { open } from 'node:fs/promises';
import { inflateGzip } from '../compress/exact/inflate-gzip.js';
import type { ReadAt } from '../compress/exact/inflate-member.js';
import type { VerbatimReason } from '../compress/exact/prove-gzip.js';
import { type PlainDigest, PlainDigester } from '../compress/plain-digest.js';
import type { Checkpoint } from '../format/checkpoint-recipe.js';
import { type EncoderSpec, encoderName } from '../format/encoder-spec.js';
import { GZIP_CHECKPOINTS_FEATURE, GZIP_RECIPE_FEATURE } from '../format/snapshot.js';
import { BlobWriter, type StoredBlob, storeRecipe } from './blob-writer.js';
import type { ChunkIngest } from './chunk-ingest.js';
import { storeCorrected } from './corrected-blob.js';
import type { FileRegion } from './gzip-jobs.js';
import type { GzipProofTask } from './gzip-proof-task.js';
import type { GzipWorkers } from './gzip-workers.js';
import { readAhead } from './read-ahead.js';

/** Why an encoder may be lacking whose streams a model comes near. */
const CORRECTABLE: ReadonlySet<VerbatimReason> = new Set(['unknown-encoder', 'differs-late']);
const READ_BYTES = 1024 * 1024;

/** A gzip file that was taken into the pool. */
export interface StoredGzip {
  blob: StoredBlob;
  /** null when it does not inflate, undefined when it turned out to be no gzip file. */
  plain: PlainDigest | null | undefined;
  /** The encoder of its last member, if all are made again exactly. */
  encoder: EncoderSpec | null;
  /** The snapshot features that announce what it is stored as. */
  features: string[];
}

/**
 * Takes a gzip file into the pool: as its plain bytes and a recipe where `task` proves that these make it again, else
 * with corrections of what a model foresees, or else as it is. The plain bytes are stored while the proof is under way; where it fails late, they are left behind as
 * chunks that nothing needs.
 * @param onRead told how far it has come; what it throws ends it
 */
export async function storeGzip(
  ingest: ChunkIngest,
  region: FileRegion,
  workers: GzipWorkers,
  task: GzipProofTask,
  onRead: (doneBytes: number) => void,
): Promise<StoredGzip> {
  const file = await open(region.path, 'r');
  const readAt = readAhead(async (into, position) => {
    onRead(position);
    const length = Math.max(0, Math.min(into.length, region.sizeBytes - position));
    return (await file.read(into, 0, length, region.offsetBytes + position)).bytesRead;
  });
  try {
    const opened = (await task.likely) === null ? null : await storeOpen(ingest, readAt, task);
    const proof = await task.proof;
    if (!proof.exact || opened?.sizeBytes !== proof.plainBytes) {
      const reason = proof.exact ? 'damaged' : proof.reason;
      const corrected = CORRECTABLE.has(reason)
        ? await storeCorrected(ingest, region, workers, readAt)
        : null;
      if (corrected) return corrected;
      const { blob, plain } = await storeVerbatim(ingest, readAt);
      return {
        blob: plain === undefined ? blob : { ...blob, verbatim: reason },
        plain,
        encoder: null,
        features: [],
      };
    }
    const { sizeBytes } = region;
    const { members, trailing, checkpoints, digestHex } = proof;
    const inner = storeCheckpoints(ingest, opened, checkpoints);
    const recipeId = storeRecipe(ingest, { kind: 'gzip', sizeBytes, inner, members, trailing });
    const { encoder } = members.at(-1)!;
    return {
      blob: { digestHex, sizeBytes, recipeId, encoder: encoderName(encoder) },
      plain: { compression: 'gzip', digestHex: opened.digestHex, sizeBytes: opened.sizeBytes },
      encoder,
      features:
        checkpoints.length > 0 ? [GZIP_RECIPE_FEATURE, GZIP_CHECKPOINTS_FEATURE] : [GZIP_RECIPE_FEATURE],
    };
  } finally {
    await file.close();
  }
}

/** Puts the checkpoints, if there are any, between the gzip recipe and that of its plain bytes. */
function storeCheckpoints(
  ingest: ChunkIngest,
  { recipeId, sizeBytes }: StoredBlob,
  checkpoints: Checkpoint[],
): { recipeId: string; sizeBytes: number } {
  const inner = { recipeId, sizeBytes };
  if (checkpoints.length === 0) return inner;
  return { recipeId: storeRecipe(ingest, { kind: 'checkpoints', sizeBytes, inner, checkpoints }), sizeBytes };
}

/** Null when it does not inflate, or the proof, which is given the plain bytes if it has not begun, has failed meanwhile. */
async function storeOpen(
  ingest: ChunkIngest,
  readAt: ReadAt,
  task: GzipProofTask,
): Promise<StoredBlob | null> {
  const writer = new BlobWriter(ingest);
  const feeder = task.feed();
  const pieces = inflateGzip(readAt, async (endAt) => {
    await feeder?.endMember(endAt);
  });
  for (;;) {
    const next = await pieces.next().catch((error: NodeJS.ErrnoException) => {
      if (error.code?.startsWith('Z_')) return null;
      throw error;
    });
    if (!next || next.done) await feeder?.finish();
    if (next?.done) return writer.finish();
    if (next) {
      await feeder?.write(next.value);
      await writer.write(next.value);
      if (!task.hasFailed) continue;
    }
    await pieces.return(undefined);
    // What is under way of it must end before other bytes take its place.
    await writer.finish();
    return null;
  }
}

async function storeVerbatim(
  ingest: ChunkIngest,
  readAt: ReadAt,
): Promise<Pick<StoredGzip, 'blob' | 'plain'>> {
  const writer = new BlobWriter(ingest);
  const digester = new PlainDigester();
  const buffer = new Uint8Array(READ_BYTES);
  for (let at = 0; ; ) {
    const count = await readAt(buffer, at);
    if (count === 0) break;
    at += count;
    await writer.write(buffer.subarray(0, count));
    await digester.write(buffer.subarray(0, count));
  }
  const blob = await writer.finish();
  return { blob, plain: await digester.finish() };
}

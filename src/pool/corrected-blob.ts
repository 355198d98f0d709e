import { inflateGzip } from '../compress/exact/inflate-gzip.js';
import type { ReadAt } from '../compress/exact/inflate-member.js';
import type { CorrectedGzip } from '../compress/exact/tokens/correct-gzip.js';
import type { PlainDigest } from '../compress/plain-digest.js';
import { BLOCK_KIND } from '../format/pack.js';
import type { StreamRef } from '../format/recipe.js';
import { GZIP_CORRECTIONS_FEATURE, GZIP_RECIPE_FEATURE } from '../format/snapshot.js';
import { BlobWriter, type StoredBlob, storeRecipe } from './blob-writer.js';
import type { ChunkIngest } from './chunk-ingest.js';
import type { FileRegion } from './gzip-jobs.js';
import type { GzipWorkers } from './gzip-workers.js';
import { StreamWriter } from './stream-writer.js';

/** A gzip file that was taken into the pool with corrections: no encoder, as the next file's is looked for among those. */
export interface CorrectedBlob {
  blob: StoredBlob;
  plain: PlainDigest;
  encoder: null;
  features: string[];
}

/**
 * Takes a gzip file that no encoder makes into the pool as its plain bytes and corrections.
 * @returns null when these would be too long; what was stored of them is then left behind as chunks that nothing needs
 */
export async function storeCorrected(
  ingest: ChunkIngest,
  region: FileRegion,
  workers: GzipWorkers,
  readAt: ReadAt,
): Promise<CorrectedBlob | null> {
  const taken = await storeCorrections(ingest, region, workers);
  if (!taken) return null;
  const writer = new BlobWriter(ingest);
  for await (const piece of inflateGzip(readAt)) await writer.write(piece);
  const plain = await writer.finish();
  const { found, corrections } = taken;
  const { sizeBytes } = plain;
  // Another program inflated it to something else: what it is then, nobody knows.
  if (sizeBytes !== found.plainBytes) return null;
  const { members, trailing, digestHex, model, correctionBytes } = found;
  const inner = { recipeId: plain.recipeId, sizeBytes };
  const corrected = storeRecipe(ingest, { kind: 'corrections', sizeBytes, inner, corrections });
  const recipeId = storeRecipe(ingest, {
    kind: 'gzip',
    sizeBytes: region.sizeBytes,
    inner: { recipeId: corrected, sizeBytes },
    members,
    trailing,
  });
  return {
    blob: { digestHex, sizeBytes: region.sizeBytes, recipeId, encoder: model, correctionBytes },
    plain: { compression: 'gzip', digestHex: plain.digestHex, sizeBytes },
    encoder: null,
    features: [GZIP_RECIPE_FEATURE, GZIP_CORRECTIONS_FEATURE],
  };
}

async function storeCorrections(
  ingest: ChunkIngest,
  region: FileRegion,
  workers: GzipWorkers,
): Promise<{ found: CorrectedGzip; corrections: StreamRef } | null> {
  let writer: StreamWriter | null = null;
  let found: CorrectedGzip | null = null;
  for await (const step of workers.correct(region)) {
    writer ??= new StreamWriter(ingest, BLOCK_KIND.data);
    await writer.write(step.frames);
    found = step.found;
  }
  // What is under way of it must end before other bytes take its place.
  const corrections = await writer?.finish();
  return found && corrections ? { found, corrections } : null;
}

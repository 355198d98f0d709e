import type { SnapshotRecord } from '../catalog/catalog.js';
import { type OperationContext, throwIfInterrupted } from '../core/context.js';
import { DbupError } from '../core/errors.js';
import type { BlobRef, Recipe } from '../format/recipe.js';
import { openArchive, openBlob, readRecipe } from '../pool/blob-source.js';
import type { BlockCache } from '../pool/block-cache.js';
import { type ByteSource, NOTHING, readSource, StreamSource, TarSource } from '../pool/byte-source.js';
import type { FaultTrace } from './fault-trace.js';
import type { Finding } from './findings.js';

const ZEROS = new Uint8Array(256 * 1024);

interface ToRebuild {
  recipeId: string;
  sizeBytes: number;
  /** null for an archive, which has no digest: that its skeleton has a place for all of its contents is looked at. */
  digestHex: string | null;
  images: Set<string>;
}

/**
 * Rebuilds each blob that snapshots name, once, and compares it with its digest. That every chunk is what its id
 * says does not prove it: a snapshot may give a digest the recipe of other bytes. What leads to a fault that is
 * known is left out.
 * @param addresses of the snapshots, by id
 */
export async function rebuildBlobs(
  { cache, trace, context }: { cache: BlockCache; trace: FaultTrace; context: OperationContext },
  records: readonly SnapshotRecord[],
  addresses: ReadonlyMap<string, string>,
): Promise<Finding[]> {
  const wanted = await gather(cache, trace, records, addresses);
  const findings: Finding[] = [];
  const task = 'rebuilding blobs';
  const totalBytes = wanted.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  let doneBytes = 0;
  context.report({ type: 'start', task, subject: `${wanted.length} blobs`, totalBytes });
  for (const blob of wanted) {
    try {
      for await (const bytes of readSource(await open(cache, blob))) {
        throwIfInterrupted(context.signal);
        doneBytes += bytes.length;
        context.report({ type: 'bytes', task, doneBytes, totalBytes });
      }
    } catch (error) {
      if (!(error instanceof DbupError) || error.code !== 'POOL_DAMAGED') throw error;
      const { message } = error;
      findings.push({ kind: 'blob-damaged', severity: 'damage', message, images: [...blob.images] });
    }
  }
  context.report({ type: 'end', task });
  return findings;
}

/** Every blob once, those in archives too, with the versions that need it. */
async function gather(
  cache: BlockCache,
  trace: FaultTrace,
  records: readonly SnapshotRecord[],
  addresses: ReadonlyMap<string, string>,
): Promise<ToRebuild[]> {
  const wanted = new Map<string, ToRebuild>();
  const nested = new Map<string, BlobRef[]>();
  const add = async (
    { recipeId, sizeBytes }: { recipeId: string; sizeBytes: number },
    digestHex: string | null,
    image: string,
  ): Promise<void> => {
    if ((await trace.faultsOfBlob(recipeId, sizeBytes)).size > 0) return;
    const key = `${digestHex}:${sizeBytes}:${recipeId}`;
    const known = wanted.get(key) ?? { recipeId, sizeBytes, digestHex, images: new Set() };
    wanted.set(key, known);
    known.images.add(image);
    let inside = nested.get(recipeId);
    if (!inside) {
      inside = blobsIn(await readRecipe(cache, recipeId, sizeBytes));
      nested.set(recipeId, inside);
    }
    for (const blob of inside) await add(blob, blob.digestHex, image);
  };
  for (const { id, snapshot } of records) {
    const image = addresses.get(id)!;
    if (snapshot.archive) await add(snapshot.archive, null, image);
    for (const blob of snapshot.blobs) await add(blob, blob.digest.slice('sha256:'.length), image);
  }
  return [...wanted.values()];
}

function blobsIn(recipe: Recipe): BlobRef[] {
  // What a gzip file is made of has no digest of its own; that of the file proves it.
  if (recipe.kind !== 'tar') return [];
  return recipe.segments.flatMap((segment) => (segment.type === 'blob' ? [segment.blob] : []));
}

async function open(cache: BlockCache, { recipeId, sizeBytes, digestHex }: ToRebuild): Promise<ByteSource> {
  if (digestHex !== null) return openBlob(cache, { recipeId, sizeBytes, digestHex });
  const recipe = await readRecipe(cache, recipeId, sizeBytes);
  if (recipe.kind === 'plain') return new ZeroSource(sizeBytes);
  if (recipe.kind !== 'tar') return openArchive(cache, recipeId, sizeBytes);
  const { skeleton } = recipe;
  // Only how many content bytes there are tells where they go; what they are is looked at blob by blob.
  return new TarSource(
    new StreamSource(cache, skeleton, false),
    new ZeroSource(sizeBytes - skeleton.sizeBytes),
  );
}

/** So many bytes that mean nothing. */
class ZeroSource implements ByteSource {
  current: Uint8Array = NOTHING;
  #leftBytes: number;

  constructor(sizeBytes: number) {
    this.#leftBytes = sizeBytes;
  }

  consume(byteCount: number): void {
    this.current = this.current.subarray(byteCount);
  }

  async advance(): Promise<boolean> {
    this.current = ZEROS.subarray(0, this.#leftBytes);
    this.#leftBytes -= this.current.length;
    return this.current.length > 0;
  }

  async close(): Promise<void> {
    this.#leftBytes = 0;
    this.current = NOTHING;
  }
}

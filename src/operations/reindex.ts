import type { OperationContext } from '../core/context.js';
import { openChunkCatalog } from '../pool/chunk-catalog.js';
import type { Pool } from '../pool/pool.js';

export interface ReindexResult {
  packs: number;
  chunks: number;
  snapshots: number;
  durationMs: number;
  /** null when it is only in memory. */
  catalogPath: string | null;
  /** Pool files that cannot be read. */
  unusable: { name: string; message: string }[];
}

/** Throws the catalog away and makes it again from the files of the pool. */
export async function reindex(pool: Pool, context: OperationContext): Promise<ReindexResult> {
  const startMs = context.now();
  const { catalog } = pool;
  context.report({ type: 'start', task: 'reindexing', subject: pool.layout.directory });
  catalog.reset();
  const snapshots = await catalog.snapshots();
  const chunks = await openChunkCatalog(catalog);
  context.report({ type: 'end', task: 'reindexing' });
  return {
    packs: chunks.packs.length,
    chunks: chunks.table.count,
    snapshots: snapshots.records.length,
    durationMs: context.now() - startMs,
    catalogPath: catalog.path,
    unusable: [...snapshots.unusable, ...chunks.unusablePacks].map(({ name, error }) => ({
      name,
      message: error.message,
    })),
  };
}

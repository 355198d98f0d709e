import type { StreamRef } from '../format/recipe.js';
import { decodeListNode } from '../format/stream-list.js';
import type { BlockCache } from './block-cache.js';

/** The chunks of a stream in order, list nodes read as they are needed. Ids are views, valid while they are held. */
export async function* streamChunks(
  cache: BlockCache,
  stream: StreamRef,
): AsyncGenerator<{ id: Uint8Array; sizeBytes: number }> {
  if (stream.sizeBytes === 0) return;
  yield* walk(cache, Buffer.from(stream.id, 'hex'), stream.depth, stream.sizeBytes);
}

async function* walk(
  cache: BlockCache,
  id: Uint8Array,
  depth: number,
  sizeBytes: number,
): AsyncGenerator<{ id: Uint8Array; sizeBytes: number }> {
  if (depth === 0) {
    yield { id, sizeBytes };
    return;
  }
  const where = Buffer.from(id).toString('hex', 0, 6);
  const node = decodeListNode(await cache.readChunk(id), sizeBytes, where);
  for (let i = 0; i < node.ids.length; i++) yield* walk(cache, node.ids[i]!, depth - 1, node.sizes[i]!);
}

import type { DeltaAssembly } from '../compress/delta/delta-decoder.js';
import type { FlatDelta } from '../compress/delta/flat-delta.js';
import { LIMITS } from '../core/limits.js';
import type { BaseBlock } from './base-plan.js';
import type { ChunkCatalog } from './chunk-catalog.js';

/**
 * How a thread puts a flat delta together: the blocks to read for the chunks it takes, those that lean on others themselves
 * first, and its pieces in those chunks, one after the other, and the literals.
 * @returns null when the chunks have more bytes than a delta block may lean on
 */
export function planAssembly(
  chunks: ChunkCatalog,
  { ends, sourceNumbers, offsets, sources, differences }: FlatDelta,
): { blocks: BaseBlock[]; assembly: DeltaAssembly } | null {
  const blocks = new Map<string, BaseBlock>();
  /** Of each source that is a chunk: where it begins. */
  const starts: number[] = [];
  let baseBytes = 0;
  let number = 0;
  sources.forEach((source, i) => {
    if (typeof source !== 'number') return;
    const { packIndex, blockIndex, offsetBytes, sizeBytes } = chunks.table.location(source);
    const key = `${packIndex}:${blockIndex}`;
    const { depth } = chunks.packs[packIndex]!.footer.blocks[blockIndex]!;
    const planned = blocks.get(key) ?? { packIndex, blockIndex, depth, bases: [] };
    const id = new Uint8Array(chunks.table.id(source));
    planned.bases.push({ number: number++, offsetBytes, sizeBytes, id });
    blocks.set(key, planned);
    starts[i] = baseBytes;
    baseBytes += sizeBytes;
  });
  if (baseBytes > LIMITS.deltaBaseBytes) return null;
  const pieces = new Uint32Array(ends.length * 2);
  const literals: Uint8Array[] = [];
  let literalsAt = baseBytes;
  ends.forEach((end, i) => {
    const sizeBytes = end - (ends[i - 1] ?? 0);
    const source = sources[sourceNumbers[i]!]!;
    const offset = offsets[i]!;
    pieces[2 * i] = sizeBytes;
    if (typeof source === 'number') pieces[2 * i + 1] = starts[sourceNumbers[i]!]! + offset;
    else {
      literals.push(source.subarray(offset, offset + sizeBytes));
      pieces[2 * i + 1] = literalsAt;
      literalsAt += sizeBytes;
    }
  });
  return {
    blocks: [...blocks.values()].sort((a, b) => b.depth - a.depth),
    assembly: { pieces, literals: new Uint8Array(Buffer.concat(literals)), differences },
  };
}

import type { BlockAddress } from './chunk-catalog.js';
import type { SharedRegion } from './shared-arena.js';

/** Blocks read at once: the second before it is its turn. Only those that lean on nothing: others would multiply. */
const BLOCKS_AT_ONCE = 2;

/** A whole block in memory, held until it is released. */
export interface BlockLease {
  region: SharedRegion;
  ready: Promise<void>;
  release(): void;
}

/** Leases blocks, the deepest first, one after the other, the next already being read. Who gets a lease waits until it is ready and releases it. */
export function* leaseInTurn<Block extends BlockAddress & { depth: number }>(
  blocks: readonly Block[],
  lease: (address: BlockAddress) => BlockLease,
): Generator<{ block: Block; lease: BlockLease }> {
  const ahead: BlockLease[] = [];
  let next = 0;
  try {
    for (const [number, block] of blocks.entries()) {
      while (next < blocks.length && (next === number || mayBegin(block, next - number)))
        ahead.push(lease(blocks[next++]!));
      yield { block, lease: ahead.shift()! };
    }
  } finally {
    for (const { release } of ahead) release();
  }
}

/** Whether another is read beside this one: what comes after it is no deeper. */
function mayBegin({ depth }: { depth: number }, begun: number): boolean {
  return depth === 0 && begun < BLOCKS_AT_ONCE;
}

import type { BlockAddress } from './chunk-catalog.js';
import type { SharedRegion } from './shared-arena.js';

/** Blocks read before it is their turn. Only those that lean on nothing: others would multiply. */
const BLOCKS_AHEAD = 2;

/** A whole block in memory, held until it is released. */
export interface BlockLease {
  region: SharedRegion;
  ready: Promise<void>;
  release(): void;
}

/** Leases blocks one after the other, the next already being read. Who gets a lease waits until it is ready and releases it. */
export function* leaseInTurn<Block extends BlockAddress & { depth: number }>(
  blocks: readonly Block[],
  lease: (address: BlockAddress) => BlockLease,
): Generator<{ block: Block; lease: BlockLease }> {
  const ahead: BlockLease[] = [];
  let next = 0;
  try {
    for (const block of blocks) {
      while (next < blocks.length && (ahead.length === 0 || mayBegin(blocks[next]!, ahead.length)))
        ahead.push(lease(blocks[next++]!));
      yield { block, lease: ahead.shift()! };
    }
  } finally {
    for (const { release } of ahead) release();
  }
}

function mayBegin({ depth }: { depth: number }, begun: number): boolean {
  return depth === 0 && begun < BLOCKS_AHEAD;
}

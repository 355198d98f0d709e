import type { ReadAt } from '../compress/exact/inflate-member.js';

const BLOCK_BYTES = 256 * 1024;
/** The block that is read, the one after it, and the one before: members of a gzip file are looked back at. */
const BLOCKS = 3;

interface Block {
  number: number;
  readonly bytes: Uint8Array;
  /** How much of it there is in the file; null until that is known. */
  length: number | null;
  ready: Promise<void>;
}

/**
 * Reads a file that is read from its beginning to its end a block ahead, into 0.75 MiB of its own: each read that waits for the file
 * takes the thread more time than the bytes do. The file must not change.
 * @param readAt what it throws is thrown by the read that wants those bytes
 */
export function readAhead(readAt: ReadAt): ReadAt {
  const blocks: Block[] = [];

  const fill = async (block: Block): Promise<void> => {
    let length = 0;
    for (let count = -1; count !== 0 && length < BLOCK_BYTES; length += count)
      count = await readAt(block.bytes.subarray(length), block.number * BLOCK_BYTES + length);
    block.length = length;
  };

  const begin = (number: number): Block => {
    const at = number % BLOCKS;
    blocks[at] ??= { number: -1, bytes: new Uint8Array(BLOCK_BYTES), length: null, ready: Promise.resolve() };
    const block = blocks[at];
    if (block.number === number) return block;
    const before = block.ready;
    block.number = number;
    block.length = null;
    // Until then the file writes to it.
    block.ready = before.catch(() => {}).then(() => fill(block));
    block.ready.catch(() => {});
    return block;
  };

  const take = (block: Block, into: Uint8Array, from: number): number => {
    const piece = block.bytes.subarray(from, Math.min(block.length!, from + into.length));
    into.set(piece);
    return piece.length;
  };

  return (into, position) => {
    const number = Math.floor(position / BLOCK_BYTES);
    const block = begin(number);
    const from = position - number * BLOCK_BYTES;
    if (block.length === null) {
      return block.ready.then(() => {
        if (block.length === BLOCK_BYTES) begin(number + 1);
        return take(block, into, from);
      });
    }
    if (block.length === BLOCK_BYTES) begin(number + 1);
    return take(block, into, from);
  };
}

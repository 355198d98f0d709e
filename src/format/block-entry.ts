import { LIMITS } from '../core/limits.js';
import {
  damagedPack,
  FOOTER_HEAD_BYTES,
  PACK_HEADER_BYTES,
  PACK_TRAILER_BYTES,
  type PackTrailer,
} from './pack-trailer.js';

/** docs/format.md, "Pack": a block entry of a footer. */
export const BLOCK_ENTRY_BYTES = 32;

/**
 * How a block's stored bytes become its plain bytes; those of a delta block together with its bases'. Of `zstdX86`,
 * zstd's frame holds the plain bytes after the x86 filter.
 */
export const BLOCK_CODEC = { raw: 0, zstd: 1, delta: 2, zstdX86: 3 } as const;
export type BlockCodec = (typeof BLOCK_CODEC)[keyof typeof BLOCK_CODEC];

/** One block of a pack, as its footer describes it. */
export interface BlockEntry {
  offsetBytes: number;
  storedBytes: number;
  plainBytes: number;
  /** Chunks of the pack before this block's first. */
  firstChunk: number;
  chunkCount: number;
  xxh64: bigint;
  codec: number;
  kind: number;
  /** 0 for a block that leans on nothing; for a delta block more than its bases' blocks had when it was written. */
  depth: number;
  /** Base ids of the pack before this block's first. */
  firstBase: number;
  baseCount: number;
}

/** Writes the entry of a block at `at`. */
export function encodeBlockEntry(out: Buffer, at: number, block: BlockEntry): void {
  out.writeUInt32LE(block.offsetBytes, at);
  out.writeUInt32LE(block.storedBytes, at + 4);
  out.writeUInt32LE(block.plainBytes, at + 8);
  out.writeUInt32LE(block.chunkCount, at + 12);
  out.writeBigUInt64LE(block.xxh64, at + 16);
  out.writeUInt8(block.codec, at + 24);
  out.writeUInt8(block.kind, at + 25);
  out.writeUInt8(block.depth, at + 26);
  out.writeUInt32LE(block.baseCount, at + 28);
}

/**
 * Decodes the `blockCount` entries of a footer whose head has been checked, and checks that blocks lie one after the
 * other inside the pack and that chunk lengths add up to each block's plain length.
 * @param codecs what blocks of the pack may have
 * @throws DbupError POOL_DAMAGED
 */
export function decodeBlockEntries(
  view: Buffer,
  blockCount: number,
  chunkBytes: Uint32Array,
  { trailer, codecs, where }: { trailer: PackTrailer; codecs: readonly number[]; where: string },
): BlockEntry[] {
  const blocks: BlockEntry[] = [];
  const blocksEnd = trailer.packBytes - PACK_TRAILER_BYTES - trailer.footerBytes;
  let nextOffset = PACK_HEADER_BYTES;
  let firstChunk = 0;
  let firstBase = 0;
  for (let i = 0; i < blockCount; i++) {
    const at = FOOTER_HEAD_BYTES + i * BLOCK_ENTRY_BYTES;
    const block: BlockEntry = {
      offsetBytes: view.readUInt32LE(at),
      storedBytes: view.readUInt32LE(at + 4),
      plainBytes: view.readUInt32LE(at + 8),
      firstChunk,
      chunkCount: view.readUInt32LE(at + 12),
      xxh64: view.readBigUInt64LE(at + 16),
      codec: view.readUInt8(at + 24),
      kind: view.readUInt8(at + 25),
      depth: view.readUInt8(at + 26),
      firstBase,
      baseCount: view.readUInt32LE(at + 28),
    };
    checkBlock(block, nextOffset, blocksEnd, where);
    if (!codecs.includes(block.codec))
      throw damagedPack(where, `the block at ${block.offsetBytes} has the unknown codec ${block.codec}`);
    checkLeaning(block, where);
    if (view.readUInt8(at + 27) !== 0) throw damagedPack(where, `block ${i} has reserved bytes set`);
    nextOffset += block.storedBytes;
    firstBase += block.baseCount;
    firstChunk += block.chunkCount;
    if (firstChunk > chunkBytes.length) throw damagedPack(where, `block ${i} claims chunks past the last`);
    let plainBytes = 0;
    for (let c = block.firstChunk; c < firstChunk; c++) {
      if (chunkBytes[c] === 0) throw damagedPack(where, `block ${i} has an empty chunk`);
      plainBytes += chunkBytes[c]!;
    }
    if (plainBytes !== block.plainBytes) throw damagedPack(where, `block ${i}: chunk lengths do not add up`);
    blocks.push(block);
  }
  if (nextOffset !== blocksEnd || firstChunk !== chunkBytes.length) {
    throw damagedPack(where, 'blocks and footer do not meet');
  }
  return blocks;
}

function checkBlock(block: BlockEntry, expectedOffset: number, blocksEnd: number, where: string): void {
  const reason =
    block.offsetBytes !== expectedOffset
      ? 'is not where the one before it ends'
      : block.storedBytes > LIMITS.blockStoredBytes || block.offsetBytes + block.storedBytes > blocksEnd
        ? `claims ${block.storedBytes} stored bytes`
        : block.plainBytes > LIMITS.blockPlainBytes || block.plainBytes === 0
          ? `claims ${block.plainBytes} plain bytes`
          : block.codec === BLOCK_CODEC.raw && block.storedBytes !== block.plainBytes
            ? 'is stored raw with another length'
            : null;
  if (reason) throw damagedPack(where, `the block at ${block.offsetBytes} ${reason}`);
}

/** Only a delta block leans on others. */
function checkLeaning({ codec, depth, baseCount, offsetBytes }: BlockEntry, where: string): void {
  const isDelta = codec === BLOCK_CODEC.delta;
  const reason = isDelta
    ? depth < 1 || depth > LIMITS.deltaDepth
      ? `claims depth ${depth}`
      : baseCount < 1 || baseCount > LIMITS.deltaBases
        ? `claims ${baseCount} bases`
        : null
    : depth !== 0 || baseCount !== 0
      ? 'leans on others without being a delta'
      : null;
  if (reason) throw damagedPack(where, `the block at ${offsetBytes} ${reason}`);
}

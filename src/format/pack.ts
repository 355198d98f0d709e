import { DbupError } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import { xxh64 } from '../hash/xxh64.js';

/** docs/format.md, "Pack". Every number is little-endian. */
export const PACK_MAGIC = 'DBUPPACK';
export const PACK_TAIL_MAGIC = 'DBUPTAIL';
export const PACK_VERSION = 1;
export const PACK_HEADER_BYTES = 16;
export const PACK_TRAILER_BYTES = 32;
const FOOTER_HEAD_BYTES = 16;
const BLOCK_ENTRY_BYTES = 32;
const CHUNK_ID_BYTES = 32;
const VERSION_AT = 8;
const FEATURES_AT = 12;

/** How a block's stored bytes become its plain bytes. */
export const BLOCK_CODEC = { raw: 0, zstd: 1 } as const;
export type BlockCodec = (typeof BLOCK_CODEC)[keyof typeof BLOCK_CODEC];

/** What a block's chunks are: file bytes and other content, tar skeletons, or recipes and list nodes. */
export const BLOCK_KIND = { data: 1, skeleton: 2, recipe: 3 } as const;
export type BlockKind = (typeof BLOCK_KIND)[keyof typeof BLOCK_KIND];

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
}

/** A decoded footer. `chunkIds` and `chunkBytes` are views of the bytes it was decoded from. */
export interface PackFooter {
  blocks: BlockEntry[];
  chunkCount: number;
  /** 32 bytes a chunk, in block order. */
  chunkIds: Uint8Array;
  /** Plain length of each chunk. */
  chunkBytes: Uint32Array;
}

export interface PackTrailer {
  footerBytes: number;
  footerXxh64: bigint;
  packBytes: number;
}

/** The 16 bytes every pack begins with. */
export function encodePackHeader(): Uint8Array {
  const bytes = Buffer.alloc(PACK_HEADER_BYTES);
  bytes.write(PACK_MAGIC, 0, 'latin1');
  writeVersion(bytes);
  return bytes;
}

/**
 * Checks the first 16 bytes of a pack. What version it is of, its footer says, whose checksum tells a newer
 * version from a damaged byte.
 * @throws DbupError POOL_DAMAGED
 */
export function checkPackHeader(bytes: Uint8Array, where: string): void {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.length < PACK_HEADER_BYTES || view.toString('latin1', 0, 8) !== PACK_MAGIC) {
    throw damagedPack(where, 'it does not begin with the pack magic');
  }
}

/** Encodes footer and trailer of a pack whose blocks end at `footerOffsetBytes`. */
export function encodePackFooter(
  blocks: readonly BlockEntry[],
  chunkIds: readonly Uint8Array[],
  chunkBytes: readonly number[],
  footerOffsetBytes: number,
): Uint8Array {
  const footerBytes =
    FOOTER_HEAD_BYTES + blocks.length * BLOCK_ENTRY_BYTES + chunkIds.length * (CHUNK_ID_BYTES + 4);
  const out = Buffer.alloc(footerBytes + PACK_TRAILER_BYTES);
  out.writeUInt32LE(blocks.length, 0);
  out.writeUInt32LE(chunkIds.length, 4);
  writeVersion(out);
  let at = FOOTER_HEAD_BYTES;
  for (const block of blocks) {
    out.writeUInt32LE(block.offsetBytes, at);
    out.writeUInt32LE(block.storedBytes, at + 4);
    out.writeUInt32LE(block.plainBytes, at + 8);
    out.writeUInt32LE(block.chunkCount, at + 12);
    out.writeBigUInt64LE(block.xxh64, at + 16);
    out.writeUInt8(block.codec, at + 24);
    out.writeUInt8(block.kind, at + 25);
    at += BLOCK_ENTRY_BYTES;
  }
  for (const id of chunkIds) {
    out.set(id, at);
    at += CHUNK_ID_BYTES;
  }
  for (const length of chunkBytes) {
    out.writeUInt32LE(length, at);
    at += 4;
  }
  out.writeUInt32LE(footerBytes, at);
  out.writeBigUInt64LE(xxh64(out.subarray(0, footerBytes)), at + 8);
  out.writeBigUInt64LE(BigInt(footerOffsetBytes + out.length), at + 16);
  out.write(PACK_TAIL_MAGIC, at + 24, 'latin1');
  return out;
}

/**
 * Decodes the last 32 bytes of a pack and bounds what they claim against the file's size.
 * @throws DbupError POOL_DAMAGED
 */
export function decodePackTrailer(bytes: Uint8Array, packBytes: number, where: string): PackTrailer {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.length !== PACK_TRAILER_BYTES || view.toString('latin1', 24, 32) !== PACK_TAIL_MAGIC) {
    throw damagedPack(where, 'its end is missing (a copy that was cut off?)');
  }
  const footerBytes = view.readUInt32LE(0);
  if (view.readBigUInt64LE(16) !== BigInt(packBytes) || view.readUInt32LE(4) !== 0) {
    throw damagedPack(where, 'it has not its full length');
  }
  if (
    footerBytes < FOOTER_HEAD_BYTES ||
    footerBytes > LIMITS.footerBytes ||
    footerBytes > packBytes - PACK_HEADER_BYTES - PACK_TRAILER_BYTES
  ) {
    throw damagedPack(where, `its footer claims ${footerBytes} bytes`);
  }
  return { footerBytes, footerXxh64: view.readBigUInt64LE(8), packBytes };
}

/**
 * Decodes a footer and checks everything a reader relies on: the checksum, the counts, that blocks lie
 * one after the other inside the pack and that chunk lengths add up to each block's plain length.
 * @throws DbupError POOL_FORMAT_UNSUPPORTED for another version or an unknown feature, else POOL_DAMAGED
 */
export function decodePackFooter(footer: Uint8Array, trailer: PackTrailer, where: string): PackFooter {
  if (
    footer.length < FOOTER_HEAD_BYTES ||
    footer.length !== trailer.footerBytes ||
    xxh64(footer) !== trailer.footerXxh64
  ) {
    throw damagedPack(where, "its footer's checksum is wrong");
  }
  const bytes = alignedCopyIfNeeded(footer);
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  checkVersion(view, where);
  const blockCount = view.readUInt32LE(0);
  const chunkCount = view.readUInt32LE(4);
  const expected = FOOTER_HEAD_BYTES + blockCount * BLOCK_ENTRY_BYTES + chunkCount * (CHUNK_ID_BYTES + 4);
  if (expected !== footer.length) throw damagedPack(where, 'its footer has impossible counts');
  const idsAt = FOOTER_HEAD_BYTES + blockCount * BLOCK_ENTRY_BYTES;
  const chunkIds = bytes.subarray(idsAt, idsAt + chunkCount * CHUNK_ID_BYTES);
  const lengthsAt = idsAt + chunkCount * CHUNK_ID_BYTES;
  const chunkBytes = new Uint32Array(bytes.buffer, bytes.byteOffset + lengthsAt, chunkCount);
  const blocks = decodeBlocks(view, blockCount, chunkBytes, trailer, where);
  return { blocks, chunkCount, chunkIds, chunkBytes };
}

function decodeBlocks(
  view: Buffer,
  blockCount: number,
  chunkBytes: Uint32Array,
  trailer: PackTrailer,
  where: string,
): BlockEntry[] {
  const blocks: BlockEntry[] = [];
  const blocksEnd = trailer.packBytes - PACK_TRAILER_BYTES - trailer.footerBytes;
  let nextOffset = PACK_HEADER_BYTES;
  let firstChunk = 0;
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
    };
    checkBlock(block, nextOffset, blocksEnd, where);
    if (view.readUIntLE(at + 26, 6) !== 0) throw damagedPack(where, `block ${i} has reserved bytes set`);
    nextOffset += block.storedBytes;
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
          : block.codec !== BLOCK_CODEC.raw && block.codec !== BLOCK_CODEC.zstd
            ? `has the unknown codec ${block.codec}`
            : block.codec === BLOCK_CODEC.raw && block.storedBytes !== block.plainBytes
              ? 'is stored raw with another length'
              : null;
  if (reason) throw damagedPack(where, `the block at ${block.offsetBytes} ${reason}`);
}

/** Header and footer say the version at the same place, in the same 8 bytes. */
function writeVersion(bytes: Buffer): void {
  bytes.writeUInt16LE(PACK_VERSION, VERSION_AT);
}

function checkVersion(footer: Buffer, where: string): void {
  const version = footer.readUInt16LE(VERSION_AT);
  const features = footer.readUInt32LE(FEATURES_AT);
  if (version === PACK_VERSION && features === 0) {
    if (footer.readUInt16LE(VERSION_AT + 2) !== 0) throw damagedPack(where, 'reserved bytes are set');
    return;
  }
  throw new DbupError(
    'POOL_FORMAT_UNSUPPORTED',
    `pack ${where} has format version ${version}, features 0x${features.toString(16)}; this dbup reads version ${PACK_VERSION} without features`,
    {
      hint: 'Update dbup on this machine to the version that wrote the pool.',
      details: { where, version, features },
    },
  );
}

/** `chunkBytes` is read through a Uint32Array, which needs 4-byte alignment. */
function alignedCopyIfNeeded(bytes: Uint8Array): Uint8Array {
  return bytes.byteOffset % 8 === 0 ? bytes : new Uint8Array(bytes);
}

function damagedPack(where: string, reason: string): DbupError {
  return new DbupError('POOL_DAMAGED', `pack ${where} is damaged: ${reason}`, {
    hint: 'Copy the pool again from where it is whole, or run `dbup repair --from OTHER_POOL`.',
    details: { pack: where, reason },
  });
}

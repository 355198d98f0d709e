import { DbupError } from '../core/errors.js';
import { xxh64 } from '../hash/xxh64.js';
import { repeatedBase } from './base-list.js';
import {
  BLOCK_CODEC,
  BLOCK_ENTRY_BYTES,
  type BlockEntry,
  decodeBlockEntries,
  encodeBlockEntry,
} from './block-entry.js';
import {
  damagedPack,
  encodePackTrailer,
  FOOTER_HEAD_BYTES,
  PACK_HEADER_BYTES,
  PACK_TRAILER_BYTES,
  type PackTrailer,
} from './pack-trailer.js';

/** docs/format.md, "Pack". Every number is little-endian. */
export const PACK_MAGIC = 'DBUPPACK';
export const PACK_VERSION = 1;
/** Feature bits: what a footer holds besides blocks and chunks. */
export const PACK_FEATURE = { delta: 1, sketches: 2, x86: 4 } as const;
/** Six u32 a chunk. */
export const SKETCH_BYTES = 24;
const CHUNK_ID_BYTES = 32;
const VERSION_AT = 8;
const FEATURES_AT = 12;
const KNOWN_FEATURES = PACK_FEATURE.delta | PACK_FEATURE.sketches | PACK_FEATURE.x86;

/** What a block's chunks are: file bytes and other content, tar skeletons, or recipes and list nodes. */
export const BLOCK_KIND = { data: 1, skeleton: 2, recipe: 3 } as const;
export type BlockKind = (typeof BLOCK_KIND)[keyof typeof BLOCK_KIND];

/** A decoded footer. Its arrays are views of the bytes it was decoded from. */
export interface PackFooter {
  blocks: BlockEntry[];
  chunkCount: number;
  /** 32 bytes a chunk, in block order. */
  chunkIds: Uint8Array;
  /** Plain length of each chunk. */
  chunkBytes: Uint32Array;
  /** 32 bytes a base of each delta block, in block order. */
  baseIds: Uint8Array;
  /** Six words a chunk, all zero where a chunk has none; null in a pack without. */
  sketches: Uint32Array | null;
}

/** The 16 bytes every pack begins with. They are written before it is known which features the pack will have: its footer says. */
export function encodePackHeader(): Uint8Array {
  const bytes = Buffer.alloc(PACK_HEADER_BYTES);
  bytes.write(PACK_MAGIC, 0, 'latin1');
  bytes.writeUInt16LE(PACK_VERSION, VERSION_AT);
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

/** What a pack's footer lists besides its blocks, each in block order. */
export interface PackLists {
  chunkIds: readonly Uint8Array[];
  chunkBytes: readonly number[];
  baseIds: readonly Uint8Array[];
  /** `SKETCH_BYTES` for each chunk; null leaves the section out. */
  sketches: Uint8Array | null;
}

/** Encodes footer and trailer of a pack whose blocks end at `footerOffsetBytes`. */
export function encodePackFooter(
  blocks: readonly BlockEntry[],
  { chunkIds, chunkBytes, baseIds, sketches }: PackLists,
  footerOffsetBytes: number,
): Uint8Array {
  const features =
    (blocks.some(({ codec }) => codec === BLOCK_CODEC.delta) ? PACK_FEATURE.delta : 0) |
    (blocks.some(({ codec }) => codec === BLOCK_CODEC.zstdX86) ? PACK_FEATURE.x86 : 0) |
    (sketches ? PACK_FEATURE.sketches : 0);
  const footerBytes = sizeOfFooter(blocks.length, chunkIds.length, baseIds.length, features);
  const out = Buffer.alloc(footerBytes + PACK_TRAILER_BYTES);
  out.writeUInt32LE(blocks.length, 0);
  out.writeUInt32LE(chunkIds.length, 4);
  out.writeUInt16LE(PACK_VERSION, VERSION_AT);
  out.writeUInt32LE(features, FEATURES_AT);
  let at = FOOTER_HEAD_BYTES;
  for (const block of blocks) {
    encodeBlockEntry(out, at, block);
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
  for (const id of baseIds) {
    out.set(id, at);
    at += CHUNK_ID_BYTES;
  }
  if (sketches) out.set(sketches, at);
  out.set(encodePackTrailer(out.subarray(0, footerBytes), footerOffsetBytes), footerBytes);
  return out;
}

function sizeOfFooter(blockCount: number, chunkCount: number, baseCount: number, features: number): number {
  const chunkEntryBytes = CHUNK_ID_BYTES + 4 + (features & PACK_FEATURE.sketches ? SKETCH_BYTES : 0);
  return (
    FOOTER_HEAD_BYTES +
    blockCount * BLOCK_ENTRY_BYTES +
    chunkCount * chunkEntryBytes +
    baseCount * CHUNK_ID_BYTES
  );
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
  const features = checkVersion(view, where);
  const blockCount = view.readUInt32LE(0);
  const chunkCount = view.readUInt32LE(4);
  // How many bases there are, the block entries say: they have to be there before they can be read.
  if (sizeOfFooter(blockCount, chunkCount, 0, features) > footer.length) throw impossibleCounts(where);
  const idsAt = FOOTER_HEAD_BYTES + blockCount * BLOCK_ENTRY_BYTES;
  const lengthsAt = idsAt + chunkCount * CHUNK_ID_BYTES;
  const basesAt = lengthsAt + chunkCount * 4;
  const chunkIds = bytes.subarray(idsAt, lengthsAt);
  const chunkBytes = new Uint32Array(bytes.buffer, bytes.byteOffset + lengthsAt, chunkCount);
  const codecs: number[] = [BLOCK_CODEC.raw, BLOCK_CODEC.zstd];
  if (features & PACK_FEATURE.delta) codecs.push(BLOCK_CODEC.delta);
  if (features & PACK_FEATURE.x86) codecs.push(BLOCK_CODEC.zstdX86);
  const blocks = decodeBlockEntries(view, blockCount, chunkBytes, { trailer, codecs, where });
  const last = blocks.at(-1);
  const baseCount = last ? last.firstBase + last.baseCount : 0;
  if (sizeOfFooter(blockCount, chunkCount, baseCount, features) !== footer.length)
    throw impossibleCounts(where);
  const sketchesAt = basesAt + baseCount * CHUNK_ID_BYTES;
  const baseIds = bytes.subarray(basesAt, sketchesAt);
  checkBases(blocks, chunkIds, baseIds, where);
  const sketches =
    features & PACK_FEATURE.sketches
      ? new Uint32Array(bytes.buffer, bytes.byteOffset + sketchesAt, (chunkCount * SKETCH_BYTES) / 4)
      : null;
  return { blocks, chunkCount, chunkIds, chunkBytes, baseIds, sketches };
}

function checkBases(
  blocks: readonly BlockEntry[],
  chunkIds: Uint8Array,
  baseIds: Uint8Array,
  where: string,
): void {
  for (const block of blocks) {
    if (block.baseCount === 0) continue;
    const repeated = repeatedBase(
      idsIn(baseIds, block.firstBase, block.baseCount),
      blockIds(chunkIds, block),
    );
    if (repeated < 0) continue;
    throw damagedPack(
      where,
      `the block at ${block.offsetBytes} has base ${repeated} twice, or among its own chunks`,
    );
  }
}

const idsIn = (ids: Uint8Array, first: number, count: number): Uint8Array =>
  ids.subarray(first * CHUNK_ID_BYTES, (first + count) * CHUNK_ID_BYTES);

const blockIds = (chunkIds: Uint8Array, { firstChunk, chunkCount }: BlockEntry): Uint8Array =>
  idsIn(chunkIds, firstChunk, chunkCount);

/** The ids of a block's bases, copied. */
export function basesOfBlock({ baseIds }: PackFooter, { firstBase, baseCount }: BlockEntry): Uint8Array[] {
  return Array.from({ length: baseCount }, (_, i) => new Uint8Array(idsIn(baseIds, firstBase + i, 1)));
}

/** The sketches of a block's chunks, copied, `SKETCH_BYTES` each; null when its pack has none. */
export function sketchesOfBlock(
  { sketches }: PackFooter,
  { firstChunk, chunkCount }: BlockEntry,
): Uint8Array | null {
  if (!sketches) return null;
  const start = sketches.byteOffset + firstChunk * SKETCH_BYTES;
  return new Uint8Array(new Uint8Array(sketches.buffer, start, chunkCount * SKETCH_BYTES));
}

function impossibleCounts(where: string): DbupError {
  return damagedPack(where, 'its footer has impossible counts');
}

/** @returns the feature bits */
function checkVersion(footer: Buffer, where: string): number {
  const version = footer.readUInt16LE(VERSION_AT);
  const features = footer.readUInt32LE(FEATURES_AT);
  if (version === PACK_VERSION && (features & ~KNOWN_FEATURES) === 0) {
    if (footer.readUInt16LE(VERSION_AT + 2) !== 0) throw damagedPack(where, 'reserved bytes are set');
    return features;
  }
  throw new DbupError(
    'POOL_FORMAT_UNSUPPORTED',
    `pack ${where} has format version ${version}, features 0x${features.toString(16)}; this dbup reads version ${PACK_VERSION} with features up to 0x${KNOWN_FEATURES.toString(16)}`,
    {
      hint: 'Update dbup on this machine to the version that wrote the pool.',
      details: { where, version, features },
    },
  );
}

/** Lengths and sketches are read through a Uint32Array, which needs 4-byte alignment. */
function alignedCopyIfNeeded(bytes: Uint8Array): Uint8Array {
  return bytes.byteOffset % 8 === 0 ? bytes : new Uint8Array(bytes);
}

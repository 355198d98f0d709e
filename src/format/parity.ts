import { DbupError } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import { xxh64 } from '../hash/xxh64.js';

/** docs/format.md, "Parity". */
export const PARITY_MAGIC = 'DBUPPRTY';
export const PARITY_VERSION = 1;
/** Begins and ends a parity file. */
export const PARITY_FRAME_BYTES = 64;
const FRAME_CHECKED_BYTES = 56;
const HEAD_BYTES = 32;
const MEMBER_BYTES = 40;
const COPY_BYTES = 48;
const DIGEST_BYTES = 8;
const MAX_SHARDS = 255;

/** How the bytes of a parity set are cut: `dataShards` × `stripes` cells, and `parityShards` more for each stripe. */
export interface ParityGeometry {
  dataShards: number;
  parityShards: number;
  cellBytes: number;
  stripes: number;
}

/** A pack that a parity set covers. */
export interface ParityMember {
  name: string;
  sizeBytes: number;
}

/** A small file that a parity file holds whole. */
export interface ParityCopy {
  kind: 'snapshot' | 'descriptor';
  /** SHA-256 of its bytes, 64 hex digits. */
  name: string;
  sizeBytes: number;
  /** Its bytes, or one zstd frame of them where `isCompressed`. */
  stored: Uint8Array;
  isCompressed: boolean;
}

/** What a parity file says of itself and of what it covers. */
export interface ParitySet extends ParityGeometry {
  /** What was asked for: the part of what it covers that may be damaged, in percent. */
  sharePercent: number;
  members: ParityMember[];
  copies: ParityCopy[];
  /** XXH64 of every cell, shard by shard, the parity shards last. */
  digests: BigUint64Array;
}

/** What the frame at either end of a parity file tells. */
export interface ParityFrame {
  metadataBytes: number;
  metadataXxh64: bigint;
  fileBytes: number;
}

const COPY_KINDS = { snapshot: 1, descriptor: 2 } as const;

/** Bytes of a file with such metadata. */
export function parityFileBytes(set: ParityGeometry, metadataBytes: number): number {
  return 2 * (PARITY_FRAME_BYTES + metadataBytes) + set.parityShards * set.stripes * set.cellBytes;
}

/** Bytes that a set covers, with what fills up the last shard. */
export function coveredBytes({ dataShards, stripes, cellBytes }: ParityGeometry): number {
  return dataShards * stripes * cellBytes;
}

export function encodeParityFrame(metadata: Uint8Array, fileBytes: number): Uint8Array {
  const out = Buffer.alloc(PARITY_FRAME_BYTES);
  out.write(PARITY_MAGIC, 0, 'latin1');
  out.writeUInt16LE(PARITY_VERSION, 8);
  out.writeUInt32LE(metadata.length, 16);
  out.writeBigUInt64LE(xxh64(metadata), 24);
  out.writeBigUInt64LE(BigInt(fileBytes), 32);
  out.writeBigUInt64LE(xxh64(out.subarray(0, FRAME_CHECKED_BYTES)), FRAME_CHECKED_BYTES);
  return out;
}

/** @throws DbupError POOL_DAMAGED, POOL_FORMAT_UNSUPPORTED */
export function decodeParityFrame(bytes: Uint8Array, where: string): ParityFrame {
  const view = bufferOf(bytes);
  if (
    view.length !== PARITY_FRAME_BYTES ||
    view.toString('latin1', 0, 8) !== PARITY_MAGIC ||
    view.readBigUInt64LE(FRAME_CHECKED_BYTES) !== xxh64(view.subarray(0, FRAME_CHECKED_BYTES))
  ) {
    throw damagedParity(where, 'its frame is wrong');
  }
  const version = view.readUInt16LE(8);
  const features = view.readUInt32LE(12);
  if (version !== PARITY_VERSION || features !== 0) {
    throw new DbupError(
      'POOL_FORMAT_UNSUPPORTED',
      `parity file ${where} has version ${version} and features ${features}; this dbup reads version ${PARITY_VERSION}`,
      {
        hint: 'Update dbup on this machine to the version that wrote the pool.',
        details: { where, version },
      },
    );
  }
  const metadataBytes = view.readUInt32LE(16);
  const fileBytes = view.readBigUInt64LE(32);
  if (metadataBytes > LIMITS.parityMetadataBytes || fileBytes > BigInt(Number.MAX_SAFE_INTEGER))
    throw damagedParity(where, `it claims ${metadataBytes} bytes of metadata`);
  return { metadataBytes, metadataXxh64: view.readBigUInt64LE(24), fileBytes: Number(fileBytes) };
}

export function encodeParityMetadata(set: ParitySet): Uint8Array {
  const head = Buffer.alloc(HEAD_BYTES + set.members.length * MEMBER_BYTES + set.copies.length * COPY_BYTES);
  head.writeUInt32LE(set.dataShards, 0);
  head.writeUInt32LE(set.parityShards, 4);
  head.writeUInt32LE(set.cellBytes, 8);
  head.writeUInt32LE(set.stripes, 12);
  head.writeUInt16LE(set.sharePercent, 16);
  head.writeUInt32LE(set.members.length, 20);
  head.writeUInt32LE(set.copies.length, 24);
  let at = HEAD_BYTES;
  for (const { name, sizeBytes } of set.members) {
    head.write(name, at, 'hex');
    head.writeBigUInt64LE(BigInt(sizeBytes), at + 32);
    at += MEMBER_BYTES;
  }
  for (const { kind, isCompressed, sizeBytes, stored, name } of set.copies) {
    head.writeUInt8(COPY_KINDS[kind], at);
    head.writeUInt8(isCompressed ? 1 : 0, at + 1);
    head.writeUInt32LE(sizeBytes, at + 8);
    head.writeUInt32LE(stored.length, at + 12);
    head.write(name, at + 16, 'hex');
    at += COPY_BYTES;
  }
  const digests = Buffer.alloc(set.digests.length * DIGEST_BYTES);
  for (const [i, digest] of set.digests.entries()) digests.writeBigUInt64LE(digest, i * DIGEST_BYTES);
  return Buffer.concat([head, ...set.copies.map(({ stored }) => stored), digests]);
}

/** Decodes metadata that its frame vouches for. @throws DbupError POOL_DAMAGED */
export function decodeParityMetadata(bytes: Uint8Array, frame: ParityFrame, where: string): ParitySet {
  const view = bufferOf(bytes);
  if (view.length !== frame.metadataBytes || view.length < HEAD_BYTES || xxh64(view) !== frame.metadataXxh64)
    throw damagedParity(where, 'its metadata is not what its checksum says');
  const geometry = decodeGeometry(view, where);
  const memberCount = view.readUInt32LE(20);
  const copyCount = view.readUInt32LE(24);
  const cells = (geometry.dataShards + geometry.parityShards) * geometry.stripes;
  const copiesAt = HEAD_BYTES + memberCount * MEMBER_BYTES;
  const storedAt = copiesAt + copyCount * COPY_BYTES;
  if (memberCount > LIMITS.parityPacks || storedAt > view.length)
    throw damagedParity(where, `it claims ${memberCount} packs and ${copyCount} copies`);
  const members = Array.from({ length: memberCount }, (_, i) => decodeMember(view, i, where));
  const { copies, endBytes } = decodeCopies(view, { copiesAt, copyCount, storedAt }, where);
  if (endBytes + cells * DIGEST_BYTES !== view.length)
    throw damagedParity(where, 'its metadata has another length than it says');
  const covered = members.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const isEmpty = geometry.dataShards === 0;
  if (
    covered > coveredBytes(geometry) ||
    isEmpty !== (memberCount === 0) ||
    new Set(members.map(({ name }) => name)).size !== memberCount ||
    frame.fileBytes !== parityFileBytes(geometry, view.length)
  ) {
    throw damagedParity(where, 'its sizes do not add up');
  }
  const digests = new BigUint64Array(cells);
  for (let i = 0; i < cells; i++) digests[i] = view.readBigUInt64LE(endBytes + i * DIGEST_BYTES);
  return { ...geometry, sharePercent: view.readUInt16LE(16), members, copies, digests };
}

function decodeGeometry(view: Buffer, where: string): ParityGeometry {
  const geometry = {
    dataShards: view.readUInt32LE(0),
    parityShards: view.readUInt32LE(4),
    cellBytes: view.readUInt32LE(8),
    stripes: view.readUInt32LE(12),
  };
  const { dataShards, parityShards, cellBytes, stripes } = geometry;
  const isNone = dataShards === 0 && parityShards === 0 && cellBytes === 0 && stripes === 0;
  const isSane =
    dataShards >= 1 &&
    parityShards >= 1 &&
    dataShards + parityShards <= MAX_SHARDS &&
    cellBytes >= 1 &&
    cellBytes <= LIMITS.parityCellBytes &&
    stripes >= 1 &&
    stripes <= LIMITS.parityMetadataBytes / DIGEST_BYTES;
  const reserved = view.readUInt16LE(18) !== 0 || view.readUInt32LE(28) !== 0;
  if ((!isNone && !isSane) || reserved) throw damagedParity(where, 'its shards are none that can be');
  return geometry;
}

function decodeMember(view: Buffer, number: number, where: string): ParityMember {
  const at = HEAD_BYTES + number * MEMBER_BYTES;
  const sizeBytes = view.readBigUInt64LE(at + 32);
  if (sizeBytes < 1n || sizeBytes > BigInt(LIMITS.packBytes))
    throw damagedParity(where, `it covers a pack of ${sizeBytes} bytes`);
  return { name: view.toString('hex', at, at + 32), sizeBytes: Number(sizeBytes) };
}

function decodeCopies(
  view: Buffer,
  { copiesAt, copyCount, storedAt }: { copiesAt: number; copyCount: number; storedAt: number },
  where: string,
): { copies: ParityCopy[]; endBytes: number } {
  let stored = storedAt;
  const copies = Array.from({ length: copyCount }, (_, i): ParityCopy => {
    const at = copiesAt + i * COPY_BYTES;
    const kind = view.readUInt8(at);
    const form = view.readUInt8(at + 1);
    const sizeBytes = view.readUInt32LE(at + 8);
    const storedBytes = view.readUInt32LE(at + 12);
    const isSane =
      (kind === COPY_KINDS.snapshot || kind === COPY_KINDS.descriptor) &&
      (form === 1 || (form === 0 && storedBytes === sizeBytes)) &&
      view.readUIntLE(at + 2, 6) === 0 &&
      sizeBytes <= LIMITS.snapshotBytes &&
      stored + storedBytes <= view.length;
    if (!isSane) throw damagedParity(where, 'it holds a copy that cannot be');
    const bytes = new Uint8Array(view.subarray(stored, stored + storedBytes));
    stored += storedBytes;
    return {
      kind: kind === COPY_KINDS.snapshot ? 'snapshot' : 'descriptor',
      name: view.toString('hex', at + 16, at + 48),
      sizeBytes,
      stored: bytes,
      isCompressed: form === 1,
    };
  });
  return { copies, endBytes: stored };
}

/** A parity file that cannot be used. `where` names it. */
export function damagedParity(where: string, reason: string): DbupError {
  return new DbupError('POOL_DAMAGED', `parity file ${where} is damaged: ${reason}`, {
    hint: 'Run `dbup repair`: what it covers is still there, and the file is made again.',
    details: { parity: where, reason },
  });
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

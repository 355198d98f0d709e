import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { xxh64 } from '../../src/hash/xxh64.js';

/**
 * Pools put together byte by byte as docs/format.md says, without dbup's writers, so that they can also hold
 * what dbup would never write. Everything is deterministic.
 */
export const sha256Hex = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const sha256 = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest();

export type PoolFiles = Map<string, Uint8Array>;

export const CHUNKER = { algorithm: 'xgear-1', minBytes: 16_384, avgBytes: 65_536, maxBytes: 524_288 };

export function descriptorFile(fields: object = {}): Uint8Array {
  const document = {
    kind: 'dbup-pool',
    format: 1,
    poolId: '00112233445566778899aabbccddeeff',
    createdAt: '2026-01-01T00:00:00.000Z',
    features: [],
    chunker: CHUNKER,
    ...fields,
  };
  return Buffer.from(`${JSON.stringify(document, null, 2)}\n`);
}

/** One zstd frame of raw and run-length blocks only: no encoder has a say in its bytes. */
export function zstdFrame(plain: Uint8Array): Buffer {
  const parts: Buffer[] = [Buffer.from('28b52ffd', 'hex'), Buffer.alloc(5)];
  // Single segment, content size in four bytes.
  parts[1]!.writeUInt8(0xa0, 0);
  parts[1]!.writeUInt32LE(plain.length, 1);
  const pieces = runs(plain);
  pieces.forEach(({ start, end, isRun }, i) => {
    const head = Buffer.alloc(3);
    const last = i === pieces.length - 1 ? 1 : 0;
    head.writeUIntLE(last | ((isRun ? 1 : 0) << 1) | ((end - start) << 3), 0, 3);
    parts.push(head, Buffer.from(plain.subarray(start, isRun ? start + 1 : end)));
  });
  return Buffer.concat(parts);
}

/** Runs of 16 equal bytes and more, and what lies between. */
function runs(bytes: Uint8Array): { start: number; end: number; isRun: boolean }[] {
  const pieces: { start: number; end: number; isRun: boolean }[] = [];
  let rawStart = 0;
  for (let at = 0; at < bytes.length; ) {
    let end = at;
    while (end < bytes.length && bytes[end] === bytes[at]) end++;
    if (end - at >= 16) {
      if (at > rawStart) pieces.push({ start: rawStart, end: at, isRun: false });
      pieces.push({ start: at, end, isRun: true });
      rawStart = end;
    }
    at = end;
  }
  if (rawStart < bytes.length) pieces.push({ start: rawStart, end: bytes.length, isRun: false });
  return pieces;
}

export interface HandMadeBlock {
  codec: number;
  kind: number;
  chunks: Uint8Array[];
  /** Of a delta block: its depth, the chunks that are its bases, what is stored. */
  delta?: { depth: number; bases: Uint8Array[]; stored: Uint8Array };
  /** 24 bytes a chunk. */
  sketches?: Uint8Array;
}

/** @param features those that the blocks need, where they are not given */
export function packFile(
  blocks: readonly HandMadeBlock[],
  version = 1,
  features = featuresOf(blocks),
): Buffer {
  const version8 = Buffer.alloc(8);
  version8.writeUInt16LE(version, 0);
  version8.writeUInt32LE(features, 4);
  const parts: Uint8Array[] = [Buffer.from('DBUPPACK'), version8];
  const entries: Buffer[] = [];
  let offset = 16;
  for (const { codec, kind, chunks, delta } of blocks) {
    const plain = Buffer.concat(chunks);
    const stored = delta?.stored ?? (codec === 0 ? plain : zstdFrame(plain));
    const entry = Buffer.alloc(32);
    entry.writeUInt32LE(offset, 0);
    entry.writeUInt32LE(stored.length, 4);
    entry.writeUInt32LE(plain.length, 8);
    entry.writeUInt32LE(chunks.length, 12);
    entry.writeBigUInt64LE(xxh64(stored), 16);
    entry.writeUInt8(codec, 24);
    entry.writeUInt8(kind, 25);
    entry.writeUInt8(delta?.depth ?? 0, 26);
    entry.writeUInt32LE(delta?.bases.length ?? 0, 28);
    entries.push(entry);
    parts.push(stored);
    offset += stored.length;
  }
  const chunks = blocks.flatMap((block) => block.chunks);
  const counts = Buffer.alloc(8);
  counts.writeUInt32LE(blocks.length, 0);
  counts.writeUInt32LE(chunks.length, 4);
  const lengths = Buffer.alloc(4 * chunks.length);
  chunks.forEach((chunk, i) => void lengths.writeUInt32LE(chunk.length, 4 * i));
  const bases = blocks.flatMap(({ delta }) => delta?.bases ?? []);
  const sketches = blocks.map((block) => block.sketches ?? Buffer.alloc(block.chunks.length * 24));
  const footer = Buffer.concat([
    counts,
    version8,
    ...entries,
    ...chunks.map(sha256),
    lengths,
    ...bases.map(sha256),
    ...(features & 2 ? sketches : []),
  ]);
  const trailer = Buffer.alloc(32);
  trailer.writeUInt32LE(footer.length, 0);
  trailer.writeBigUInt64LE(xxh64(footer), 8);
  trailer.writeBigUInt64LE(BigInt(offset + footer.length + 32), 16);
  trailer.write('DBUPTAIL', 24, 'latin1');
  return Buffer.concat([...parts, footer, trailer]);
}

function featuresOf(blocks: readonly HandMadeBlock[]): number {
  return (blocks.some(({ delta }) => delta) ? 1 : 0) | (blocks.some(({ sketches }) => sketches) ? 2 : 0);
}

export function streamReference(chunk: Uint8Array, depth = 0, length = chunk.length): Buffer {
  const bytes = Buffer.alloc(48);
  bytes.writeUInt8(depth, 0);
  bytes.writeBigUInt64LE(BigInt(length), 8);
  if (length > 0) bytes.set(sha256(chunk), 16);
  return bytes;
}

export function listNode(entries: readonly { chunk: Uint8Array; length: number }[]): Buffer<ArrayBuffer> {
  return Buffer.concat(
    entries.map(({ chunk, length }) => {
      const entry = Buffer.alloc(40);
      entry.set(sha256(chunk), 0);
      entry.writeBigUInt64LE(BigInt(length), 32);
      return entry;
    }),
  );
}

export function recipe(kind: number, length: number, ...rest: Uint8Array[]): Buffer {
  const head = Buffer.alloc(16);
  head.write('DBR1', 0, 'latin1');
  head.writeUInt8(kind, 4);
  head.writeBigUInt64LE(BigInt(length), 8);
  return Buffer.concat([head, ...rest]);
}

/** The part of a tar recipe that follows the skeleton. */
export function segments(...list: Uint8Array[]): Buffer {
  const count = Buffer.alloc(8);
  count.writeUInt32LE(list.length, 0);
  return Buffer.concat([count, ...list]);
}

export function streamSegment(reference: Uint8Array): Buffer {
  return Buffer.concat([Buffer.alloc(8), reference]);
}

export function blobSegment(blob: Uint8Array, blobRecipe: Uint8Array): Buffer {
  const bytes = Buffer.alloc(88);
  bytes.writeUInt8(1, 0);
  bytes.set(sha256(blob), 8);
  bytes.writeBigUInt64LE(BigInt(blob.length), 40);
  bytes.set(sha256(blobRecipe), 56);
  return bytes;
}

export async function writePool(directory: string, files: PoolFiles): Promise<void> {
  for (const name of ['packs', 'snapshots']) await mkdir(join(directory, name), { recursive: true });
  for (const [name, bytes] of files) await writeFile(join(directory, name), bytes);
}

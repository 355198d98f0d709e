import { DbupError } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import { type CheckpointRecipe, decodeCheckpointBody, encodeCheckpointBody } from './checkpoint-recipe.js';
import type { CorrectionsRecipe } from './corrections-recipe.js';
import { UnknownEncoderError } from './encoder-spec.js';
import { decodeGzipBody, encodeGzipBody, type GzipRecipe } from './gzip-recipe.js';

/** docs/format.md, "Recipe". Every number is little-endian; ids are 64 hex digits in memory, 32 bytes on disk. */
export const RECIPE_MAGIC = 'DBR1';
const RECIPE_HEAD_BYTES = 16;
const STREAM_REF_BYTES = 48;
const BLOB_REF_BYTES = 80;
const RECIPE_KIND = { plain: 1, tar: 2, gzip: 3, checkpoints: 4, corrections: 5 } as const;
const RECIPE_ID_BYTES = 32;
const CORRECTIONS_BYTES = RECIPE_HEAD_BYTES + RECIPE_ID_BYTES + STREAM_REF_BYTES;
const OPENED_BYTES = 8 + 3 * STREAM_REF_BYTES;
const SEGMENT_TYPE = { stream: 0, blob: 1, opened: 2 } as const;
const SEGMENT_BODY_BYTES: readonly number[] = [STREAM_REF_BYTES, BLOB_REF_BYTES, OPENED_BYTES];
/** No deflate stream makes more of a byte. */
const MAX_EXPANSION = 1032;

/**
 * A sequence of bytes held as chunks. `depth` 0: the stream is the one chunk `id`. `depth` n: `id` is a
 * chunk holding a list node whose entries are streams of depth n-1. An empty stream has depth 0 and no id.
 */
export interface StreamRef {
  depth: number;
  sizeBytes: number;
  /** 64 hex digits; '' when `sizeBytes` is 0. */
  id: string;
}

/** A blob inside an archive: its digest, its size and the chunk that holds its recipe. */
export interface BlobRef {
  digestHex: string;
  sizeBytes: number;
  recipeId: string;
}

/** Bytes of which deflate streams are held as their plain bytes (docs/format.md, "Opened segment"). */
export interface OpenedContent {
  /** What comes out. */
  sizeBytes: number;
  /** Plain bytes, and everything that is held as it is. */
  contents: StreamRef;
  /** What surrounds compressed files: headers, checksums, directories. */
  frames: StreamRef;
  /** How both are put together. */
  parts: StreamRef;
}

export type Segment =
  | { type: 'stream'; stream: StreamRef }
  | { type: 'blob'; blob: BlobRef }
  | { type: 'opened'; opened: OpenedContent };

/** How to rebuild one blob from chunks. */
export type Recipe =
  | { kind: 'plain'; sizeBytes: number; stream: StreamRef }
  | {
      kind: 'tar';
      sizeBytes: number;
      /** Headers, padding, everything that is not file contents. */
      skeleton: StreamRef;
      /** File contents in order: runs of bytes, and blobs with recipes of their own. */
      segments: Segment[];
    }
  | GzipRecipe
  | CheckpointRecipe
  | CorrectionsRecipe<StreamRef>;

/** Encodes a recipe. @throws DbupError INPUT_TOO_LARGE when it has more segments than a reader accepts */
export function encodeRecipe(recipe: Recipe): Uint8Array {
  if (recipe.kind === 'gzip' || recipe.kind === 'checkpoints') {
    const head = Buffer.alloc(RECIPE_HEAD_BYTES);
    writeHead(head, RECIPE_KIND[recipe.kind], recipe.sizeBytes);
    return Buffer.concat([
      head,
      recipe.kind === 'gzip' ? encodeGzipBody(recipe) : encodeCheckpointBody(recipe),
    ]);
  }
  if (recipe.kind === 'corrections') return encodeCorrections(recipe);
  if (recipe.kind === 'plain') {
    const out = Buffer.alloc(RECIPE_HEAD_BYTES + STREAM_REF_BYTES);
    writeHead(out, RECIPE_KIND.plain, recipe.sizeBytes);
    writeStreamRef(out, RECIPE_HEAD_BYTES, recipe.stream);
    return out;
  }
  if (recipe.segments.length > LIMITS.archiveSegments) {
    throw new DbupError(
      'INPUT_TOO_LARGE',
      `the archive has more than ${LIMITS.archiveSegments} separate blobs`,
    );
  }
  let size = RECIPE_HEAD_BYTES + STREAM_REF_BYTES + 8;
  for (const { type } of recipe.segments) size += 8 + SEGMENT_BODY_BYTES[SEGMENT_TYPE[type]]!;
  const out = Buffer.alloc(size);
  writeHead(out, RECIPE_KIND.tar, recipe.sizeBytes);
  writeStreamRef(out, RECIPE_HEAD_BYTES, recipe.skeleton);
  let at = RECIPE_HEAD_BYTES + STREAM_REF_BYTES;
  out.writeUInt32LE(recipe.segments.length, at);
  at += 8;
  for (const segment of recipe.segments) {
    out.writeUInt8(SEGMENT_TYPE[segment.type], at);
    writeSegmentBody(out, at + 8, segment);
    at += 8 + SEGMENT_BODY_BYTES[SEGMENT_TYPE[segment.type]]!;
  }
  return out;
}

/** Decodes and checks a recipe. @throws DbupError POOL_DAMAGED, or POOL_FORMAT_UNSUPPORTED for a kind this version has not */
export function decodeRecipe(bytes: Uint8Array, where: string): Recipe {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const need = (end: number): void => {
    if (end > view.length) throw damagedRecipe(where, 'it ends too early');
  };
  need(RECIPE_HEAD_BYTES);
  if (view.toString('latin1', 0, 4) !== RECIPE_MAGIC) throw damagedRecipe(where, 'it has no recipe magic');
  const kind = view.readUInt8(4);
  const sizeBytes = readSize(view, 8, where);
  if (kind === RECIPE_KIND.gzip || kind === RECIPE_KIND.checkpoints) {
    checkReserved(view, 5, 3, where);
    const decode = kind === RECIPE_KIND.gzip ? decodeGzipBody : decodeCheckpointBody;
    return decodeBody(() => decode(view.subarray(RECIPE_HEAD_BYTES), sizeBytes), where);
  }
  if (kind === RECIPE_KIND.corrections) return decodeCorrections(view, sizeBytes, where);
  if (kind !== RECIPE_KIND.plain && kind !== RECIPE_KIND.tar) {
    throw unsupported(`recipe ${where} is of kind ${kind}, which this dbup does not know`, {
      recipe: where,
      kind,
    });
  }
  checkReserved(view, 5, 3, where);
  need(RECIPE_HEAD_BYTES + STREAM_REF_BYTES);
  const stream = readStreamRef(view, RECIPE_HEAD_BYTES, where);
  if (kind === RECIPE_KIND.plain) {
    if (view.length !== RECIPE_HEAD_BYTES + STREAM_REF_BYTES || stream.sizeBytes !== sizeBytes)
      throw damagedRecipe(where, 'sizes do not agree');
    return { kind: 'plain', sizeBytes, stream };
  }
  return decodeTar(view, sizeBytes, stream, where);
}

function decodeTar(view: Buffer, sizeBytes: number, skeleton: StreamRef, where: string): Recipe {
  const need = (end: number): void => {
    if (end > view.length) throw damagedRecipe(where, 'it ends too early');
  };
  let at = RECIPE_HEAD_BYTES + STREAM_REF_BYTES;
  need(at + 8);
  const count = view.readUInt32LE(at);
  checkReserved(view, at + 4, 4, where);
  at += 8;
  if (count > LIMITS.archiveSegments) throw damagedRecipe(where, `it claims ${count} segments`);
  const segments: Segment[] = [];
  let total = skeleton.sizeBytes;
  for (let i = 0; i < count; i++) {
    need(at + 8);
    const type = view.readUInt8(at);
    checkReserved(view, at + 1, 7, where);
    const bodyBytes = SEGMENT_BODY_BYTES[type];
    if (bodyBytes === undefined) throw damagedRecipe(where, `segment ${i} has the unknown type ${type}`);
    need(at + 8 + bodyBytes);
    const segment = readSegment(view, at + 8, type, where);
    const segmentSize = segmentSizeBytes(segment);
    // Each costs a reader work, and recipes nest: with empty ones the work would not be bounded by the bytes.
    if (segmentSize === 0) throw damagedRecipe(where, `segment ${i} is empty`);
    segments.push(segment);
    total += segmentSize;
    at += 8 + bodyBytes;
  }
  if (at !== view.length || total !== sizeBytes) throw damagedRecipe(where, 'sizes do not agree');
  return { kind: 'tar', sizeBytes, skeleton, segments };
}

function encodeCorrections({ sizeBytes, inner, corrections }: CorrectionsRecipe<StreamRef>): Uint8Array {
  const out = Buffer.alloc(CORRECTIONS_BYTES);
  writeHead(out, RECIPE_KIND.corrections, sizeBytes);
  out.write(inner.recipeId, RECIPE_HEAD_BYTES, RECIPE_ID_BYTES, 'hex');
  writeStreamRef(out, RECIPE_HEAD_BYTES + RECIPE_ID_BYTES, corrections);
  return out;
}

function decodeCorrections(view: Buffer, sizeBytes: number, where: string): Recipe {
  checkReserved(view, 5, 3, where);
  if (view.length !== CORRECTIONS_BYTES)
    throw damagedRecipe(where, 'it has another length than corrections have');
  const recipeId = view.toString('hex', RECIPE_HEAD_BYTES, RECIPE_HEAD_BYTES + RECIPE_ID_BYTES);
  const corrections = readStreamRef(view, RECIPE_HEAD_BYTES + RECIPE_ID_BYTES, where);
  return { kind: 'corrections', sizeBytes, inner: { recipeId, sizeBytes }, corrections };
}

function decodeBody(decode: () => Recipe, where: string): Recipe {
  try {
    return decode();
  } catch (error) {
    if (error instanceof UnknownEncoderError)
      throw unsupported(`recipe ${where}: ${error.message}`, { recipe: where });
    if (error instanceof RangeError) throw damagedRecipe(where, error.message);
    throw error;
  }
}

/** How many content bytes a segment stands for. */
export function segmentSizeBytes(segment: Segment): number {
  if (segment.type === 'stream') return segment.stream.sizeBytes;
  return (segment.type === 'blob' ? segment.blob : segment.opened).sizeBytes;
}

function writeSegmentBody(out: Buffer, at: number, segment: Segment): void {
  if (segment.type === 'stream') writeStreamRef(out, at, segment.stream);
  else if (segment.type === 'blob') writeBlobRef(out, at, segment.blob);
  else {
    const { sizeBytes, contents, frames, parts } = segment.opened;
    out.writeBigUInt64LE(BigInt(sizeBytes), at);
    for (const [i, stream] of [contents, frames, parts].entries())
      writeStreamRef(out, at + 8 + i * STREAM_REF_BYTES, stream);
  }
}

function readSegment(view: Buffer, at: number, type: number, where: string): Segment {
  if (type === SEGMENT_TYPE.stream) return { type: 'stream', stream: readStreamRef(view, at, where) };
  if (type === SEGMENT_TYPE.blob) return { type: 'blob', blob: readBlobRef(view, at, where) };
  const sizeBytes = readSize(view, at, where);
  const stream = (i: number): StreamRef => readStreamRef(view, at + 8 + i * STREAM_REF_BYTES, where);
  const opened = { sizeBytes, contents: stream(0), frames: stream(1), parts: stream(2) };
  if (opened.contents.sizeBytes > sizeBytes * MAX_EXPANSION)
    throw damagedRecipe(where, 'it claims more than deflate can hold');
  return { type: 'opened', opened };
}

function writeHead(out: Buffer, kind: number, sizeBytes: number): void {
  out.write(RECIPE_MAGIC, 0, 'latin1');
  out.writeUInt8(kind, 4);
  out.writeBigUInt64LE(BigInt(sizeBytes), 8);
}

function writeStreamRef(out: Buffer, at: number, ref: StreamRef): void {
  out.writeUInt8(ref.depth, at);
  out.writeBigUInt64LE(BigInt(ref.sizeBytes), at + 8);
  if (ref.sizeBytes > 0) out.write(ref.id, at + 16, 32, 'hex');
}

function readStreamRef(view: Buffer, at: number, where: string): StreamRef {
  const depth = view.readUInt8(at);
  const sizeBytes = readSize(view, at + 8, where);
  checkReserved(view, at + 1, 7, where);
  if (depth > LIMITS.streamDepth) throw damagedRecipe(where, `a stream claims depth ${depth}`);
  if (sizeBytes > 0) return { depth, sizeBytes, id: view.toString('hex', at + 16, at + 48) };
  if (depth !== 0 || !view.subarray(at + 16, at + 48).every((byte) => byte === 0)) {
    throw damagedRecipe(where, 'an empty stream names a chunk');
  }
  return { depth, sizeBytes, id: '' };
}

function writeBlobRef(out: Buffer, at: number, ref: BlobRef): void {
  out.write(ref.digestHex, at, 32, 'hex');
  out.writeBigUInt64LE(BigInt(ref.sizeBytes), at + 32);
  out.write(ref.recipeId, at + 48, 32, 'hex');
}

function readBlobRef(view: Buffer, at: number, where: string): BlobRef {
  checkReserved(view, at + 40, 8, where);
  return {
    digestHex: view.toString('hex', at, at + 32),
    sizeBytes: readSize(view, at + 32, where),
    recipeId: view.toString('hex', at + 48, at + 80),
  };
}

function readSize(view: Buffer, at: number, where: string): number {
  const size = view.readBigUInt64LE(at);
  if (size > BigInt(Number.MAX_SAFE_INTEGER)) throw damagedRecipe(where, `it claims a size of ${size} bytes`);
  return Number(size);
}

/** A version that gives reserved bytes a meaning announces itself elsewhere (docs/format.md, "Growth"). */
function checkReserved(view: Buffer, at: number, byteCount: number, where: string): void {
  if (view.subarray(at, at + byteCount).every((byte) => byte === 0)) return;
  throw damagedRecipe(where, `reserved bytes at ${at} are set`);
}

function unsupported(message: string, details: Record<string, unknown>): DbupError {
  return new DbupError('POOL_FORMAT_UNSUPPORTED', message, {
    hint: 'Update dbup on this machine to the version that wrote the pool.',
    details,
  });
}

function damagedRecipe(where: string, reason: string): DbupError {
  return new DbupError('POOL_DAMAGED', `recipe ${where} is damaged: ${reason}`, {
    hint: 'Run `dbup verify --read-data`, then `dbup repair --from OTHER_POOL`.',
    details: { recipe: where, reason },
  });
}

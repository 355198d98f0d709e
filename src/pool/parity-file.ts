import { listNames } from '../catalog/catalog.js';
import { ZstdCompressor, ZstdDecompressor } from '../compress/zstd.js';
import { DbupError, isSystemError } from '../core/errors.js';
import {
  damagedParity,
  decodeParityFrame,
  decodeParityMetadata,
  PARITY_FRAME_BYTES,
  type ParityCopy,
  type ParitySet,
} from '../format/parity.js';
import { sha256Hex } from '../hash/sha256.js';
import { type FileSystem, type OpenFile, readFully } from '../store/file-system.js';
import { shortName } from '../store/pack-file.js';
import type { PoolLayout } from '../store/pool-layout.js';

const COPY_LEVEL = 9;

/** A parity file of which at least one copy of what it tells is good. */
export interface ParityFile {
  name: string;
  /** As it is; another one than it should be where it was cut off. */
  sizeBytes: number;
  set: ParitySet;
  /** Where its parity shards begin. */
  shardsAtBytes: number;
  /** Why the file is known not to be whole; null says nothing about its parity shards. */
  damage: DbupError | null;
}

/** A parity file that tells nothing. */
export interface UnusableParityFile {
  name: string;
  error: DbupError;
}

interface PoolFiles {
  fs: FileSystem;
  layout: PoolLayout;
}

/**
 * Reads what all parity files tell of themselves, those of the same name order on every machine.
 * @throws DbupError POOL_FORMAT_UNSUPPORTED
 */
export async function readParityFiles(
  pool: PoolFiles,
): Promise<{ files: ParityFile[]; unusable: UnusableParityFile[] }> {
  const files: ParityFile[] = [];
  const unusable: UnusableParityFile[] = [];
  for (const name of (await listNames(pool.fs, pool.layout.parityDirectory)).sort()) {
    try {
      const file = await readParityFile(pool, name);
      if (file) files.push(file);
    } catch (error) {
      if (!(error instanceof DbupError) || error.code === 'POOL_FORMAT_UNSUPPORTED') throw error;
      unusable.push({ name, error });
    }
  }
  return { files, unusable };
}

/** @returns null when the file has just been removed */
async function readParityFile({ fs, layout }: PoolFiles, name: string): Promise<ParityFile | null> {
  const path = layout.parityPath(name);
  const where = shortName(name);
  const info = await fs.info(path);
  if (info === null) return null;
  if (!info.isFile) throw damagedParity(where, 'it is not a file');
  try {
    const file = await fs.openRead(path);
    try {
      return await readTwice(file, name, info.sizeBytes);
    } finally {
      await file.close();
    }
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return null;
    throw error;
  }
}

/** What the file tells stands at its beginning and again at its end. */
async function readTwice(file: OpenFile, name: string, sizeBytes: number): Promise<ParityFile> {
  const where = shortName(name);
  const attempt = async (
    read: () => Promise<{ set: ParitySet; metadataBytes: number; fileBytes: number }>,
  ) => {
    try {
      return { ok: await read(), error: null };
    } catch (error) {
      if (error instanceof DbupError && error.code === 'POOL_DAMAGED') return { ok: null, error };
      if (isSystemError(error, 'EIO')) return { ok: null, error: damagedParity(where, error.message) };
      throw error;
    }
  };
  const first = await attempt(() => readTold(file, where, 0, (_) => PARITY_FRAME_BYTES));
  const frameAt = sizeBytes - PARITY_FRAME_BYTES;
  const last = await attempt(() => readTold(file, where, frameAt, (bytes) => frameAt - bytes));
  const told = first.ok ?? last.ok;
  if (!told) throw first.error ?? damagedParity(where, 'it tells nothing');
  const wrongSize =
    told.fileBytes === sizeBytes
      ? null
      : damagedParity(where, `it has ${sizeBytes} bytes, not ${told.fileBytes}`);
  return {
    name,
    sizeBytes,
    set: told.set,
    shardsAtBytes: PARITY_FRAME_BYTES + told.metadataBytes,
    damage: wrongSize ?? first.error ?? last.error,
  };
}

async function readTold(
  file: OpenFile,
  where: string,
  frameAtBytes: number,
  metadataAt: (metadataBytes: number) => number,
): Promise<{ set: ParitySet; metadataBytes: number; fileBytes: number }> {
  const frameBytes = await readRange(file, frameAtBytes, PARITY_FRAME_BYTES, where);
  const frame = decodeParityFrame(frameBytes, where);
  const { metadataBytes, fileBytes } = frame;
  const metadata = await readRange(file, metadataAt(metadataBytes), metadataBytes, where);
  return { set: decodeParityMetadata(metadata, frame, where), metadataBytes, fileBytes };
}

async function readRange(
  file: OpenFile,
  atBytes: number,
  sizeBytes: number,
  where: string,
): Promise<Uint8Array> {
  if (atBytes < 0 || atBytes + sizeBytes > (await file.sizeBytes()))
    throw damagedParity(where, 'it is cut off');
  const bytes = new Uint8Array(sizeBytes);
  if ((await readFully(file, bytes, atBytes)) < sizeBytes) throw damagedParity(where, 'it is cut off');
  return bytes;
}

/** A copy of a small file as a parity file holds it: compressed where that helps. */
export function makeCopy(kind: ParityCopy['kind'], bytes: Uint8Array): ParityCopy {
  const frame = new Uint8Array(new ZstdCompressor(COPY_LEVEL).compress(bytes));
  const isCompressed = frame.length < bytes.length;
  const stored = isCompressed ? frame : new Uint8Array(bytes);
  return { kind, name: sha256Hex(bytes), sizeBytes: bytes.length, stored, isCompressed };
}

/** Used again: a copy may claim 16 MiB that it has not, and another one, and another. */
let decompressor: ZstdDecompressor | null = null;
let scratch = new Uint8Array(0);

/** The bytes of a copy, or null where they are not what its name says. */
export function openCopy({ name, sizeBytes, stored, isCompressed }: ParityCopy): Uint8Array | null {
  if (!isCompressed) return sha256Hex(stored) === name ? stored : null;
  decompressor ??= new ZstdDecompressor();
  if (scratch.length < sizeBytes) scratch = new Uint8Array(sizeBytes);
  const bytes = scratch.subarray(0, sizeBytes);
  try {
    if (decompressor.decompressInto(bytes, stored) !== sizeBytes) return null;
  } catch {
    // The binding has no error class of its own; what it cannot decode is no copy.
    return null;
  }
  return sha256Hex(bytes) === name ? new Uint8Array(bytes) : null;
}

import { randomBytes } from 'node:crypto';
import { open, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DbupError, isSystemError, toDbupError } from '../core/errors.js';
import { type FileSystem, nodeFileSystem } from '../store/file-system.js';

/** With larger writes Linux may look for memory in one piece to cache them in: a file took twice the time at 1 MiB. */
const BUFFER_BYTES = 256 * 1024;
/** Before the umask. */
const OUTPUT_MODE = 0o666;

export interface OutputOptions {
  fs?: FileSystem;
  /** Waits for the disk, so that even lost power leaves the old contents or the new. */
  durable?: boolean;
}

/** Writes some bytes at a position, or one after the other, and returns how many. */
type WriteSome = (bytes: Uint8Array, position: number) => Promise<number>;

/**
 * Writes a file that appears complete or not at all: under a temporary name beside it, then renamed over what was
 * there. The disk is not waited for by default: the pool still has what the file holds. A pipe or a device
 * (`/dev/null`) is written to as it is.
 * @returns the bytes written
 */
export async function writeOutputFile(
  path: string,
  bytes: AsyncIterable<Uint8Array>,
  { fs = nodeFileSystem, durable = false }: OutputOptions = {},
): Promise<number> {
  try {
    const existing = await stat(path).catch((error: unknown) => {
      if (isSystemError(error, 'ENOENT')) return null;
      throw error;
    });
    if (existing?.isDirectory()) {
      throw new DbupError('OUTPUT_EXISTS', `${path} is a directory`, {
        hint: `Name a file in it, or write oci:${path} for an OCI layout.`,
      });
    }
    if (existing && !existing.isFile()) return await writeInPlace(path, bytes);
    return await writeBeside(path, bytes, fs, durable);
  } catch (error) {
    throw toDbupError(error, `writing ${path}`);
  }
}

/** Writes to a stream, standard output say, waiting for whoever reads it. @returns the bytes written */
export async function writeStream(
  bytes: AsyncIterable<Uint8Array>,
  stream: NodeJS.WritableStream,
): Promise<number> {
  let total = 0;
  let failure: unknown;
  const fail = (error: unknown): void => {
    failure = error;
  };
  stream.on('error', fail);
  try {
    for await (const piece of bytes) {
      // The source uses its memory again when asked for the next piece.
      await new Promise<void>((resolve, reject) => {
        stream.write(Buffer.from(piece), (error) => (error ? reject(error) : resolve()));
      });
      total += piece.length;
    }
  } catch (error) {
    throw toDbupError(failure ?? error, 'writing to the output');
  } finally {
    stream.off('error', fail);
  }
  return total;
}

async function writeBeside(
  path: string,
  bytes: AsyncIterable<Uint8Array>,
  fs: FileSystem,
  durable: boolean,
): Promise<number> {
  const directory = dirname(path);
  await fs.makeDirectory(directory);
  const temporary = join(directory, `.dbup-${randomBytes(6).toString('hex')}.partial`);
  const file = await fs.createNew(temporary, OUTPUT_MODE);
  let isOpen = true;
  const close = async (): Promise<void> => {
    if (isOpen) {
      isOpen = false;
      await file.close();
    }
  };
  try {
    const total = await writeAll((piece, position) => file.write(piece, position), bytes);
    if (durable) await file.sync();
    await close();
    await fs.rename(temporary, path);
    if (durable) await fs.syncDirectory(directory);
    return total;
  } catch (error) {
    await close().catch(() => {});
    await fs.unlink(temporary).catch(() => {});
    throw error;
  }
}

async function writeInPlace(path: string, bytes: AsyncIterable<Uint8Array>): Promise<number> {
  const handle = await open(path, 'w');
  try {
    const write: WriteSome = async (piece) => (await handle.write(piece, 0, piece.length, null)).bytesWritten;
    return await writeAll(write, bytes);
  } finally {
    await handle.close();
  }
}

/** Gathers pieces in two buffers: one is written while the other is filled. */
async function writeAll(write: WriteSome, bytes: AsyncIterable<Uint8Array>): Promise<number> {
  let filling = new Uint8Array(BUFFER_BYTES);
  let other = new Uint8Array(BUFFER_BYTES);
  let fill = 0;
  let total = 0;
  let writing: Promise<void> = Promise.resolve();
  const writeFilled = async (): Promise<void> => {
    await writing;
    writing = writeFully(write, filling.subarray(0, fill), total);
    // Reported by whoever waits for it next.
    writing.catch(() => {});
    total += fill;
    fill = 0;
    [filling, other] = [other, filling];
  };
  try {
    for await (const piece of bytes) {
      for (let at = 0; at < piece.length; ) {
        const taken = Math.min(piece.length - at, filling.length - fill);
        filling.set(piece.subarray(at, at + taken), fill);
        fill += taken;
        at += taken;
        if (fill === filling.length) await writeFilled();
      }
    }
    await writeFilled();
  } finally {
    // Nobody may close the file under a write.
    await writing.catch(() => {});
  }
  await writing;
  return total;
}

async function writeFully(write: WriteSome, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += await write(bytes.subarray(done), position + done);
  }
}

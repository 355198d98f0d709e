import { randomBytes } from 'node:crypto';
import { type FileHandle, mkdir, open, rename, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DbupError, isSystemError, toDbupError } from '../core/errors.js';

const BUFFER_BYTES = 1024 * 1024;

/**
 * Writes a file that appears complete or not at all: under a temporary name beside it, then renamed over what was
 * there. The disk is not waited for: the pool still has what the file holds. A pipe or a device (`/dev/null`) is
 * written to as it is.
 * @returns the bytes written
 */
export async function writeOutputFile(path: string, bytes: AsyncIterable<Uint8Array>): Promise<number> {
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
    return await writeBeside(path, bytes);
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

async function writeBeside(path: string, bytes: AsyncIterable<Uint8Array>): Promise<number> {
  const directory = dirname(path);
  await mkdir(directory, { recursive: true });
  const temporary = join(directory, `.dbup-${randomBytes(6).toString('hex')}.partial`);
  const handle = await open(temporary, 'wx');
  try {
    const total = await writeAll(handle, bytes);
    await handle.close();
    await rename(temporary, path);
    return total;
  } catch (error) {
    await handle.close().catch(() => {});
    await unlink(temporary).catch(() => {});
    throw error;
  }
}

async function writeInPlace(path: string, bytes: AsyncIterable<Uint8Array>): Promise<number> {
  const handle = await open(path, 'w');
  try {
    return await writeAll(handle, bytes, false);
  } finally {
    await handle.close();
  }
}

/** Gathers pieces in two buffers: one is written while the other is filled. */
async function writeAll(
  handle: FileHandle,
  bytes: AsyncIterable<Uint8Array>,
  positioned = true,
): Promise<number> {
  let filling = new Uint8Array(BUFFER_BYTES);
  let other = new Uint8Array(BUFFER_BYTES);
  let fill = 0;
  let total = 0;
  let writing: Promise<void> = Promise.resolve();
  const writeFilled = async (): Promise<void> => {
    await writing;
    writing = writeFully(handle, filling.subarray(0, fill), positioned ? total : null);
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

async function writeFully(handle: FileHandle, bytes: Uint8Array, position: number | null): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const at = position === null ? null : position + done;
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, at);
    done += bytesWritten;
  }
}

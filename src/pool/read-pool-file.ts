import { DbupError } from '../core/errors.js';
import { type FileSystem, readFully } from '../store/file-system.js';

/**
 * Reads a small file of a pool whole. @returns null when there is no file
 * @throws DbupError POOL_DAMAGED when it is larger than `mostBytes`
 */
export async function readPoolFile(
  fs: FileSystem,
  path: string,
  mostBytes: number,
): Promise<Uint8Array | null> {
  const info = await fs.info(path);
  if (!info?.isFile) return null;
  if (info.sizeBytes > mostBytes)
    throw new DbupError('POOL_DAMAGED', `${path} is damaged: it has ${info.sizeBytes} bytes`);
  const bytes = new Uint8Array(info.sizeBytes);
  const file = await fs.openRead(path);
  try {
    return bytes.subarray(0, await readFully(file, bytes, 0));
  } finally {
    await file.close();
  }
}

import { copyFile, mkdir, readdir, rename, rm, stat, truncate } from 'node:fs/promises';
import { basename, join } from 'node:path';

export interface CopyOptions {
  /** `names` is rsync's order; a bucket sync keeps to none. */
  order: 'names' | 'backwards' | 'mixed';
  /** How many files are sent before the copy is cut off; null for all. */
  stopAfter: number | null;
  /** What is left of the file under way: nothing, or its first half under rsync's temporary name or its own. */
  leftover: 'none' | 'temporary' | 'in place';
  /** Remove what the source has not, before or after. */
  remove: 'no' | 'before' | 'after';
}

/**
 * Copies a pool's files as `rsync -a` does, in this process: a file that is there with the same size stays.
 * @returns true when it was not cut off
 */
export async function copyPool(from: string, to: string, options: CopyOptions): Promise<boolean> {
  const files = await filesIn(from);
  if (options.remove === 'before') await removeOthers(to, files);
  let sent = 0;
  for (const file of inOrder(files, options.order)) {
    const [source, target] = [join(from, file), join(to, file)];
    const size = await sizeOf(source);
    if (size === null || size === (await sizeOf(target))) continue;
    await mkdir(join(target, '..'), { recursive: true });
    if (options.stopAfter !== null && sent >= options.stopAfter) {
      await leave(source, target, size, options.leftover);
      return false;
    }
    const temporary = join(target, '..', `.${basename(target)}.Ab34cd`);
    await copyFile(source, temporary);
    await rename(temporary, target);
    sent++;
  }
  for (const directory of ['packs', 'snapshots', 'tmp'])
    await mkdir(join(to, directory), { recursive: true });
  if (options.remove === 'after') await removeOthers(to, files);
  return true;
}

/** Relative to the pool: those of the top first, then directory by directory. */
async function filesIn(pool: string): Promise<string[]> {
  const names = async (directory: string): Promise<string[]> => {
    const entries = await readdir(join(pool, directory), { withFileTypes: true }).catch(() => []);
    return entries
      .filter((entry) => entry.isFile())
      .map(({ name }) => join(directory, name))
      .sort();
  };
  return (await Promise.all(['', 'packs', 'snapshots', 'tmp'].map(names))).flat();
}

function inOrder(files: readonly string[], order: CopyOptions['order']): string[] {
  if (order === 'backwards') return [...files].reverse();
  if (order === 'names') return [...files];
  // By the end of the name: as good as any other order, and the same each time.
  return [...files].sort((a, b) => (a.slice(-8) < b.slice(-8) ? -1 : 1));
}

async function leave(
  source: string,
  target: string,
  sizeBytes: number,
  leftover: CopyOptions['leftover'],
): Promise<void> {
  if (leftover === 'none') return;
  const path = leftover === 'in place' ? target : join(target, '..', `.${basename(target)}.Xy12ab`);
  await copyFile(source, path);
  await truncate(path, sizeBytes >> 1);
}

async function removeOthers(pool: string, files: readonly string[]): Promise<void> {
  const wanted = new Set(files);
  for (const file of await filesIn(pool)) if (!wanted.has(file)) await rm(join(pool, file), { force: true });
}

async function sizeOf(path: string): Promise<number | null> {
  return stat(path).then(
    ({ size }) => size,
    () => null,
  );
}

import type { FileSystem } from '../store/file-system.js';
import type { PoolLayout } from '../store/pool-layout.js';

/**
 * Makes the names of everything in a pool durable. A process that died may have left packs and snapshots whose names
 * the disk was never made to keep, and nothing tells them from others: whoever builds on what it finds, or removes
 * something because of it, does this first. Otherwise lost power could take what was found and leave what leans on it.
 */
export async function makeNamesDurable({
  fs,
  layout,
}: {
  fs: FileSystem;
  layout: PoolLayout;
}): Promise<void> {
  const { directory, packsDirectory, snapshotsDirectory } = layout;
  for (const path of [directory, packsDirectory, snapshotsDirectory]) {
    if (path === directory || (await fs.info(path))?.isDirectory) await fs.syncDirectory(path);
  }
}

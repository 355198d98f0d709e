import { listNames } from '../catalog/catalog.js';
import type { FileSystem } from '../store/file-system.js';
import type { PoolLayout } from '../store/pool-layout.js';

/** What is told of a pool that {@link lacksSnapshotsDirectory}. */
export const NO_SNAPSHOTS_DIRECTORY =
  'the pool is incomplete: it has packs but no snapshots/; sync it again from where it is whole';

/** True when there are packs and no `snapshots/`, with which a pool is made: that it has no versions is not known then. */
export async function lacksSnapshotsDirectory({
  fs,
  layout,
}: {
  fs: FileSystem;
  layout: PoolLayout;
}): Promise<boolean> {
  if ((await fs.info(layout.snapshotsDirectory)) !== null) return false;
  return (await listNames(fs, layout.packsDirectory)).length > 0;
}

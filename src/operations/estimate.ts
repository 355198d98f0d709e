import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { OperationContext } from '../core/context.js';
import { toDbupError } from '../core/errors.js';
import type { Pool } from '../pool/pool.js';
import { discardingFileSystem } from '../store/discarding-file-system.js';
import { nodeFileSystem } from '../store/file-system.js';
import { type SaveOptions, type SaveResult, type SaveSource, save } from './save.js';
import type { SavedImage } from './saved-image.js';

/** What a save of one source would come to. */
export interface Estimate extends Omit<SaveResult, 'images'> {
  images: Omit<SavedImage, 'snapshotId'>[];
}

/**
 * Does all that a save of `source` does, but writes nothing into the pool, which may be open for reading only. The
 * figures are those of the save to the byte, as long as the pool and the source stay as they are. What must be put
 * aside for a while lies in the system's directory for temporary files and is gone at the end.
 * @throws DbupError what `save` throws
 */
export async function estimate(
  pool: Pool,
  source: SaveSource,
  options: SaveOptions,
  context: OperationContext,
): Promise<Estimate> {
  const directory = await mkdtemp(join(tmpdir(), 'dbup-estimate-')).catch((error: unknown) => {
    throw toDbupError(error, `making a temporary directory in ${tmpdir()}`);
  });
  const writesNothing: Pool = {
    ...pool,
    fs: discardingFileSystem(pool.fs),
    spools: { fs: nodeFileSystem, directory },
    tryExclusive: () => false,
  };
  try {
    const { images, ...figures } = await save(writesNothing, source, options, context);
    return { ...figures, images: images.map(({ snapshotId: _, ...image }) => image) };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

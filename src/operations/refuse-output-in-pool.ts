import { realpath } from 'node:fs/promises';
import { dirname, resolve, sep } from 'node:path';
import { DbupError, isSystemError } from '../core/errors.js';
import type { Pool } from '../pool/pool.js';

/**
 * Refuses to write below the pool itself, whatever links lead there: its files are dbup's alone.
 * @throws DbupError USAGE
 */
export async function refuseOutputInPool(pool: Pool, path: string): Promise<void> {
  const { directory } = pool.layout;
  // Behind a link `..` leads elsewhere than the text says; which of the two is meant depends on who opens it.
  for (const spelling of [path, resolve(path)]) {
    const place = await nearestRealPath(spelling);
    if (place !== directory && !place.startsWith(directory.endsWith(sep) ? directory : directory + sep)) {
      continue;
    }
    throw new DbupError('USAGE', `${path} is inside the pool ${directory}`, {
      hint: 'Write it to another place: the pool holds files of dbup only.',
      details: { path, pool: directory },
    });
  }
}

/** The real path of what is there, or of the nearest directory above it that is. */
async function nearestRealPath(path: string): Promise<string> {
  for (let place = path; ; place = dirname(place)) {
    try {
      return await realpath(place);
    } catch (error) {
      const absent = isSystemError(error, 'ENOENT') || isSystemError(error, 'ENOTDIR');
      if (!absent || place === dirname(place)) throw error;
    }
  }
}

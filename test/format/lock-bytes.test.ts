import { readFileSync } from 'node:fs';
import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { PoolLock } from '../../src/catalog/pool-lock.js';
import { withDirectory } from './pool-run.js';

/** The bytes docs/format.md names, as first and last. */
const [PENDING, RESERVED, SHARED] = [
  ...readFileSync(new URL('../../docs/format.md', import.meta.url), 'utf8').matchAll(
    /^\| (?:PENDING|RESERVED|SHARED) \| (\d+), (\d+) \|$/gm,
  ),
].map(([, first, length]) => [Number(first), Number(first) + Number(length) - 1] as const);

/** What the kernel holds on a file, as `READ first last`. */
async function kernelLocks(path: string): Promise<string[]> {
  const { ino } = await stat(path);
  return readFileSync('/proc/locks', 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(
      (words) => words[1] === 'POSIX' && words[5]?.endsWith(`:${ino}`) && words[4] === String(process.pid),
    )
    .map((words) => `${words[3]} ${words[6]} ${words[7]}`)
    .sort();
}

it.runIf(process.platform === 'linux')('locks the bytes that docs/format.md names', async () => {
  await withDirectory(async (directory) => {
    const path = join(directory, 'dbup.lock');
    await writeFile(path, '');
    const shared = PoolLock.acquire(path, 'shared', 0);
    expect(await kernelLocks(path)).toEqual([`READ ${SHARED![0]} ${SHARED![1]}`]);
    shared.release();
    const exclusive = PoolLock.acquire(path, 'exclusive', 0);
    // Neighbouring ranges of one kind are one range to the kernel.
    expect(PENDING![1] + 1).toBe(RESERVED![0]);
    expect(RESERVED![1] + 1).toBe(SHARED![0]);
    expect(await kernelLocks(path)).toEqual([`WRITE ${PENDING![0]} ${SHARED![1]}`]);
    exclusive.release();
    expect(await kernelLocks(path)).toEqual([]);
    expect((await stat(path)).size).toBe(0);
  });
});

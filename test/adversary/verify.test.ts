import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { quietContext } from '../../src/core/context.js';
import type { VerifyResult } from '../../src/operations/findings.js';
import { verify } from '../../src/operations/verify.js';
import { SmallPool } from '../operations/small-pool.js';
import { imageVersions } from '../support/images.js';

it('verify of a reference does not call an older version sound when the current one cannot be read', async () => {
  await using room = await SmallPool.create();
  const [older, newer] = imageVersions('app:1', 1, 2, { base: 60_000, application: 30_000 });
  const { images } = await room.save(older!);
  const { snapshotId } = (await room.save(newer!)).images[0]!;
  const path = join(room.directory, 'snapshots', snapshotId);
  const bytes = await readFile(path);
  bytes[bytes.length >> 1]! ^= 1;
  await writeFile(path, bytes);
  const check = (address: string): Promise<VerifyResult> =>
    room.with('read', (pool) => verify(pool, { readData: true, address }, quietContext()));
  await expect(check('app:1')).rejects.toMatchObject({ code: 'POOL_DAMAGED' });
  // An id leaves no doubt which version is meant.
  expect((await check(`app:1@${images[0]!.snapshotId}`)).damaged).toBe(false);
});

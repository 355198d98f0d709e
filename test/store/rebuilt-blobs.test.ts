import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RebuiltBlobs } from '../../src/store/rebuilt-blobs.js';
import { sha256Of } from '../support/images.js';

const BLOBS = [1, 2, 3].map((byte) => new Uint8Array(1000).fill(byte));
const names = BLOBS.map((bytes) => sha256Of(bytes));

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'dbup-rebuilt-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

async function keep(cache: RebuiltBlobs, at: number): Promise<void> {
  const fresh = await cache.create(names[at]!, BLOBS[at]!.length);
  await fresh!.write(BLOBS[at]!.subarray(0, 400));
  await fresh!.write(BLOBS[at]!.subarray(400));
  await fresh!.keep();
}

async function isKept(cache: RebuiltBlobs, at: number): Promise<boolean> {
  const file = await cache.open(names[at]!, BLOBS[at]!.length);
  await file?.close();
  return file !== null;
}

/** As if it had been used so many seconds after 1970. */
const usedAt = (name: string, seconds: number) => utimes(join(directory, name), seconds, seconds);

describe('blobs kept in a bounded directory', () => {
  it('go when the space is needed, those used longest ago first', async () => {
    const cache = new RebuiltBlobs(directory, 2500);
    await keep(cache, 0);
    await keep(cache, 1);
    await usedAt(names[0]!, 1000);
    await usedAt(names[1]!, 2000);
    expect(await isKept(cache, 0)).toBe(true);
    await keep(cache, 2);
    expect([await isKept(cache, 0), await isKept(cache, 1), await isKept(cache, 2)]).toEqual([
      true,
      false,
      true,
    ]);
  });

  it('are not begun when they are too large, and what is unfinished goes after a day', async () => {
    const cache = new RebuiltBlobs(directory, 2500);
    expect(await cache.create(names[0]!, 2501)).toBeNull();
    const old = `${names[0]}.00000000-0000-4000-8000-000000000000.tmp`;
    const young = `${names[0]}.00000000-0000-4000-8000-000000000001.tmp`;
    await writeFile(join(directory, old), '');
    await writeFile(join(directory, young), '');
    await writeFile(join(directory, 'of-somebody-else'), new Uint8Array(9000));
    await usedAt(old, 1000);
    await keep(cache, 0);
    expect((await readdir(directory)).sort()).toEqual([names[0], young, 'of-somebody-else'].sort());
  });

  it('are gone when they were abandoned, and when they are not what their name says', async () => {
    const cache = new RebuiltBlobs(directory, 2500);
    const fresh = await cache.create(names[0]!, 1000);
    await fresh!.write(BLOBS[0]!);
    await fresh!.abandon();
    expect(await readdir(directory)).toEqual([]);
    await writeFile(join(directory, names[0]!), BLOBS[1]!);
    expect(await isKept(cache, 0)).toBe(false);
    expect(await readdir(directory)).toEqual([]);
  });

  it('are left out without a word where nothing can be written', async () => {
    const file = join(directory, 'file');
    await writeFile(file, '');
    const cache = new RebuiltBlobs(file, 2500);
    expect(await cache.create(names[0]!, 1000)).toBeNull();
    expect(await isKept(cache, 0)).toBe(false);
  });
});

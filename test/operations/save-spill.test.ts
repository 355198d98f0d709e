import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { quietContext } from '../../src/core/context.js';
import { save } from '../../src/operations/save.js';
import { catalogDirectory, openPool } from '../../src/pool/pool.js';
import { type BlockingReads, nodeBlockingReads, nodeFileSystem } from '../../src/store/file-system.js';
import { SpillFile, type SpillPlace } from '../../src/store/spill-file.js';
import { packNames } from '../support/delta-pool.js';
import { dockerArchive } from '../support/images.js';
import { concatBytes, noise, tarEnd, tarFile } from '../support/tar-builder.js';
import { SmallPool } from './small-pool.js';

const FILES = 18;

/** Large files, each changed a little from version to version, every `stride`-th after the other. */
function version(number: number, stride: number): Uint8Array {
  const files = Array.from({ length: FILES }, (_, i) => {
    const file = (i * stride) % FILES;
    const bytes = noise(file, 1_000_000);
    for (let at = 0; at < number; at++)
      for (let byte = at * 31; byte < bytes.length; byte += 20_011) bytes[byte]! ^= 1;
    return tarFile(`usr/lib/lib-${file}`, bytes);
  });
  return dockerArchive({ references: [`app:${number}`], layers: [concatBytes([...files, tarEnd()])] });
}

/** Gives every block the same place, so that nearly all are overwritten, and says nothing of it. */
class LyingFile extends SpillFile {
  override reserve(sizeBytes: number): SpillPlace | null {
    const place = super.reserve(sizeBytes);
    return place && { ...place, offsetBytes: 0 };
  }
}

/** Saves a third version. @returns how often blocks were read, and the packs there are */
async function saveThird(
  prepared: SmallPool,
  archive: Uint8Array,
  spillIn: (directory: string) => SpillFile | null,
): Promise<{ reads: number; packs: string[]; left: string[] }> {
  await using pool = await prepared.copy();
  let reads = 0;
  const read: BlockingReads['read'] = (...asked) => {
    reads++;
    return nodeBlockingReads.read(...asked);
  };
  const path = join(pool.root, 'in.tar');
  const cacheRoot = join(pool.root, 'cache');
  await writeFile(path, archive);
  const fs = { ...nodeFileSystem, blocking: { ...nodeBlockingReads, read } };
  const open = await openPool(pool.directory, { access: 'append', cacheRoot, threads: 1, fs });
  const spill = spillIn(catalogDirectory(cacheRoot, open.layout.directory)) ?? open.spill;
  try {
    await save({ ...open, spill }, { kind: 'archive', path }, {}, quietContext({ now: () => 1e12 }));
  } finally {
    await open.close();
    spill?.close();
  }
  const left = await readdir(join(cacheRoot, (await readdir(cacheRoot))[0]!));
  return { reads, packs: await packNames(pool), left };
}

describe('a save with a spill file', () => {
  it('makes the same packs as without one, or with one that lies, and reads fewer blocks', async () => {
    await using prepared = await SmallPool.create();
    for (const [number, stride] of [
      [1, 1],
      [2, 5],
    ] as const)
      await prepared.save(version(number, stride));
    const archive = version(3, 7);
    const nowhere = join(prepared.root, 'nowhere');
    const without = await saveThird(prepared, archive, () => new SpillFile(nowhere));
    const lying = await saveThird(prepared, archive, (directory) => new LyingFile(directory));
    const own = await saveThird(prepared, archive, () => null);
    expect(lying.packs).toEqual(without.packs);
    expect(own.packs).toEqual(without.packs);
    expect(own.reads).toBeLessThan(0.8 * without.reads);
    expect(lying.reads).toBeGreaterThan(own.reads);
    expect(own.left.filter((name) => !name.startsWith('catalog'))).toEqual([]);
  });
});

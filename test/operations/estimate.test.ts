import { createReadStream } from 'node:fs';
import { mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { quietContext } from '../../src/core/context.js';
import { estimate } from '../../src/operations/estimate.js';
import type { SaveOptions, SaveSource } from '../../src/operations/save.js';
import { type FileSystem, nodeFileSystem } from '../../src/store/file-system.js';
import { craneArchive, ociLayout, type SampleImage } from '../support/archive-layouts.js';
import { changedLayer, dockerArchive, layerTar } from '../support/images.js';
import { codeOf, PoolRoom } from '../support/pool-room.js';

const base = layerTar(1, 4, 40_000);
const application = layerTar(2, 1, 80_000);
const first: SampleImage = { references: ['app:1.0'], layers: [base, application] };
const second: SampleImage = { references: ['app:1.0'], layers: [base, changedLayer(application, 5)] };
const other: SampleImage = { references: ['app:2.0'], layers: [base, changedLayer(application, 6)] };

/** A disk on which nothing can be changed. */
function readOnly(): FileSystem {
  const refuse = async (): Promise<never> => {
    throw Object.assign(new Error('EROFS: read-only file system'), { code: 'EROFS' });
  };
  const changing = ['createNew', 'rename', 'unlink', 'makeDirectory', 'syncDirectory', 'setTimes'] as const;
  return { ...nodeFileSystem, ...Object.fromEntries(changing.map((name) => [name, refuse])) };
}

/** A directory for temporary files that nobody else uses. */
async function ownTemporaries(room: PoolRoom): Promise<() => Promise<string[]>> {
  const directory = room.path('temporaries');
  await mkdir(directory);
  vi.stubEnv('TMPDIR', directory);
  return () => readdir(directory);
}

afterEach(() => vi.unstubAllEnvs());

async function poolBytes(room: PoolRoom): Promise<number> {
  const paths = Object.keys(await room.contents()).map((name) => stat(join(room.pool, name)));
  return (await Promise.all(paths)).reduce((sum, { size }) => sum + size, 0);
}

function measure(room: PoolRoom, source: SaveSource, options: SaveOptions = {}) {
  return room.with('read', (pool) => estimate(pool, source, options, quietContext()), readOnly());
}

describe('an estimate', () => {
  it('is what the save adds, byte for byte, and leaves the pool as it was', async () => {
    await using room = await PoolRoom.create();
    await room.saveBytes(dockerArchive(first));
    const layout = room.path('layout');
    for (const [name, bytes] of ociLayout([other], { packing: 'zstd' })) {
      await mkdir(dirname(join(layout, name)), { recursive: true });
      await writeFile(join(layout, name), bytes);
    }
    const sources: [SaveSource, SaveOptions][] = [
      [{ kind: 'archive', path: await room.file(dockerArchive(second)) }, {}],
      [
        { kind: 'archive', path: await room.file(craneArchive(other)) },
        { as: 'crane:1', level: 12 },
      ],
      [{ kind: 'oci-directory', path: layout }, { as: 'oci:1' }],
      [{ kind: 'archive', path: await room.file(dockerArchive(first)) }, {}],
    ];
    const temporaries = await ownTemporaries(room);
    for (const [source, options] of sources) {
      const before = await room.contents();
      const sizeBefore = await poolBytes(room);
      const told = await measure(room, source, options);
      expect(await measure(room, source, options)).toEqual(told);
      expect(await room.contents()).toEqual(before);
      const saved = await room.save(source, options);
      expect((await poolBytes(room)) - sizeBefore).toBe(told.newBytes);
      expect(told.newBytes).toBe(saved.newBytes);
      expect(told.stored).toEqual(saved.stored);
      const { blocks, footerBytes, snapshotBytes } = told.stored;
      const parts = [...Object.values(blocks), footerBytes, snapshotBytes];
      expect(parts.reduce((sum, bytes) => sum + bytes, 0)).toBe(told.newBytes);
    }
    expect(await temporaries()).toEqual([]);
  });

  it('of gzip layers in a stream puts nothing aside in the pool', async () => {
    await using room = await PoolRoom.create();
    await room.saveBytes(dockerArchive(first));
    const before = await room.contents();
    const archive = await room.file(craneArchive(other), 'pipe.tar');
    const engine = {
      inspectImage: async () => ({ id: `sha256:${'0'.repeat(64)}`, repoTags: ['app:2.0'], rootFsLayers: [] }),
      exportImage: () => createReadStream(archive),
      endpoint: { origin: 'a test' },
    };
    const source: SaveSource = { kind: 'engine', client: engine as never, image: 'app:2.0' };
    const temporaries = await ownTemporaries(room);
    const told = await measure(room, source);
    expect(told.stored.newChunks).toBeGreaterThan(0);
    expect(await room.contents()).toEqual(before);
    expect(await temporaries()).toEqual([]);
    expect((await room.save(source)).newBytes).toBe(told.newBytes);
  });

  it('of a bad source is the error of the save, and nothing is left', async () => {
    await using room = await PoolRoom.create();
    await room.saveBytes(dockerArchive(first));
    const before = await room.contents();
    const temporaries = await ownTemporaries(room);
    const cut = await room.file(dockerArchive(second).subarray(0, 150_000));
    expect(await codeOf(measure(room, { kind: 'archive', path: cut }))).toBe('INPUT_TRUNCATED');
    const text = await room.file(Buffer.alloc(2_000_000, 'no tar'));
    expect(await codeOf(measure(room, { kind: 'archive', path: text }))).toMatch(/^INPUT_/);
    expect(await room.contents()).toEqual(before);
    expect(await temporaries()).toEqual([]);
  });
});

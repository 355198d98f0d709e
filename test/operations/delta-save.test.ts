import { readFile, writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { quietContext } from '../../src/core/context.js';
import { BLOCK_CODEC } from '../../src/format/block-entry.js';
import { verify } from '../../src/operations/verify.js';
import { openChunkCatalog } from '../../src/pool/chunk-catalog.js';
import { dockerArchive } from '../support/images.js';
import { PoolRoom } from '../support/pool-room.js';
import { concatBytes, noise, seededRandom, tarEnd, tarFile } from '../support/tar-builder.js';

const FILE_BYTES = 400_000;

/** Bytes that do not compress, of which one in 4,000 is another in each version: no chunk is that of another version. */
function altered(seed: number, version: number): Uint8Array {
  const bytes = noise(seed, FILE_BYTES);
  const random = seededRandom(version * 1000 + seed);
  for (let at = 0; version > 0 && at < bytes.length; at += 4000)
    bytes[at + Math.floor(random() * 4000)] = version;
  return bytes;
}

function image(reference: string, files: Record<string, Uint8Array>, mtime = 1): Uint8Array {
  const members = Object.entries(files).map(([name, bytes]) => tarFile(name, bytes, { mtime }));
  return dockerArchive({ references: [reference], layers: [concatBytes([...members, tarEnd()])] });
}

interface StoredBlock {
  pack: string;
  codec: number;
  kind: number;
  depth: number;
  offsetBytes: number;
  plainBytes: number;
}

const blocksOf = (room: PoolRoom): Promise<StoredBlock[]> =>
  room.with('read', async (pool) =>
    (await openChunkCatalog(pool.catalog)).packs.flatMap(({ name, footer }) =>
      footer.blocks.map((block) => ({ ...block, pack: name })),
    ),
  );

/** What saving an image adds, its data blocks, and whether it comes back. */
async function saveAgain(
  room: PoolRoom,
  reference: string,
  archive: Uint8Array,
): Promise<{ newBytes: number; data: StoredBlock[] }> {
  const before = new Set((await blocksOf(room)).map(({ pack }) => pack));
  const { newBytes } = await room.saveBytes(archive);
  expect(Buffer.from(await room.load(reference)).equals(archive)).toBe(true);
  const data = (await blocksOf(room)).filter(({ pack, kind }) => kind === 1 && !before.has(pack));
  return { newBytes, data };
}

/** Each version keeps what the ones before it changed, and changes ten stretches of 100 bytes. */
function changedSince(version: number): Uint8Array {
  const bytes = noise(77, FILE_BYTES);
  for (let step = 1; step <= version; step++) {
    const random = seededRandom(step);
    for (let i = 0; i < 40; i++)
      bytes.set(noise(step * 100 + i, 200), Math.floor(random() * (FILE_BYTES - 100)));
  }
  return bytes;
}

describe('a save beside earlier versions', () => {
  const files = (version: number, name = (i: number) => `usr/lib/file-${i}`): Record<string, Uint8Array> =>
    Object.fromEntries([1, 2, 3].map((i) => [name(i), altered(i, version)]));

  it('stores what was altered as a delta', async () => {
    await using room = await PoolRoom.create();
    await room.saveBytes(image('app:1', files(0)));
    const { newBytes, data } = await saveAgain(room, 'app:1', image('app:1', files(1)));
    expect(data.map(({ codec }) => codec)).toContain(BLOCK_CODEC.delta);
    expect(newBytes).toBeLessThan(0.05 * 3 * FILE_BYTES);
  });

  it('costs no more and more the longer the history is', async () => {
    await using room = await PoolRoom.create();
    const added: number[] = [];
    for (let version = 0; version <= 36; version++)
      added.push((await room.saveBytes(image('app:1', { file: changedSince(version) }))).newBytes);
    const mean = (from: number, to: number): number =>
      added.slice(from, to).reduce((sum, bytes) => sum + bytes, 0) / (to - from);
    // All that the last versions changed since the first ones would be six times as much.
    expect(mean(27, 37)).toBeLessThan(2 * mean(1, 11));
    expect(Buffer.from(await room.load('app:1')).includes(Buffer.from(changedSince(36)))).toBe(true);
  });

  it('finds it under another name of the image', async () => {
    await using room = await PoolRoom.create();
    await room.saveBytes(image('app:1', files(0)));
    const { newBytes } = await saveAgain(room, 'other/thing:9', image('other/thing:9', files(1)));
    expect(newBytes).toBeLessThan(0.05 * 3 * FILE_BYTES);
  });

  it('finds files by names that differ in numbers alone, where bytes tell nothing', async () => {
    await using room = await PoolRoom.create();
    // Every byte in sixteen is another: no window of a sketch stays as it was.
    const bytes = noise(5, FILE_BYTES);
    const other = bytes.map((byte, i) => (i % 16 === 0 ? byte ^ 1 : byte));
    await room.saveBytes(image('app:1', { 'lib/libx.so.1.2': bytes }));
    const elsewhere = await saveAgain(room, 'app:1', image('app:1', { 'lib/liby': other }));
    expect(elsewhere.data.map(({ codec }) => codec)).not.toContain(BLOCK_CODEC.delta);
    await using second = await PoolRoom.create();
    await second.saveBytes(image('app:1', { 'lib/libx.so.1.2': bytes }));
    const { data } = await saveAgain(second, 'app:1', image('app:1', { 'lib/libx.so.1.13': other }));
    expect(data.map(({ codec }) => codec)).toContain(BLOCK_CODEC.delta);
  });

  it('tells files by the numbers in their own names where that in their directory is another', async () => {
    await using room = await PoolRoom.create();
    const parts = (directory: string, change: number): Record<string, Uint8Array> =>
      Object.fromEntries(
        Array.from({ length: 12 }, (_, i) => [
          `${directory}/part-${i}`,
          noise(i, FILE_BYTES).map((byte, at) => (at % 16 === 0 ? byte ^ change : byte)),
        ]),
      );
    await room.saveBytes(image('app:1', parts('opt/app-1.2', 0)));
    const { newBytes } = await saveAgain(room, 'app:1', image('app:1', parts('opt/app-1.10', 1)));
    expect(newBytes).toBeLessThan(FILE_BYTES / 2);
  });

  it('finds files that were moved, by their sketches', async () => {
    await using room = await PoolRoom.create();
    await room.saveBytes(image('app:1', files(0)));
    const names = ['opt/alpha', 'srv/beta', 'var/gamma'];
    const moved = image(
      'app:1',
      files(1, (i) => names[i - 1]!),
    );
    const { newBytes, data } = await saveAgain(room, 'app:1', moved);
    expect(data.map(({ codec }) => codec)).toContain(BLOCK_CODEC.delta);
    expect(newBytes).toBeLessThan(0.1 * 3 * FILE_BYTES);
  });

  it('stores times that changed, and nothing else, in next to nothing', async () => {
    await using room = await PoolRoom.create();
    const many = Object.fromEntries(Array.from({ length: 1500 }, (_, i) => [`etc/f${i}`, noise(i + 1, 700)]));
    await room.saveBytes(image('app:1', many, 1_000_000));
    const touched = image('app:1', many, 1_700_000_000);
    const { newBytes } = await saveAgain(room, 'app:1', touched);
    expect(newBytes).toBeLessThan(0.005 * touched.length);
  });

  it('leans on nothing deeper than it may, however many versions there are', async () => {
    await using room = await PoolRoom.create();
    await room.saveBytes(image('app:1', files(0)));
    for (let version = 1; version < 9; version++) {
      const { newBytes } = await saveAgain(room, 'app:1', image('app:1', files(version)));
      expect(newBytes, `version ${version}`).toBeLessThan(0.06 * 3 * FILE_BYTES);
    }
    const depths = (await blocksOf(room)).map(({ depth }) => depth);
    expect(Math.max(...depths)).toBe(4);
    const { findings } = await room.with('read', (pool) => verify(pool, { readData: true }, quietContext()));
    expect(findings).toEqual([]);
  });

  it('makes the same packs of the same image beside the same pool', async () => {
    const packs: string[][] = [];
    for (let round = 0; round < 2; round++) {
      await using room = await PoolRoom.create();
      await room.saveBytes(image('app:1', files(0)));
      await room.saveBytes(image('app:1', files(1)));
      packs.push([...new Set((await blocksOf(room)).map(({ pack }) => pack))].sort());
    }
    expect(packs[1]).toEqual(packs[0]);
  });

  it('leans on no chunk that is not what it was: a damaged base is passed over', async () => {
    await using room = await PoolRoom.create();
    await room.saveBytes(image('app:1', files(0)));
    const base = (await blocksOf(room)).find(
      ({ kind, plainBytes }) => kind === 1 && plainBytes > FILE_BYTES,
    )!;
    const path = `${room.pool}/packs/${base.pack}`;
    const bytes = await readFile(path);
    bytes[base.offsetBytes + 100] = bytes[base.offsetBytes + 100]! ^ 1;
    await writeFile(path, bytes);
    const { data } = await saveAgain(room, 'app:2', image('app:2', files(1)));
    expect(data.length).toBeGreaterThan(0);
    expect(data.map(({ depth }) => depth)).toEqual(data.map(() => 0));
  });
});

import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { quietContext } from '../../src/core/context.js';
import { executeGc } from '../../src/operations/gc.js';
import { planGc } from '../../src/operations/gc-plan.js';
import { executeRemoval, planRemoval } from '../../src/operations/rm.js';
import { save } from '../../src/operations/save.js';
import { verify } from '../../src/operations/verify.js';
import { openOrCreatePool } from '../../src/pool/pool.js';
import { archiveOf } from '../support/archive-layouts.js';
import { makeInput } from '../support/deflate-inputs.mjs';
import { gzipBy, layoutOfLayers, PGZIP_HEADER } from '../support/gzip-files.js';
import { dockerArchive } from '../support/images.js';
import { debOf, deflateBy, deflated, type ZipEntry, ZLIB_6, zipOf } from '../support/nested-files.js';
import { inPieces, PoolRoom } from '../support/pool-room.js';
import { concatBytes, noise, tarEnd, tarFile } from '../support/tar-builder.js';

const text = (seed: number, length: number): Uint8Array => makeInput('text', seed, length);
const PGZIP = { family: 'pgzip', level: 5, variant: '1.15.10', blockBytes: 2 ** 20 } as const;

const imageOf = (...files: [string, Uint8Array][]): Uint8Array =>
  dockerArchive({ references: ['app:1.0'], layers: [layerOf(...files)] });
function layerOf(...files: [string, Uint8Array][]): Uint8Array {
  return concatBytes([...files.map(([name, bytes]) => tarFile(name, bytes)), tarEnd()]);
}

/** Some 40 classes, `changed` of which are other than in release 0. */
function jar(release: number, changed: readonly number[] = [7], options: Partial<ZipEntry> = {}): Uint8Array {
  const entries = Array.from({ length: 40 }, (_, i) => {
    const seed = changed.includes(i) ? 1000 * release + i : i;
    return deflated(`org/example/Class${i}.class`, text(seed, 2000 + 500 * i), options);
  });
  return zipOf(entries, 0x5a8f21 + release);
}

/** Saves an image as a file and as a stream, and has it come back exactly and be sound. @returns what the snapshot lists */
async function expectRoundTrip(archive: Uint8Array): Promise<readonly string[]> {
  let features: readonly string[] = [];
  const made: Record<string, string>[] = [];
  for (const saveIt of [
    (room: PoolRoom) => room.saveBytes(archive),
    (room: PoolRoom) => room.saveStream(inPieces(archive, 3, 90_000)),
  ]) {
    await using room = await PoolRoom.create();
    await saveIt(room);
    expect(await readdir(join(room.pool, 'tmp'))).toEqual([]);
    expect(Buffer.from(await room.load('app:1.0')).equals(archive)).toBe(true);
    await room.with('read', async (pool) => {
      expect((await verify(pool, { readData: true }, quietContext())).findings).toEqual([]);
      features = (await pool.catalog.snapshots()).records[0]!.snapshot.features ?? [];
    });
    const packs = Object.entries(await room.contents()).filter(([name]) => name.startsWith('packs/'));
    made.push(Object.fromEntries(packs));
  }
  expect(made[1]).toEqual(made[0]);
  return features;
}

const OPEN = ['nested-deflate'];

describe('compressed files in layers', () => {
  it('of many sorts are held open and come back exactly, from a file and a stream', async () => {
    const big = concatBytes(
      Array.from({ length: 18 }, (_, i) => concatBytes([noise(i, 62_000), text(i, 30_000)])),
    );
    const features = await expectRoundTrip(
      imageOf(
        ['bin/tool', noise(1, 50_000)],
        ['lib/a.jar', jar(0)],
        ['lib/small', noise(2, 30)],
        ['lib/b.jar', jar(1, [3], { hasDescriptor: true })],
        ['lib/fat.jar', zipOf([deflated('Main.class', text(1, 900)), { name: 'lib/a.jar', plain: jar(0) }])],
        ['empty', new Uint8Array(0)],
        ['big.whl', zipOf([deflated('big.so', big), deflated('RECORD', text(4, 5000))])],
        [
          'big-2.whl',
          zipOf([deflated('first', text(3, 70_000)), deflated('big.so', big, { hasDescriptor: true })]),
        ],
        ['src.tar.gz', gzipBy(ZLIB_6, big)],
        [
          'x.deb',
          debOf([
            ['control.tar.gz', gzipBy(ZLIB_6, text(5, 3000))],
            ['data.tar.gz', gzipBy(ZLIB_6, text(6, 80_000))],
          ]),
        ],
        ['usr/bin/other', noise(3, 1_200_000)],
      ),
    );
    expect(features).toEqual(OPEN);
  });

  it('stay closed where no encoder makes them, beside others that one does', async () => {
    const strange = (seed: number): ZipEntry => {
      const plain = text(seed, 30_000);
      return { name: `strange-${seed}`, plain, deflate: deflateRawSync(plain, { level: 6, strategy: 2 }) };
    };
    expect(await expectRoundTrip(imageOf(['a.jar', zipOf([strange(1), strange(2)])]))).toEqual([]);
    const mixed = zipOf([
      strange(1),
      deflated('usual', text(3, 9000)),
      strange(2),
      deflated('x', text(4, 9000)),
    ]);
    expect(await expectRoundTrip(imageOf(['a.jar', mixed]))).toEqual(OPEN);
  });

  it('that are damaged, cut off, empty, encrypted or bombs come back as they were', async () => {
    const sound = jar(0);
    const injured = sound.map((byte, at) => (at % 30_011 === 500 ? byte ^ 0x55 : byte));
    const bomb = deflateBy(ZLIB_6, new Uint8Array(40_000_000));
    const encrypted = Buffer.from(sound);
    encrypted.writeUInt16LE(1, 6);
    const wrongSize = Buffer.from(sound);
    wrongSize.writeUInt32LE(wrongSize.readUInt32LE(18) + 5, 18);
    await expectRoundTrip(
      imageOf(
        ['injured.jar', injured],
        ['cut.jar', sound.subarray(0, 41_234)],
        ['bomb.zip', zipOf([{ name: 'bomb', plain: new Uint8Array(1), deflate: bomb }])],
        ['empty.zip', concatBytes([zipOf([]), new Uint8Array(20_000)])],
        ['encrypted.zip', encrypted],
        ['wrong-size.zip', wrongSize],
        ['zeros.gz', concatBytes([Uint8Array.of(0x1f, 0x8b, 8, 0xff), new Uint8Array(1_100_000)])],
        ['behind.gz', concatBytes([gzipBy(ZLIB_6, noise(4, 1_100_000)), new Uint8Array(600)])],
      ),
    );
  });

  it('come back from layers that end in the middle of one', async () => {
    const layer = layerOf(['a.jar', jar(0)]);
    for (const end of [512 + 10, 512 + 60, 30_000, layer.length - 3000]) {
      await using room = await PoolRoom.create();
      const archive = dockerArchive({ references: ['app:1.0'], layers: [layer.subarray(0, end)] });
      await room.saveBytes(archive);
      expect(Buffer.from(await room.load('app:1.0')).equals(archive)).toBe(true);
    }
  });

  it('are held open in gzip layers too', async () => {
    const plain = layerOf(['lib/a.jar', jar(0)], ['lib/b.jar', jar(1)]);
    const files = layoutOfLayers([{ plain, compressed: gzipBy(PGZIP, plain, PGZIP_HEADER) }]);
    const archive = archiveOf(files);
    expect(await expectRoundTrip(archive)).toEqual(['gzip-recipe', 'nested-deflate']);
  });

  it('cost a new release what changed in them, and stay closed where that is asked for', async () => {
    const build = (release: number): Uint8Array => {
      const entries = Array.from({ length: 40 }, (_, i) => {
        const plain = text(i, 2000 + 500 * i);
        plain.set(Buffer.from(`release ${release}`), 100 + 3 * i);
        return deflated(`org/example/Class${i}.class`, plain);
      });
      return zipOf(entries, 0x5a8f21 + release);
    };
    const added: Record<string, number> = {};
    for (const opensNested of [true, false]) {
      await using room = await PoolRoom.create();
      await room.saveBytes(imageOf(['app.jar', build(1)]), { opensNested });
      const { newBytes } = await room.saveBytes(imageOf(['app.jar', build(2)]), { opensNested });
      added[opensNested ? 'open' : 'closed'] = newBytes;
      const features = await room.with('read', async (pool) =>
        (await pool.catalog.snapshots()).records.map(({ snapshot }) => snapshot.features ?? []),
      );
      expect(features).toEqual(opensNested ? [OPEN, OPEN] : [[], []]);
    }
    expect(added.open).toBeLessThan(0.25 * added.closed!);
  });

  it('are found again in another layer and under another name, and outlive the image they came with', async () => {
    await using room = await PoolRoom.create();
    await room.saveBytes(imageOf(['app.jar', jar(0)]));
    const moved = imageOf(['else/where.jar', jar(0)], ['new', noise(9, 9000)]);
    const { newBytes } = await room.saveBytes(moved, { as: 'other:1' });
    expect(newBytes).toBeLessThan(20_000);
    await room.with('exclusive', async (pool) => {
      const context = quietContext();
      await executeRemoval(pool, await planRemoval(pool, { addresses: ['app:1.0'] }, context), context);
      await executeGc(pool, await planGc(pool, {}, context), context);
      expect((await verify(pool, { readData: true }, context)).findings).toEqual([]);
    });
    expect(Buffer.from(await room.load('other:1')).equals(moved)).toBe(true);
  });

  it('list their feature in a snapshot whose layers the pool knew', async () => {
    await using room = await PoolRoom.create();
    await room.saveBytes(imageOf(['app.jar', jar(0)]));
    const again = dockerArchive({
      references: ['app:2.0'],
      layers: [layerOf(['app.jar', jar(0)]), layerOf(['new', noise(5, 3000)])],
    });
    await room.saveBytes(again);
    const features = await room.with('read', async (pool) =>
      (await pool.catalog.snapshots()).records.map(({ snapshot }) => snapshot.features ?? []),
    );
    expect(features).toEqual([OPEN, OPEN]);
  });

  it('make the same packs with any number of threads', async () => {
    const jars = Array.from({ length: 14 }, (_, i): [string, Uint8Array] => [
      `lib/${i}.jar`,
      jar(i, [i, i + 9]),
    ]);
    const archive = imageOf(
      ...jars.flatMap((one, i): [string, Uint8Array][] => [one, [`f${i}`, noise(i, 5000 * i)]]),
    );
    const made: string[][] = [];
    for (const threads of [1, 3]) {
      await using room = await PoolRoom.create();
      const path = await room.file(archive);
      const pool = await openOrCreatePool(room.pool, { access: 'append', cacheRoot: null, threads });
      try {
        await save(pool, { kind: 'archive', path }, {}, quietContext());
      } finally {
        await pool.close();
      }
      made.push((await room.packs()).map((path) => path.slice(-64)));
    }
    expect(made[1]).toEqual(made[0]);
  });
});

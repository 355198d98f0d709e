import { spawnSync } from 'node:child_process';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createPgzipBlockEncoder } from '../../src/compress/exact/pgzip/pgzip-encoder.js';
import { quietContext } from '../../src/core/context.js';
import { DbupError } from '../../src/core/errors.js';
import { crc32 } from '../../src/hash/crc32.js';
import { executeGc } from '../../src/operations/gc.js';
import { planGc } from '../../src/operations/gc-plan.js';
import { load } from '../../src/operations/load.js';
import { executeRemoval, planRemoval } from '../../src/operations/rm.js';
import { showVersion } from '../../src/operations/show.js';
import { stats } from '../../src/operations/stats.js';
import { tagVersion } from '../../src/operations/tag.js';
import { verify } from '../../src/operations/verify.js';
import { archiveOf, type Files } from '../support/archive-layouts.js';
import { makeInput } from '../support/deflate-inputs.mjs';
import { type CompressedLayer, gzipBy, layoutOfLayers, PGZIP_HEADER } from '../support/gzip-files.js';
import { dockerArchive, layerTar, sha256Of } from '../support/images.js';
import { codeOf, inPieces, PoolRoom, treeOf } from '../support/pool-room.js';
import { concatBytes, tarEnd, tarFile } from '../support/tar-builder.js';
import { whimsicalGzip } from '../support/whimsical-gzip.js';

const PGZIP = { family: 'pgzip', level: 5, variant: '1.15.10', blockBytes: 2 ** 20 } as const;

function textLayer(seed: number, sizeBytes: number): Uint8Array {
  const half = Math.floor(sizeBytes / 2);
  return concatBytes([
    tarFile('usr/text', makeInput('text', seed, half)),
    tarFile('usr/records', makeInput('records', seed, half)),
    tarEnd(),
  ]);
}

const base = textLayer(1, 600_000);
const upper = textLayer(2, 60_000);
const other = textLayer(12, 50_000);
const byPgzip = (plain: Uint8Array): CompressedLayer => ({
  plain,
  compressed: gzipBy(PGZIP, plain, PGZIP_HEADER),
});
const byGo = (plain: Uint8Array): CompressedLayer => ({
  plain,
  compressed: gzipBy({ family: 'go', level: 6 }, plain),
});
const byNobody = (plain: Uint8Array): CompressedLayer => ({ plain, compressed: whimsicalGzip(plain) });

async function writeLayout(directory: string, files: Files): Promise<string> {
  for (const [name, bytes] of files) {
    await mkdir(dirname(join(directory, name)), { recursive: true });
    await writeFile(join(directory, name), bytes);
  }
  return directory;
}

/** Saves a layout in every way it can come, and has each come back as it was and be sound. */
async function expectRoundTrip(files: Files, layersVerbatim: number): Promise<void> {
  const archive = archiveOf(files);
  const sources = [
    async (room: PoolRoom) =>
      room.save({ kind: 'oci-directory', path: await writeLayout(room.path('in'), files) }),
    (room: PoolRoom) => room.saveBytes(archive),
    (room: PoolRoom) => room.saveStream(inPieces(archive, 7, 50_000)),
  ];
  for (const save of sources) {
    await using room = await PoolRoom.create();
    const { images } = await save(room);
    expect(images[0]!.layersVerbatim).toBe(layersVerbatim);
    expect(images[0]!.layersExact).toBe(images[0]!.layerCount);
    expect(await readdir(join(room.pool, 'tmp'))).toEqual([]);
    const reference = images[0]!.reference;
    await room.loadIntoDirectory(reference, room.path('out'));
    const tree = await treeOf(room.path('out'));
    for (const [name, bytes] of files)
      if (name.startsWith('blobs/')) expect(tree[name], name).toBe(sha256Of(bytes));
    if (save !== sources[0]) expect(Buffer.from(await room.load(reference)).equals(archive)).toBe(true);
    const found = await room.with('read', (pool) => verify(pool, { readData: true }, quietContext()));
    expect(found.findings).toEqual([]);
  }
}

describe('gzip layers', () => {
  it('are held open and come back exactly, from a directory, a file and a stream', async () => {
    await expectRoundTrip(layoutOfLayers([byPgzip(base), byGo(upper), byGo(layerTar(3, 2, 9000))]), 0);
  });

  it('of several members and with bytes behind come back exactly', async () => {
    const pieces = [upper.subarray(0, 30_000), new Uint8Array(0), upper.subarray(30_000)];
    const compressed = concatBytes([
      ...pieces.map((piece) => gzipBy({ family: 'zlib', level: 9, memLevel: 8 }, piece)),
      new Uint8Array(512),
    ]);
    await expectRoundTrip(layoutOfLayers([{ plain: upper, compressed }, byGo(new Uint8Array(1024))]), 0);
  });

  it('that no encoder makes again come back as they came', async () => {
    await expectRoundTrip(layoutOfLayers([byGo(upper), byNobody(other)]), 1);
  });

  it('that an encoder makes only at first come back as they came', async () => {
    const plain = textLayer(6, 2_500_000);
    const levels = [5, 5, 6] as const;
    const blocks = levels.map((level, i) =>
      createPgzipBlockEncoder({ level, variant: '1.15.10', blockBytes: 2 ** 20 }).encodeBlock(
        plain.subarray(i * 2 ** 20, (i + 1) * 2 ** 20),
        plain.subarray(0, i * 2 ** 20),
        i === 2,
      ),
    );
    const trailer = Buffer.alloc(8);
    trailer.writeUInt32LE(crc32(plain));
    trailer.writeUInt32LE(plain.length, 4);
    const compressed = concatBytes([PGZIP_HEADER, ...blocks, trailer]);
    await expectRoundTrip(layoutOfLayers([{ plain, compressed }]), 1);
  });

  it('share everything with the same layers saved plain, whichever came first', async () => {
    const image = { references: ['plain:1'], layers: [base, upper] };
    const layout = archiveOf(layoutOfLayers([byPgzip(base), byGo(upper)]));
    for (const order of [
      [dockerArchive(image), layout],
      [layout, dockerArchive(image)],
    ]) {
      await using room = await PoolRoom.create();
      for (const [at, archive] of order.entries()) {
        const { images } = await room.saveBytes(archive);
        // Manifest, config, recipes and the archive's own headers.
        if (at === 1) expect(images[0]!.newPlainBytes).toBeLessThan(20_000);
      }
    }
  });

  it('are loaded as plain tars without being made gzip again', async () => {
    await using room = await PoolRoom.create();
    await room.saveBytes(archiveOf(layoutOfLayers([byPgzip(base), byNobody(upper)])));
    const path = room.path('plain.tar');
    await room.with('read', async (pool) => {
      pool.workers.gzip.open = () => {
        throw new DbupError('USAGE', 'a layer is made gzip again');
      };
      const loadAs = (format: 'docker-archive' | 'oci-archive') =>
        load(pool, 'app:1.0', { kind: 'file', path, format }, {}, quietContext());
      await expect(loadAs('oci-archive')).rejects.toThrow('made gzip again');
      await loadAs('docker-archive');
    });
    const plain = await readFile(path);
    for (const layer of [base, upper]) expect(Buffer.from(plain).includes(Buffer.from(layer))).toBe(true);
  });

  it('are told apart by show and stats', async () => {
    await using room = await PoolRoom.create();
    await room.saveBytes(
      archiveOf(layoutOfLayers([byPgzip(base), byNobody(upper), { plain: upper, compressed: upper }])),
    );
    const { images } = await room.with('read', (pool) => showVersion(pool, 'app:1.0', quietContext()));
    expect(images[0]!.layers.map(({ form, encoder, reason }) => [form, encoder ?? reason])).toEqual([
      ['exact', 'pgzip-1.15.10-5-1048576'],
      ['verbatim', expect.stringContaining('no known encoder')],
      ['plain', undefined],
    ]);
    const measured = await room.with('read', (pool) => stats(pool, undefined, quietContext()));
    expect(measured.pool.layers).toMatchObject({ plain: 1, exact: 1, verbatim: 1 });
  });

  it('name the feature in their snapshots, and others do not', async () => {
    await using room = await PoolRoom.create();
    const features = async (id: string): Promise<string[]> =>
      JSON.parse(await readFile(join(room.pool, 'snapshots', id), 'utf8')).features;
    const open = await room.saveBytes(archiveOf(layoutOfLayers([byGo(upper)])));
    expect(await features(open.images[0]!.snapshotId)).toEqual(['gzip-recipe']);
    // A blob that another snapshot brought leads to the same recipe.
    const again = await room.saveBytes(archiveOf(layoutOfLayers([byGo(upper), byNobody(other)])), {
      as: 'other:1',
    });
    expect(await features(again.images[0]!.snapshotId)).toEqual(['gzip-recipe']);
    const closed = await room.saveBytes(archiveOf(layoutOfLayers([byNobody(other)])), { as: 'closed:1' });
    expect(await features(closed.images[0]!.snapshotId)).toEqual([]);
  });

  it('are kept by gc for as long as a version needs them', async () => {
    await using room = await PoolRoom.create();
    await room.saveBytes(archiveOf(layoutOfLayers([byPgzip(base), byGo(upper)])), { as: 'keep:1' });
    await room.saveBytes(archiveOf(layoutOfLayers([byPgzip(base), byGo(layerTar(9, 3, 50_000))])), {
      as: 'drop:1',
    });
    await room.with('append', (pool) => tagVersion(pool, 'keep:1', 'also:1', quietContext()));
    await room.with('append', async (pool) =>
      executeRemoval(
        pool,
        await planRemoval(pool, { addresses: ['drop:1', 'keep:1'] }, quietContext()),
        quietContext(),
      ),
    );
    await room.with('exclusive', async (pool) =>
      executeGc(
        pool,
        await planGc(pool, { maxUnusedPercent: 0, minGarbagePercent: 0 }, quietContext()),
        quietContext(),
      ),
    );
    const names = await readdir(join(room.pool, 'snapshots'));
    const [left] = await Promise.all(
      names.map((name) => readFile(join(room.pool, 'snapshots', name), 'utf8')),
    );
    expect(JSON.parse(left!)).toMatchObject({ reference: 'also:1', features: ['gzip-recipe'] });
    await room.loadIntoDirectory('also:1', room.path('out'));
    const blobs = Object.values(await treeOf(room.path('out')));
    for (const { compressed } of [byPgzip(base), byGo(upper)]) expect(blobs).toContain(sha256Of(compressed));
  });

  it('are given as plain tars by the reader that has no encoders', async () => {
    await using room = await PoolRoom.create();
    await room.saveBytes(archiveOf(layoutOfLayers([byPgzip(base), byNobody(upper)])));
    const extract = (...words: string[]) =>
      spawnSync(process.execPath, ['tools/dbup-extract.mjs', room.pool, 'app:1.0', ...words], {
        encoding: 'utf8',
      });
    const refused = extract(room.path('out.tar'));
    expect([refused.status, refused.stderr]).toEqual([5, expect.stringContaining('--plain')]);
    expect(extract('--plain', room.path('out')).stderr).toBe('');
    expect(await treeOf(room.path('out'))).toMatchObject({
      [`${sha256Of(base)}.tar`]: sha256Of(base),
      [sha256Of(byNobody(upper).compressed)]: sha256Of(byNobody(upper).compressed),
    });
  });

  it('that end too early leave nothing in the pool', async () => {
    const archive = archiveOf(layoutOfLayers([byGo(upper), byPgzip(base)]));
    await using room = await PoolRoom.create();
    for (const keptBytes of [archive.length / 2, archive.length - 30_000]) {
      const cut = archive.subarray(0, Math.floor(keptBytes));
      expect(await codeOf(room.saveBytes(cut))).toBe('INPUT_TRUNCATED');
      expect(await codeOf(room.saveStream(inPieces(cut, 3, 60_000)))).toBe('INPUT_TRUNCATED');
      expect(await room.packs()).toEqual([]);
      expect(await readdir(join(room.pool, 'tmp'))).toEqual([]);
    }
  });

  it('that do not inflate, or not to what the config says, are refused with the reason', async () => {
    await using room = await PoolRoom.create();
    const { plain, compressed } = byPgzip(base);
    const flipped = new Uint8Array(compressed);
    flipped[compressed.length >> 1]! ^= 64;
    const wrongSum = new Uint8Array(compressed);
    wrongSum[compressed.length - 6]! ^= 1;
    for (const damaged of [flipped, wrongSum, compressed.subarray(0, compressed.length - 4000)]) {
      const archive = archiveOf(layoutOfLayers([{ plain, compressed: damaged }]));
      expect(await codeOf(room.saveBytes(archive))).toMatch(/^(INPUT_INVALID|DIGEST_MISMATCH)$/);
    }
    const other = archiveOf(layoutOfLayers([{ plain: upper, compressed }]));
    expect(await codeOf(room.saveBytes(other))).toBe('DIGEST_MISMATCH');
    expect(await room.packs()).toEqual([]);
  });

  it('make the same packs of the same input', async () => {
    const archive = archiveOf(
      layoutOfLayers([byPgzip(base), byGo(upper), byNobody(upper), byGo(layerTar(3, 1, 90))]),
    );
    const contents: string[][] = [];
    for (let run = 0; run < 2; run++) {
      await using room = await PoolRoom.create();
      await room.saveBytes(archive);
      contents.push(Object.keys(await room.contents()).filter((name) => name.startsWith('packs/')));
    }
    expect(contents[0]).toEqual(contents[1]);
  });
});

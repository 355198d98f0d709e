import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import {
  archiveOf,
  classicDockerArchive,
  craneArchive,
  idOf,
  modernDockerArchive,
  ociArchive,
  ociLayout,
  podmanArchive,
  type SampleImage,
} from '../support/archive-layouts.js';
import { layerTar } from '../support/images.js';
import { ODD_TARS } from '../support/odd-tars.js';
import { inPieces, PoolRoom } from '../support/pool-room.js';
import {
  ascii,
  concatBytes,
  gnuLong,
  noise,
  paxHeader,
  randomTar,
  tarEnd,
  tarFile,
  tarPadding,
} from '../support/tar-builder.js';

const base = layerTar(1, 3, 20_000);
const EMPTY_LAYER = tarEnd();
const app: SampleImage = {
  references: ['app:1.0'],
  layers: [base, EMPTY_LAYER, layerTar(2, 2, 9000), EMPTY_LAYER],
};
const web: SampleImage = { references: ['web:2', 'web:latest'], layers: [base, layerTar(3, 2, 7000)] };
const bare: SampleImage = { references: ['bare:0'], layers: [] };

const ARCHIVES: Record<string, Uint8Array> = {
  'docker 20': classicDockerArchive([app]),
  'docker 20, links before their targets': classicDockerArchive([web, app], true),
  podman: podmanArchive(app),
  crane: craneArchive(app),
  'docker 25': modernDockerArchive([app]),
  'docker 29, gzip layers': modernDockerArchive([app], { packing: 'gzip' }),
  'docker 29, an index with absent platforms': modernDockerArchive([app], {
    packing: 'gzip',
    nested: true,
    absentPlatforms: ['arm64', 's390x'],
  }),
  skopeo: ociArchive([app], { bareTags: true }),
  'OCI with zstd layers': ociArchive([app], { packing: 'zstd' }),
  'OCI, nested, attested': ociArchive([app], { nested: true, absentPlatforms: ['arm64'] }),
  'no layers': modernDockerArchive([bare]),
};

describe('save, then load as it was saved', () => {
  for (const [name, archive] of Object.entries(ARCHIVES)) {
    it(`${name}: the same bytes from a file, a second time, and from a stream`, async () => {
      await using room = await PoolRoom.create();
      const first = await room.saveBytes(archive);
      const { reference } = first.images[0]!;
      const whole = first.images.length > 1 ? { wholeArchive: true } : {};
      expect(Buffer.from(await room.load(reference, 'saved', whole)).equals(archive)).toBe(true);

      const before = await room.contents();
      const second = await room.saveBytes(archive);
      expect(second.images.map(({ alreadySaved }) => alreadySaved)).toEqual(first.images.map(() => true));
      expect(second.newBytes).toBe(0);
      expect(await room.contents()).toEqual(before);

      await using other = await PoolRoom.create();
      if (first.images.length > 1) return;
      const streamed = await other.saveStream(inPieces(archive, 7, 3000));
      expect(streamed.images[0]!.imageId).toBe(first.images[0]!.imageId);
      expect(Buffer.from(await other.load('app:1.0')).equals(archive)).toBe(true);
    });
  }

  it('takes a stream that comes byte by byte', async () => {
    const small: SampleImage = {
      references: ['app:1.0'],
      layers: [randomTar(5, { members: 6, maxFileBytes: 900 })],
    };
    for (const archive of [
      craneArchive(small),
      ociArchive([small]),
      ociArchive([small], { packing: 'zstd' }),
    ]) {
      await using room = await PoolRoom.create();
      await room.saveStream(inPieces(archive, 1, 1));
      expect(Buffer.from(await room.load('app:1.0')).equals(archive)).toBe(true);
    }
  });

  it('gives the same layers under another archive nothing but a few new bytes', async () => {
    await using room = await PoolRoom.create();
    const large: SampleImage = { references: ['app:1.0'], layers: [layerTar(9, 4, 400_000)] };
    await room.saveBytes(classicDockerArchive([large]));
    const again = await room.saveBytes(podmanArchive(large));
    expect(again.images[0]).toMatchObject({ alreadySaved: false, imageId: idOf(large) });
    expect(again.newBytes).toBeLessThan(20_000);
    expect(Buffer.from(await room.load('app:1.0')).equals(podmanArchive(large))).toBe(true);
    expect(Buffer.from(await room.load('app:1.0~1')).equals(classicDockerArchive([large]))).toBe(true);
  });
});

describe('several images in one archive', () => {
  for (const [name, archive] of [
    ['classic', classicDockerArchive([app, web])],
    ['modern', modernDockerArchive([app, web])],
    ['modern gzip', modernDockerArchive([app, web], { packing: 'gzip' })],
    ['OCI', ociArchive([app, web])],
  ] as const) {
    it(`${name}: a snapshot for each reference, an archive of one alone, and the whole back`, async () => {
      await using room = await PoolRoom.create();
      const { images } = await room.saveBytes(archive);
      expect(images.map(({ reference }) => reference).sort()).toEqual(['app:1.0', 'web:2', 'web:latest']);
      const alone = await room.load('web:2');
      expect(alone.length).toBeLessThan(archive.length);
      await using other = await PoolRoom.create();
      const reread = await other.saveBytes(alone);
      expect(reread.images.map(({ reference, imageId }) => [reference, imageId])).toEqual([
        ['web:2', idOf(web)],
      ]);
      expect(Buffer.from(await room.load('web:2', 'saved', { wholeArchive: true })).equals(archive)).toBe(
        true,
      );
      expect(Buffer.from(await room.load('app:1.0', 'saved', { wholeArchive: true })).equals(archive)).toBe(
        true,
      );
    });
  }

  it('saves one of them when it is named', async () => {
    await using room = await PoolRoom.create();
    const path = await room.file(classicDockerArchive([app, web]));
    const { images } = await room.save({ kind: 'archive', path, reference: 'docker.io/library/web:2' });
    expect(images.map(({ reference }) => reference)).toEqual(['web:2']);
    const oci = await room.file(ociArchive([app, web]), 'set.tar');
    const byTag = await room.save({ kind: 'archive', path: oci, reference: '1.0' });
    expect(byTag.images.map(({ reference }) => reference)).toEqual(['app:1.0']);
    const bareTag = await room.file(
      ociArchive([{ ...app, references: ['x:V1'] }], { bareTags: true }),
      'bare.tar',
    );
    const named = await room.save({ kind: 'archive', path: bareTag, reference: 'V1' });
    expect(named.images.map(({ reference }) => reference)).toEqual(['bare:V1']);
  });
});

describe('odd tars', () => {
  it('every one as a layer of one image, plain and gzip', async () => {
    await using room = await PoolRoom.create();
    const layers = ODD_TARS.map(({ bytes }) => bytes).filter(({ length }) => length > 0);
    const image: SampleImage = { references: ['odd:1'], layers };
    for (const archive of [classicDockerArchive([image]), ociArchive([image]), podmanArchive(image)]) {
      await room.saveBytes(archive);
      expect(Buffer.from(await room.load('odd:1')).equals(archive)).toBe(true);
    }
    const made = await room.load('odd:1~1', 'docker-archive');
    await using other = await PoolRoom.create();
    expect((await other.saveBytes(made)).images[0]!.imageId).toBe(idOf(image));
  });

  const end = tarEnd().length;
  const sound = classicDockerArchive([app]);
  const open = sound.subarray(0, sound.length - end);
  const extra = noise(11, 3000);
  const outer: Record<string, Uint8Array> = {
    'no end marker': open,
    'one zero block': concatBytes([open, tarEnd(1)]),
    'a long end': concatBytes([open, tarEnd(40)]),
    'trailing garbage': concatBytes([sound, noise(3, 1300)]),
    'members after the end': concatBytes([sound, tarFile('late', extra), tarEnd()]),
    'a GNU long name': concatBytes([gnuLong('L', 'x/'.repeat(200)), tarFile('cut', extra), sound]),
    'PAX headers': concatBytes([paxHeader([['path', 'größe']]), tarFile('cut', extra), sound]),
    'hostile names': concatBytes([
      tarFile('../../etc/passwd', extra),
      tarFile('/etc/shadow', extra),
      tarFile(ascii('nul\0hidden'), extra),
      gnuLong('L', 'n'.repeat(4096)),
      tarFile('cut', extra),
      sound,
    ]),
    'padding of another byte': concatBytes([
      tarFile('odd', noise(2, 700), { paddingByte: 0xee }),
      tarPadding(512),
      sound,
    ]),
    'files of the same name before the ones that count': concatBytes([
      tarFile('manifest.json', ascii('[]')),
      tarFile(`${idOf(app).slice(7)}.json`, ascii('{}')),
      sound,
    ]),
  };
  it.each(Object.entries(outer))('as the archive: %s', async (_, archive) => {
    await using room = await PoolRoom.create();
    await room.saveBytes(archive);
    expect(Buffer.from(await room.load('app:1.0')).equals(archive)).toBe(true);
    // The forecast from the headers must not be fooled the second time.
    expect((await room.saveBytes(archive)).images[0]!.alreadySaved).toBe(true);
  });

  it('as the archive: odd tars in front of the members', async () => {
    await using room = await PoolRoom.create();
    const odds = ODD_TARS.filter(
      ({ name, bytes }) => bytes.length % 512 === 0 && !/truncated|beyond|not-a-tar/.test(name),
    );
    expect(odds.length).toBeGreaterThan(20);
    const small = classicDockerArchive([{ references: ['app:1.0'], layers: [EMPTY_LAYER] }]);
    for (const odd of odds) {
      const archive = concatBytes([odd.bytes, small]);
      await room.saveBytes(archive);
      expect(Buffer.from(await room.load('app:1.0')).equals(archive), odd.name).toBe(true);
    }
  });
});

describe('an image written in another format', () => {
  it('keeps its id from OCI to docker-archive and back', async () => {
    await using room = await PoolRoom.create();
    await room.saveBytes(ociArchive([app], { packing: 'zstd' }));
    await using other = await PoolRoom.create();
    const docker = await room.load('app:1.0', 'docker-archive');
    expect((await other.saveBytes(docker)).images[0]!.imageId).toBe(idOf(app));
    const oci = await other.load('app:1.0', 'oci-archive');
    await using third = await PoolRoom.create();
    expect((await third.saveBytes(oci)).images[0]!.imageId).toBe(idOf(app));
  });

  it('keeps every blob of an OCI archive, attestations too', async () => {
    await using room = await PoolRoom.create();
    const files = ociLayout([app], { nested: true, absentPlatforms: ['arm64'] });
    await room.saveBytes(archiveOf(files));
    const path = room.path('layout');
    await room.loadIntoDirectory('app:1.0', path);
    for (const [name, bytes] of files) {
      if (!name.startsWith('blobs/')) continue;
      expect(Buffer.from(await readFile(`${path}/${name}`)).equals(bytes), name).toBe(true);
    }
  });

  it('is given the name asked for', async () => {
    await using room = await PoolRoom.create();
    await room.saveBytes(podmanArchive(app), { as: 'mine:7' });
    const renamed = await room.load('mine:7', 'saved', { as: 'other:8' });
    await using other = await PoolRoom.create();
    expect((await other.saveBytes(renamed)).images.map(({ reference }) => reference)).toEqual(['other:8']);
  });
});

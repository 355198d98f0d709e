import { execFileSync } from 'node:child_process';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { quietContext } from '../../src/core/context.js';
import { type LoadOptions, type LoadResult, type LoadSink, load } from '../../src/operations/load.js';
import type { SaveResult } from '../../src/operations/save.js';
import { showVersion } from '../../src/operations/show.js';
import {
  archiveOf,
  configOf,
  craneArchive,
  type Files,
  idOf,
  modernDockerArchive,
  ociArchive,
  podmanArchive,
  type SampleImage,
} from '../support/archive-layouts.js';
import { FaultyFileSystem } from '../support/faulty-file-system.js';
import { layerTar, sha256Of } from '../support/images.js';
import { codeOf, exportingEngine, inPieces, PoolRoom, treeOf } from '../support/pool-room.js';
import { entriesIn, LayoutBuilder, named, signedLayout, writeLayout } from '../support/signed-layout.js';

const base = layerTar(1, 2, 6000);
const image: SampleImage = { references: ['app:1.0'], layers: [base, layerTar(2, 1, 2000)] };
const onArm: SampleImage = {
  ...image,
  layers: [base, layerTar(3, 1, 2000)],
  config: { architecture: 'arm64' },
};
const PLATFORMS = { 'linux/amd64': image, 'linux/arm64': onArm };

function loadTo(
  room: PoolRoom,
  address: string,
  sink: LoadSink,
  options: LoadOptions = {},
): Promise<LoadResult> {
  return room.with('read', (pool) => load(pool, address, sink, options, quietContext()));
}

const kindsOf = ({ differences }: LoadResult) => differences.map(({ kind }) => kind);

/** The members of a tar, unpacked by another program. */
async function unpacked(tar: string): Promise<string> {
  const directory = `${tar}.d`;
  await mkdir(directory);
  execFileSync('tar', ['xf', tar, '-C', directory]);
  return directory;
}

async function saveLayout(room: PoolRoom, files: Files, platforms?: string[]): Promise<SaveResult> {
  const path = await writeLayout(room.path(`in-${(await readdir(room.root)).length}`), files);
  return room.save({ kind: 'oci-directory', path }, { as: 'app:1.0', ...(platforms && { platforms }) });
}

describe('what is about an image', () => {
  const { builder, root, manifests } = signedLayout(PLATFORMS);
  const files = builder.layout();

  it.each(['directory', 'directory, by tag', 'tar'])('comes back with it, saved from a %s', async (kind) => {
    await using room = await PoolRoom.create();
    const path = await writeLayout(room.path('in'), files);
    const source =
      kind === 'tar'
        ? { kind: 'archive' as const, path: await room.file(archiveOf(files)) }
        : { kind: 'oci-directory' as const, path, ...(kind !== 'directory' && { tag: '1.0' }) };
    const { images } = await room.save(source, { as: 'app:1.0' });
    expect(images.map(({ imageId, platforms }) => ({ imageId, platforms }))).toEqual([
      { imageId: root.digest, platforms: ['linux/amd64', 'linux/arm64'] },
    ]);
    expect((await room.save(source, { as: 'app:1.0' })).images[0]!.alreadySaved).toBe(true);
    const out = room.path('out');
    const result = await loadTo(room, 'app:1.0', { kind: 'oci-directory', path: out });
    expect(kindsOf(result)).toEqual([]);
    const [entry, ...about] = await entriesIn(out);
    expect(entry!.digest).toBe(root.digest);
    expect(about).toEqual(builder.entries.slice(1));
    const tree = await treeOf(out);
    for (const [name, bytes] of builder.files) expect(tree[name], name).toBe(sha256Of(bytes));
    // Loading a second time changes nothing.
    await loadTo(room, 'app:1.0', { kind: 'oci-directory', path: out });
    expect(await entriesIn(out)).toHaveLength(builder.entries.length);
  });

  it('makes a new version when it is all that is new, and is told by show', async () => {
    await using room = await PoolRoom.create();
    const bare = new Map(files);
    bare.set(
      'index.json',
      Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: [builder.entries[0]] })),
    );
    await saveLayout(room, bare);
    const { images } = await saveLayout(room, files);
    expect(images[0]!.alreadySaved).toBe(false);
    const { companions } = await room.with('read', (pool) => showVersion(pool, 'app:1.0', quietContext()));
    expect(companions.map(({ digest }) => digest)).toEqual(
      builder.entries.slice(1).map(({ digest }) => digest),
    );
  });

  it('goes with the platform it is about, and is named where it stays behind', async () => {
    await using room = await PoolRoom.create();
    await saveLayout(room, files);
    const out = room.path('out');
    const sink = { kind: 'oci-directory', path: out } as const;
    const result = await loadTo(room, 'app:1.0', sink, { platforms: ['linux/amd64'] });
    const amd64 = manifests.get('linux/amd64')!;
    const [entry, ...about] = await entriesIn(out);
    expect(entry!.digest).toBe(amd64.digest);
    expect(about.map(({ digest }) => digest)).toEqual([
      builder.entries[2]!.digest,
      builder.entries[4]!.digest,
    ]);
    expect(kindsOf(result)).toEqual(['manifest-digest', 'platforms', 'companions']);
    const archive = await loadTo(room, 'app:1.0', {
      kind: 'file',
      path: room.path('out.tar'),
      format: 'docker-archive',
    });
    expect(kindsOf(archive)).toEqual(['manifest-digest', 'platforms', 'companions']);
  });

  it('stands for itself where the layout has nothing that it is about, or two are about each other', async () => {
    await using room = await PoolRoom.create();
    const alone = new LayoutBuilder();
    alone.entries.push(alone.cosign({ ...root, digest: `sha256:${'1'.repeat(64)}` }));
    const saved = await room.save({
      kind: 'oci-directory',
      path: await writeLayout(room.path('in'), alone.layout()),
    });
    expect(saved.images).toHaveLength(1);
  });

  it('that is in part missing is refused, and the pool is as it was', async () => {
    await using room = await PoolRoom.create();
    await saveLayout(room, new Map(ociFiles(image)));
    const before = await room.contents();
    for (const at of [1, 4]) {
      const manifest = JSON.parse(Buffer.from(files.get(pathOf(builder.entries[at]!.digest))!).toString());
      for (const digest of [builder.entries[at]!.digest, manifest.layers[0].digest]) {
        const injured = new Map(files);
        injured.delete(pathOf(digest));
        expect(await codeOf(saveLayout(room, injured)), digest).toBe('INPUT_INVALID');
        expect(await room.contents()).toEqual(before);
      }
    }
  });
});

function pathOf(digest: string): string {
  return `blobs/sha256/${digest.slice('sha256:'.length)}`;
}

function ociFiles(one: SampleImage): Files {
  const builder = new LayoutBuilder();
  builder.entries.push(named(builder.image(one), '1.0'));
  return builder.layout();
}

describe('platforms', () => {
  const { builder, root, manifests } = signedLayout(PLATFORMS);
  const files = builder.layout();

  it('that are not wanted are not stored, from a directory, a tar and a stream, and show names them', async () => {
    await using room = await PoolRoom.create();
    const tar = archiveOf(files);
    await saveLayout(room, files, ['linux/arm64']);
    for (const save of [
      () => room.saveBytes(tar, { as: 'app:2.0', platforms: ['linux/arm64'] }),
      () => room.saveStream(inPieces(tar, 5, 70_000), { as: 'app:3.0', platforms: ['linux/arm64'] }),
    ]) {
      const { images, stored } = await save();
      expect(images[0]).toMatchObject({ platforms: ['linux/arm64'], imageId: idOf(onArm) });
      // All of it was known.
      expect(stored.blocks.dataBytes).toBe(0);
    }
    const amd64 = manifests.get('linux/amd64')!.digest;
    for (const address of ['app:1.0', 'app:2.0', 'app:3.0']) {
      const shown = await room.with('read', (pool) => showVersion(pool, address, quietContext()));
      expect(shown).toMatchObject({
        absent: [amd64],
        absentPlatforms: ['linux/amd64'],
        root: { digest: root.digest },
      });
      const out = room.path(address.replace(':', '-'));
      const result = await loadTo(room, address, { kind: 'oci-directory', path: out });
      expect(kindsOf(result)).toEqual(['absent']);
      expect((await entriesIn(out))[0]!.digest).toBe(root.digest);
      expect(await readdir(join(out, 'blobs/sha256'))).not.toContain(amd64.slice('sha256:'.length));
    }
    expect(await readdir(join(room.pool, 'tmp'))).toEqual([]);
  });

  it('that are wanted and not there are refused, with those there are', async () => {
    await using room = await PoolRoom.create();
    const tars = { layout: archiveOf(files), docker: podmanArchive(image) };
    for (const [kind, tar] of Object.entries(tars)) {
      for (const platforms of [['linux/s390x'], ['linux/amd64', 'linux/s390x']]) {
        const saving = room.saveBytes(tar, { platforms });
        await expect(saving, kind).rejects.toMatchObject({ code: 'INPUT_NOT_FOUND' });
      }
    }
    await saveLayout(room, files);
    const sink = { kind: 'oci-directory', path: room.path('none') } as const;
    expect(await codeOf(loadTo(room, 'app:1.0', sink, { platforms: ['linux/s390x'] }))).toBe(
      'SNAPSHOT_NOT_FOUND',
    );
    const file = { kind: 'file', path: room.path('none.tar'), format: 'docker-archive' } as const;
    const both = { platforms: ['linux/amd64', 'linux/arm64'] };
    expect(await codeOf(loadTo(room, 'app:1.0', file, both))).toBe('USAGE');
  });

  it('of a stream that is no tar are not looked for: it is refused by its first block, of whatever size it is', async () => {
    await using room = await PoolRoom.create();
    await room.with('append', async () => {});
    const text = new Uint8Array(Buffer.from('no tar at all. '.repeat(100)));
    const gzip = gzipSync(text);
    for (const [bytes, message] of [
      [text, 'is not a tar archive'],
      [new Uint8Array(1000), 'is not a tar archive'],
      [gzip, 'is compressed with gzip'],
    ] as const) {
      let pieces = 0;
      const endless = async function* (): AsyncGenerator<Uint8Array> {
        for (; pieces < 1_000_000; pieces++) yield bytes.subarray(0, 40);
      };
      // Nothing is written, not even for a while.
      const counting = new FaultyFileSystem({ failAt: 0, errno: 'ENOSPC' });
      const client = exportingEngine(endless());
      const source = { kind: 'engine', client, image: 'app:1.0' } as const;
      const saving = room.save(source, { platforms: ['linux/arm64'] }, counting.fs);
      await expect(saving).rejects.toMatchObject({
        code: 'INPUT_NOT_AN_IMAGE',
        message: expect.stringContaining(message),
      });
      expect(pieces).toBeLessThan(20);
      expect(counting.calls).toBe(0);
    }
    const short = room.saveStream(inPieces(text.subarray(0, 300), 1, 100), { platforms: ['linux/arm64'] });
    expect(await codeOf(short)).toBe('INPUT_NOT_AN_IMAGE');
  });

  it('all chosen, or of an archive with no others, leave the archive as it is', async () => {
    await using room = await PoolRoom.create();
    const tar = ociArchive([image], { packing: 'plain' });
    await room.saveBytes(tar, { as: 'one:1', platforms: ['linux/amd64'] });
    expect(sha256Of(await room.load('one:1'))).toBe(sha256Of(tar));
    const both = archiveOf(files);
    await room.saveBytes(both, { as: 'two:1', platforms: ['linux/arm64', 'linux/amd64'] });
    expect(sha256Of(await room.load('two:1'))).toBe(sha256Of(both));
  });

  it('a docker-archive has one, by its own digest or by the layout of it', async () => {
    await using room = await PoolRoom.create();
    await saveLayout(room, files);
    for (const [platform, one] of Object.entries(PLATFORMS)) {
      const path = room.path(`${platform.replace('/', '-')}.tar`);
      const sink = { kind: 'file', path, format: 'docker-archive' } as const;
      const result = await loadTo(room, 'app:1.0', sink, { platforms: [platform] });
      expect(result).toMatchObject({ imageId: idOf(one), platforms: [platform] });
      const directory = await unpacked(path);
      const [entry] = JSON.parse(await readFile(join(directory, 'manifest.json'), 'utf8'));
      expect(sha256Of(await readFile(join(directory, entry.Config)))).toBe(idOf(one).slice(7));
      const layers = entry.Layers.map(async (name: string) =>
        sha256Of(await readFile(join(directory, name))),
      );
      expect(await Promise.all(layers)).toEqual(one.layers.map(sha256Of));
    }
  });
});

describe('a docker archive with a layout in it', () => {
  it.each(['plain', 'zstd'] as const)(
    'keeps index, attestation, absent platforms and manifest with %s layers',
    async (packing) => {
      await using room = await PoolRoom.create();
      const options = { packing, nested: true, absentPlatforms: ['riscv64'] };
      const tar = modernDockerArchive([{ ...image, references: ['app:1.0', 'app:latest'] }], options);
      const { images } = await room.saveBytes(tar);
      expect(images.map(({ reference }) => reference)).toEqual(['app:1.0', 'app:latest']);
      expect(new Set(images.map(({ imageId }) => imageId))).toEqual(new Set([idOf(image)]));
      expect(sha256Of(await room.load('app:latest'))).toBe(sha256Of(tar));
      const shown = await room.with('read', (pool) => showVersion(pool, 'app:1.0', quietContext()));
      expect(shown.absentPlatforms).toEqual(['linux/riscv64']);
      const out = room.path('out');
      await room.loadIntoDirectory('app:1.0', out);
      const source = await unpacked(await room.file(tar, 'source.tar'));
      expect((await entriesIn(out))[0]!.digest).toBe((await entriesIn(source))[0]!.digest);
      const [tree, original] = [await treeOf(out), await treeOf(source)];
      for (const [name, hash] of Object.entries(original))
        if (name.startsWith('blobs/')) expect(tree[name]).toBe(hash);
    },
  );

  it('whose manifest.json lists what the layout has not is read by manifest.json', async () => {
    await using room = await PoolRoom.create();
    const directory = await unpacked(await room.file(modernDockerArchive([image]), 'a.tar'));
    const other = configOf(onArm);
    const manifest = JSON.parse(await readFile(join(directory, 'manifest.json'), 'utf8'));
    const layers = await Promise.all(
      onArm.layers.map(async (layer) => [`${sha256Of(layer)}.tar`, layer] as const),
    );
    manifest.push({
      Config: `${sha256Of(other)}.json`,
      RepoTags: ['arm:1'],
      Layers: layers.map(([name]) => name),
    });
    for (const [name, bytes] of [...layers, [`${sha256Of(other)}.json`, other] as const])
      await writeFile(join(directory, name), bytes);
    await writeFile(join(directory, 'manifest.json'), JSON.stringify(manifest));
    execFileSync('tar', ['cf', room.path('b.tar'), '-C', directory, '.']);
    const { images } = await room.save({ kind: 'archive', path: room.path('b.tar') });
    expect(images.map(({ reference, imageId }) => [reference, imageId])).toEqual([
      ['app:1.0', idOf(image)],
      ['arm:1', idOf(onArm)],
    ]);
  });
});

describe('conversion', () => {
  const SOURCES: [string, Uint8Array][] = [
    ['docker-archive', podmanArchive(image)],
    ['gzip layers in a docker-archive', craneArchive(image)],
    ['zstd layers', modernDockerArchive([image], { packing: 'zstd' })],
    ['oci-archive', ociArchive([image], { packing: 'plain' })],
  ];

  it.each(SOURCES)(
    'from %s keeps image id and diffIDs in every form, and says what it cannot keep',
    async (kind, tar) => {
      await using room = await PoolRoom.create();
      await room.saveBytes(tar, { as: 'app:1.0' });
      const hasManifest = kind.startsWith('oci') || kind.startsWith('zstd');
      for (const format of ['docker-archive', 'oci-archive'] as const) {
        const path = room.path(`${format}.tar`);
        const result = await loadTo(room, 'app:1.0', { kind: 'file', path, format });
        const told = kindsOf(result).includes('manifest-digest');
        expect(told, format).toBe(hasManifest === (format === 'docker-archive'));
        // The way back: both readings of an archive that has both come to the same image.
        const { images } = await room.save({ kind: 'archive', path }, { as: `${format}:1` });
        expect(images[0]!.imageId).toBe(idOf(image));
        const shown = await room.with('read', (pool) => showVersion(pool, `${format}:1`, quietContext()));
        expect(shown.images[0]!.layers.map(({ diffId }) => diffId.slice(7))).toEqual(
          image.layers.map(sha256Of),
        );
        if (format !== 'oci-archive') continue;
        const members = await unpacked(path);
        const [entry] = JSON.parse(await readFile(join(members, 'manifest.json'), 'utf8'));
        expect(entry).toMatchObject({ Config: pathOf(idOf(image)), RepoTags: ['app:1.0'] });
        const manifest = JSON.parse(await readFile(join(members, pathOf(shown.root!.digest)), 'utf8'));
        expect(manifest.layers.map(({ digest }: { digest: string }) => pathOf(digest))).toEqual(entry.Layers);
        if (kind.startsWith('zstd')) expect(manifest.layers[0].mediaType).toMatch(/zstd$/);
      }
    },
  );

  it('of an image without a name gives it none', async () => {
    await using room = await PoolRoom.create();
    const { images } = await room.saveBytes(podmanArchive({ ...image, references: [] }));
    const out = room.path('out');
    await room.loadIntoDirectory(images[0]!.reference, out);
    expect((await entriesIn(out))[0]!.annotations).toBeUndefined();
    await room.loadIntoDirectory(images[0]!.reference, room.path('named'), 'v1');
    expect((await entriesIn(room.path('named')))[0]!.annotations).toEqual({
      'org.opencontainers.image.ref.name': 'v1',
    });
  });
});

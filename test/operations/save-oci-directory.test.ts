import { execFileSync } from 'node:child_process';
import { mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Files, idOf, ociLayout, type SampleImage } from '../support/archive-layouts.js';
import { layerTar, sha256Of } from '../support/images.js';
import { codeOf, PoolRoom, treeOf } from '../support/pool-room.js';
import { ascii } from '../support/tar-builder.js';

const base = layerTar(1, 2, 8000);
const app: SampleImage = { references: ['app:1.0'], layers: [base, layerTar(2, 1, 3000)] };
const web: SampleImage = { references: ['web:1.0'], layers: [base, layerTar(3, 1, 3000)] };

async function writeLayout(directory: string, files: Files): Promise<string> {
  for (const [name, bytes] of files) {
    await mkdir(dirname(join(directory, name)), { recursive: true });
    await writeFile(join(directory, name), bytes);
  }
  return directory;
}

/** A layout of one manifest whose config is no image's, as ORAS and Helm write it. */
function artifact(): Files {
  const files: Files = new Map();
  const put = (mediaType: string, bytes: Uint8Array) => {
    files.set(`blobs/sha256/${sha256Of(bytes)}`, bytes);
    return { mediaType, digest: `sha256:${sha256Of(bytes)}`, size: bytes.length };
  };
  const document = {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: put('application/vnd.cncf.helm.config.v1+json', ascii('{"name":"chart"}')),
    layers: [put('application/vnd.cncf.helm.chart.content.v1.tar+gzip', ascii('not really gzip'))],
  };
  const manifest = put(document.mediaType, ascii(JSON.stringify(document)));
  const named = { ...manifest, annotations: { 'org.opencontainers.image.ref.name': 'chart:1' } };
  files.set('oci-layout', ascii('{"imageLayoutVersion":"1.0.0"}'));
  files.set('index.json', ascii(JSON.stringify({ schemaVersion: 2, manifests: [named] })));
  return files;
}

const SOURCES: [string, Files][] = [
  ['gzip', ociLayout([app])],
  ['plain', ociLayout([app], { packing: 'plain' })],
  ['zstd', ociLayout([app], { packing: 'zstd' })],
  [
    'nested, with absent platforms',
    ociLayout([app], { nested: true, absentPlatforms: ['arm64', 'riscv64'] }),
  ],
  ['an artifact', artifact()],
];

describe('an OCI directory', () => {
  it.each(SOURCES)('%s: every blob comes back, the second time too', async (_, files) => {
    await using room = await PoolRoom.create();
    const path = await writeLayout(room.path('in'), files);
    const first = await room.save({ kind: 'oci-directory', path });
    const before = await room.contents();
    const second = await room.save({ kind: 'oci-directory', path });
    expect(second.images.map(({ alreadySaved }) => alreadySaved)).toEqual([true]);
    expect(await room.contents()).toEqual(before);
    await room.loadIntoDirectory(first.images[0]!.reference, room.path('out'));
    const tree = await treeOf(room.path('out'));
    for (const [name, bytes] of files)
      if (name.startsWith('blobs/')) expect(tree[name]).toBe(sha256Of(bytes));
  });

  it('names what platforms are absent, also when one shares layers with one that is there', async () => {
    await using room = await PoolRoom.create();
    const whole = ociLayout([app], { nested: true });
    const indexName = [...whole.keys()].find(
      (name) => Buffer.from(whole.get(name)!).includes('"manifests"') && name !== 'index.json',
    )!;
    const index = JSON.parse(Buffer.from(whole.get(indexName)!).toString());
    const other = ociLayout([{ ...app, config: { architecture: 'arm64' } }]);
    const otherRoot = JSON.parse(Buffer.from(other.get('index.json')!).toString()).manifests[0];
    const otherConfig = idOf({ ...app, config: { architecture: 'arm64' } });
    delete otherRoot.annotations;
    index.manifests.push({ ...otherRoot, platform: { os: 'linux', architecture: 'arm64' } });
    const bytes = ascii(JSON.stringify(index));
    const files: Files = new Map([...other, ...whole]);
    files.delete(indexName);
    files.delete(`blobs/sha256/${otherConfig.slice(7)}`);
    files.set(`blobs/sha256/${sha256Of(bytes)}`, bytes);
    const top = JSON.parse(Buffer.from(whole.get('index.json')!).toString());
    Object.assign(top.manifests[0], { digest: `sha256:${sha256Of(bytes)}`, size: bytes.length });
    files.set('index.json', ascii(JSON.stringify(top)));
    const path = await writeLayout(room.path('in'), files);
    const { images } = await room.save({ kind: 'oci-directory', path });
    expect(images[0]!.absent).toEqual([otherConfig]);
    expect(images[0]!.imageId).toBe(idOf(app));
  });

  it('chooses an image by tag, by whole name, and by what dbup itself wrote', async () => {
    await using room = await PoolRoom.create();
    await room.save({ kind: 'oci-directory', path: await writeLayout(room.path('in'), ociLayout([app])) });
    const out = room.path('out');
    await room.loadIntoDirectory('app:1.0', out, '7');
    for (const tag of ['7', 'app:7', 'docker.io/library/app:7']) {
      const { images } = await room.save({ kind: 'oci-directory', path: out, tag });
      expect(images.map(({ reference }) => reference)).toEqual(['app:7']);
    }
    expect(await codeOf(room.save({ kind: 'oci-directory', path: out, tag: '8' }))).toBe('INPUT_NOT_FOUND');
    const { images } = await room.save({ kind: 'oci-directory', path: out }, { as: 'Quay.io/team/app:x' });
    expect(images[0]!.imageId).toBe(idOf(app));
  });

  it('written to keeps the other images, and every field of their entries', async () => {
    await using room = await PoolRoom.create();
    for (const image of [app, web]) {
      await room.save({
        kind: 'oci-directory',
        path: await writeLayout(room.path(image.references[0]!), ociLayout([image])),
      });
    }
    const out = room.path('out');
    await writeLayout(out, artifact());
    const index = JSON.parse(await readFile(join(out, 'index.json'), 'utf8'));
    index.annotations = { 'com.example': 'kept' };
    index.manifests[0].urls = ['https://example.com/chart'];
    await writeFile(join(out, 'index.json'), JSON.stringify(index));
    await room.loadIntoDirectory('app:1.0', out);
    await room.loadIntoDirectory('web:1.0', out);
    await room.loadIntoDirectory('app:1.0', out);
    const written = JSON.parse(await readFile(join(out, 'index.json'), 'utf8'));
    expect(written.annotations).toEqual({ 'com.example': 'kept' });
    expect(written.manifests[0]).toEqual(index.manifests[0]);
    const names = written.manifests.map(
      (entry: { annotations: Record<string, string> }) => entry.annotations['io.containerd.image.name'],
    );
    expect(names).toEqual([undefined, 'docker.io/library/web:1.0', 'docker.io/library/app:1.0']);
  });

  it('written to mends a blob that is not what its name says', async () => {
    await using room = await PoolRoom.create();
    await room.save({ kind: 'oci-directory', path: await writeLayout(room.path('in'), ociLayout([app])) });
    const out = room.path('out');
    await room.loadIntoDirectory('app:1.0', out);
    const before = await treeOf(out);
    for (const name of Object.keys(before).filter((path) => path.startsWith('blobs/'))) {
      const bytes = await readFile(join(out, name));
      bytes[0]! ^= 1;
      await writeFile(join(out, name), bytes);
    }
    await room.loadIntoDirectory('app:1.0', out);
    expect(await treeOf(out)).toEqual(before);
  });
});

describe('a bad OCI directory', () => {
  it('is refused with its reason, and the pool is as it was', async () => {
    await using room = await PoolRoom.create();
    await room.save({ kind: 'oci-directory', path: await writeLayout(room.path('web'), ociLayout([web])) });
    const before = await room.contents();
    const layerName = [...ociLayout([app])].find(([, bytes]) => bytes[0] === 0x1f)![0];
    const injuries: [string, string, (path: string) => Promise<unknown>][] = [
      ['no oci-layout', 'INPUT_NOT_AN_IMAGE', (path) => rm(join(path, 'oci-layout'))],
      ['no index', 'INPUT_NOT_AN_IMAGE', (path) => rm(join(path, 'index.json'))],
      ['a layer gone', 'INPUT_INVALID', (path) => rm(join(path, layerName))],
      ['a config gone', 'INPUT_INVALID', (path) => rm(join(path, `blobs/sha256/${idOf(app).slice(7)}`))],
      [
        'a layer cut',
        'INPUT_INVALID',
        async (path) =>
          writeFile(join(path, layerName), (await readFile(join(path, layerName))).subarray(0, 99)),
      ],
      ['a layer grown', 'INPUT_INVALID', (path) => writeFile(join(path, layerName), 'x', { flag: 'a' })],
      [
        'a layer changed',
        'DIGEST_MISMATCH',
        async (path) => {
          const bytes = await readFile(join(path, layerName));
          bytes[50]! ^= 1;
          await writeFile(join(path, layerName), bytes);
        },
      ],
      [
        'a config changed',
        'DIGEST_MISMATCH',
        (path) => writeFile(join(path, `blobs/sha256/${idOf(app).slice(7)}`), '{}'),
      ],
      [
        'a later layout version',
        'INPUT_INVALID',
        (path) => writeFile(join(path, 'oci-layout'), '{"imageLayoutVersion":"9.0.0"}'),
      ],
      [
        'an index that never ends',
        'INPUT_INVALID',
        async (path) => {
          await rm(join(path, 'index.json'));
          await symlink('/dev/zero', join(path, 'index.json'));
        },
      ],
      [
        'a pipe for a layer',
        'INPUT_INVALID',
        async (path) => {
          await rm(join(path, layerName));
          execFileSync('mkfifo', [join(path, layerName)]);
        },
      ],
      [
        'an index of 9 MiB',
        'INPUT_TOO_LARGE',
        (path) => writeFile(join(path, 'index.json'), Buffer.alloc(9 << 20, 0x20)),
      ],
    ];
    for (const [name, code, injure] of injuries) {
      const path = await writeLayout(room.path(`bad ${name}`), ociLayout([app]));
      await injure(path);
      expect(await codeOf(room.save({ kind: 'oci-directory', path })), name).toBe(code);
      expect(await room.contents(), name).toEqual(before);
    }
  });
});

import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { dockerArchive, layerTar, sha256Of } from '../support/images.js';
import { treeOf } from '../support/pool-room.js';
import { roomHere } from '../support/run-command.js';
import type { CliRoom } from '../support/run-dbup.js';
import { ascii, concatBytes, tarEnd, tarFile, tarLink } from '../support/tar-builder.js';

/** A title, a colour, a C1 control sequence, DEL, a turn of direction, a line that pretends to be dbup's. */
const STEERING = '\u001b]0;owned\u0007\u001b[31m\u009b31m\u007f\u202e\r\nerror: ok';
const STEERS = /[^\P{Cc}\n]|\p{Cf}/u;
const UP = '../../../../../../../../tmp/dbup-escaped';
const LAYER = layerTar(3, 1, 1500);
const config = (): Uint8Array =>
  ascii(
    JSON.stringify({
      architecture: STEERING,
      os: 'linux',
      config: { Env: [STEERING], Labels: { [STEERING]: STEERING }, Cmd: [STEERING] },
      rootfs: { type: 'layers', diff_ids: [`sha256:${sha256Of(LAYER)}`] },
    }),
  );

/** Every way a docker-archive can name things. */
const ARCHIVES: Readonly<Record<string, () => Uint8Array>> = {
  'a tag': () => dockerArchive({ references: [STEERING], layers: [LAYER] }),
  'a tag that climbs': () => dockerArchive({ references: [`${UP}:1`], layers: [LAYER] }),
  'a config': () =>
    archiveOf([{ Config: STEERING, RepoTags: ['app:1'], Layers: [] }], [[STEERING, config()]]),
  'a config that climbs': () =>
    archiveOf([{ Config: UP, RepoTags: ['app:1'], Layers: [] }], [[UP, config()]]),
  'a layer': () => archiveOf([{ Config: 'c', RepoTags: ['app:1'], Layers: [STEERING] }], [['c', config()]]),
  'a layer that climbs': () =>
    archiveOf(
      [{ Config: 'c', RepoTags: ['app:1'], Layers: [UP] }],
      [
        ['c', config()],
        [UP, LAYER],
      ],
    ),
  'a link that climbs': () =>
    concatBytes([
      archiveOf([{ Config: 'c', RepoTags: ['app:1'], Layers: ['l'] }], [['c', config()]], false),
      tarLink('l', '../../../etc/passwd', '2'),
      tarEnd(),
    ]),
  'no manifest': () => concatBytes([tarFile(STEERING, ascii('x')), tarEnd()]),
};

function archiveOf(manifest: unknown, files: [string, Uint8Array][], ends = true): Uint8Array {
  return concatBytes([
    ...files.map(([name, bytes]) => tarFile(ascii(name), bytes)),
    tarFile('manifest.json', ascii(JSON.stringify(manifest))),
    ...(ends ? [tarEnd()] : []),
  ]);
}

/** An image whose own words are odd, under an honest name. */
const odd = (): Uint8Array =>
  archiveOf(
    [{ Config: 'c', RepoTags: ['app:1'], Layers: ['l'] }],
    [
      ['c', config()],
      ['l', LAYER],
      [UP, ascii('x')],
    ],
  );

/** A layout of that image; what its index says of it is laid over. */
async function layout(directory: string, entry: object): Promise<void> {
  await mkdir(`${directory}/blobs/sha256`, { recursive: true });
  const put = async (bytes: Uint8Array, mediaType: string): Promise<object> => {
    await writeFile(`${directory}/blobs/sha256/${sha256Of(bytes)}`, bytes);
    return { mediaType, digest: `sha256:${sha256Of(bytes)}`, size: bytes.length };
  };
  const image = 'application/vnd.oci.image';
  const parts = {
    config: await put(config(), `${image}.config.v1+json`),
    layers: [await put(LAYER, `${image}.layer.v1.tar`)],
  };
  const manifest = await put(
    ascii(JSON.stringify({ schemaVersion: 2, ...parts })),
    `${image}.manifest.v1+json`,
  );
  await writeFile(`${directory}/oci-layout`, '{"imageLayoutVersion":"1.0.0"}');
  await writeFile(
    `${directory}/index.json`,
    JSON.stringify({ schemaVersion: 2, manifests: [{ ...manifest, ...entry }] }),
  );
}

async function expectTame(room: CliRoom, words: readonly string[]): Promise<number | null> {
  const runs = await Promise.all([
    room.run(words, { DBUP_DEBUG: '1' }),
    room.run(['--json', '--progress', 'json', ...words]),
  ]);
  for (const { stdout, stderr } of runs) {
    expect(`${stdout}${stderr}`, words.join(' ')).not.toMatch(STEERS);
    expect(stderr).not.toMatch(/^error: ok/m);
  }
  return runs[0].exitCode;
}

describe('names that an image brings', () => {
  it.each(Object.entries(ARCHIVES))(
    '%s: refused, told tamely, nothing written elsewhere',
    async (_, make) => {
      await using room = await roomHere();
      const input = await room.file('in.tar', make());
      expect(await expectTame(room, ['save', '-i', input])).toBe(1);
      expect(await readdir(room.path('pool/snapshots'))).toEqual([]);
      expect((await readdir('/tmp')).includes('dbup-escaped')).toBe(false);
    },
  );

  it('do not steer a terminal, nor become paths, when the image is sound all the same', async () => {
    await using room = await roomHere();
    const input = await room.file('in.tar', odd());
    for (const words of [
      ['save', '-i', input],
      ['show', 'app:1'],
      ['load', 'app:1', '-o', room.path('out.tar')],
      ['load', 'app:1', '-o', `oci:${room.path('layout')}`],
    ])
      expect(await expectTame(room, words), words.join(' ')).toBe(0);
    const names = Object.keys(await treeOf(room.path('layout')));
    expect(
      names.filter((name) => !/^(blobs\/sha256\/[0-9a-f]{64}|index\.json|oci-layout)$/.test(name)),
    ).toEqual([]);
    expect((await readdir('/tmp')).includes('dbup-escaped')).toBe(false);
  });

  it.each<[string, object, number]>([
    [
      'annotations',
      { annotations: { 'org.opencontainers.image.ref.name': STEERING, [STEERING]: STEERING } },
      0,
    ],
    ['a name that climbs', { annotations: { 'org.opencontainers.image.ref.name': UP } }, 0],
    ['a digest that climbs', { digest: `sha256:${UP}` }, 1],
    ['a digest of steering', { digest: STEERING }, 1],
    ['a media type', { mediaType: STEERING }, 0],
    ['a platform', { platform: { os: STEERING, architecture: UP } }, 0],
  ])('%s of an OCI layout neither steer nor climb', async (_, entry, exit) => {
    await using room = await roomHere();
    await layout(room.path('in'), entry);
    expect(await expectTame(room, ['save', `oci:${room.path('in')}`, '--as', 'b:1'])).toBe(exit);
    if (exit !== 0) return;
    expect(await expectTame(room, ['show', 'b:1'])).toBe(0);
    expect(await expectTame(room, ['load', 'b:1', '-o', `oci:${room.path('layout')}`])).toBe(0);
    const names = Object.keys(await treeOf(room.path('layout')));
    expect(
      names.filter((name) => !/^(blobs\/sha256\/[0-9a-f]{64}|index\.json|oci-layout)$/.test(name)),
    ).toEqual([]);
  });
});

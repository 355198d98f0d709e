import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  buildDockerManifest,
  dockerArchiveNames,
  explainMissingManifest,
  type MemberInfo,
  memberKey,
  parseDockerManifest,
  resolveMember,
} from '../../src/archive/docker-manifest.js';
import { LIMITS } from '../../src/core/limits.js';
import { mutated, onlyDbupErrors, SEED } from '../oci/only-dbup-errors.js';
import { bytesOf, CONFIG_HEX, DIFF_IDS, DOCKER_ARCHIVE_JSON, LAYER_DIGESTS } from '../oci/samples.js';

const HEXES = DIFF_IDS.map((diffId) => diffId.slice('sha256:'.length));
const WHERE = 'a.tar: manifest.json';

function parseEntries(...entries: unknown[]) {
  return parseDockerManifest(bytesOf(JSON.stringify(entries)), WHERE);
}

function invalid(message: RegExp, code = 'INPUT_INVALID') {
  return expect.objectContaining({
    code,
    message: expect.stringMatching(message),
    hint: expect.stringMatching(/\w/),
  });
}

describe('parseDockerManifest', () => {
  it('reads what podman wrote', () => {
    expect(parseDockerManifest(bytesOf(DOCKER_ARCHIVE_JSON), WHERE)).toEqual([
      {
        configName: '62597bfee7330a8f9f198881532bd76a3fd0df633223ea2f45e3eb2942d53919.json',
        repoTags: ['localhost/app:1.0'],
        layerNames: [`${HEXES[0]}.tar`],
      },
      {
        configName: `${CONFIG_HEX}.json`,
        repoTags: ['localhost/app:2.0'],
        layerNames: [`${HEXES[0]}.tar`, `${HEXES[1]}.tar`],
      },
    ]);
  });

  it('reads the form docker writes since 25, with the sources of layers', () => {
    const source = { mediaType: 'application/vnd.oci.image.layer.v1.tar', size: 2048, digest: DIFF_IDS[0] };
    const [entry] = parseEntries({
      Config: `blobs/sha256/${CONFIG_HEX}`,
      RepoTags: null,
      Layers: [`blobs/sha256/${HEXES[0]}`],
      LayerSources: { [DIFF_IDS[0]]: source },
    });
    expect(entry).toMatchObject({ configName: `blobs/sha256/${CONFIG_HEX}`, repoTags: [] });
    expect([...(entry?.layerSources ?? [])]).toEqual([
      [DIFF_IDS[0], { mediaType: source.mediaType, digest: DIFF_IDS[0], sizeBytes: 2048 }],
    ]);
  });

  it('normalises references and names, and keeps repeated layers', () => {
    const [entry] = parseEntries({
      Config: './sha256:c.json',
      RepoTags: ['docker.io/library/app:1', 'app:1', 'quay.io/a/b:2'],
      Layers: ['x//layer.tar', './x/layer.tar'],
    });
    expect(entry).toEqual({
      configName: 'sha256:c.json',
      repoTags: ['app:1', 'quay.io/a/b:2'],
      layerNames: ['x/layer.tar', 'x/layer.tar'],
    });
  });

  it.each([
    '../c.json',
    'a/../../c',
    'a/..',
    '/etc/passwd',
    '',
    '.',
    'a\0b',
    'n'.repeat(LIMITS.tarNameBytes + 1),
  ])('refuses the member name %.20j', (name) => {
    const code = name.length > 100 ? 'INPUT_TOO_LARGE' : 'INPUT_INVALID';
    expect(() => parseEntries({ Config: name, Layers: [] })).toThrow(invalid(/\[0\]\.Config/, code));
    expect(() => parseEntries({ Config: 'c', Layers: ['l', name] })).toThrow(
      invalid(/\[0\]\.Layers\[1\]/, code),
    );
  });

  it('refuses a reference docker would refuse, naming it', () => {
    expect(() => parseEntries({ Config: 'c', RepoTags: ['App:1'], Layers: [] })).toThrow(
      invalid(/^a\.tar: manifest\.json: \[0\]\.RepoTags\[0\] is wrong: .*"App:1"/),
    );
  });

  it('refuses one reference for two images, in any spelling, but not for one image', () => {
    const image = (config: string, tag: string) => ({ Config: config, RepoTags: [tag], Layers: [] });
    expect(() =>
      parseEntries(image('a.json', 'app'), image('b.json', 'docker.io/library/app:latest')),
    ).toThrow(invalid(/\[1\]\.RepoTags gives "app:latest" to a second image/));
    expect(parseEntries(image('a.json', 'app'), image('./a.json', 'app:latest'))).toHaveLength(2);
  });

  it.each<[string, string, RegExp, string]>([
    ['no entry', '[]', /lists no image/, 'INPUT_NOT_AN_IMAGE'],
    ['null', 'null', /lists no image/, 'INPUT_NOT_AN_IMAGE'],
    ['an object', '{}', /is not an array/, 'INPUT_INVALID'],
    ['no Config', '[{"Layers":[]}]', /\[0\]\.Config is missing/, 'INPUT_INVALID'],
    ['a Layers that is text', '[{"Config":"c","Layers":"l"}]', /\[0\]\.Layers/, 'INPUT_INVALID'],
    ['a bad diffID', '[{"Config":"c","LayerSources":{"x":{}}}]', /LayerSources/, 'INPUT_INVALID'],
    ['too many images', `[${'{},'.repeat(LIMITS.archiveImages)}{}]`, /1001 items/, 'INPUT_TOO_LARGE'],
    [
      'too many layers',
      `[{"Config":"c","Layers":[${'"l",'.repeat(LIMITS.imageLayers)}"l"]}]`,
      /1001 items/,
      'INPUT_TOO_LARGE',
    ],
  ])('refuses %s', (_, json, message, code) => {
    expect(() => parseDockerManifest(bytesOf(json), WHERE)).toThrow(invalid(message, code));
  });

  it('throws nothing but its errors', () => {
    let refused = 0;
    fc.assert(
      fc.property(fc.oneof(mutated(DOCKER_ARCHIVE_JSON), fc.json().map(bytesOf)), (bytes) => {
        const codes = ['INPUT_INVALID', 'INPUT_TOO_LARGE', 'INPUT_NOT_AN_IMAGE'];
        if (!onlyDbupErrors(() => parseDockerManifest(bytes, WHERE), codes)) refused++;
      }),
      { seed: SEED, numRuns: 600 },
    );
    expect(refused).toBeGreaterThan(0);
  });
});

describe('resolveMember', () => {
  const file: MemberInfo = { kind: 'file' };
  const symlink = (linkName: string): MemberInfo => ({ kind: 'symlink', linkName });
  const hardlink = (linkName: string): MemberInfo => ({ kind: 'hardlink', linkName });
  const members = new Map<string, MemberInfo>([
    ['aa/layer.tar', file],
    ['bb/layer.tar', symlink('../aa/layer.tar')],
    ['cc/layer.tar', symlink('../bb/./layer.tar')],
    ['dd/layer.tar', hardlink('./aa/layer.tar')],
    ['deep/er/l', symlink('../../aa//layer.tar')],
    ['out/layer.tar', symlink('../../aa/layer.tar')],
    ['abs/layer.tar', symlink('/aa/layer.tar')],
    ['hard/out', hardlink('../aa/layer.tar')],
    ['empty', { kind: 'symlink' }],
    ['to-root/x', symlink('..')],
    ['loop/a', symlink('b')],
    ['loop/b', symlink('../loop/a')],
    ['gone', symlink('nowhere')],
    ['dir', { kind: 'directory' }],
    ['to-dir', symlink('dir')],
  ]);

  it.each(['aa/layer.tar', './aa//layer.tar', 'bb/layer.tar', 'cc/layer.tar', 'dd/layer.tar', 'deep/er/l'])(
    '%s leads to the file',
    (name) => {
      const resolved = resolveMember(name, members);
      expect(resolved.name).toBe('aa/layer.tar');
      expect(resolved.member).toBe(file);
    },
  );

  it.each([
    ['out/layer.tar', /leads out of the archive/],
    ['abs/layer.tar', /leads out of the archive/],
    ['hard/out', /leads out of the archive/],
    ['../aa/layer.tar', /leads out of the archive/],
    ['empty', /leads out of the archive/],
    ['to-root/x', /leads out of the archive/],
    ['loop/a', /in a circle/],
    ['gone', /leads to "nowhere", which is missing/],
    ['never', /"never" is missing/],
    ['dir', /is not a file/],
    ['to-dir', /is not a file/],
    ['constructor', /is missing/],
  ])('%s is refused', (name, message) => {
    expect(() => resolveMember(name, members)).toThrow(invalid(message));
  });

  it('any graph of links ends in a file or an error', () => {
    const name = fc.constantFrom('a', 'b', 'd/a', 'd/b', 'd/e/c');
    const target = fc.constantFrom(
      'a',
      '../a',
      '../b',
      './b',
      'd/a',
      '../d/e/c',
      '../../a',
      '/a',
      '',
      'd//b',
    );
    const kind = fc.constantFrom<MemberInfo['kind']>('file', 'symlink', 'hardlink', 'symlink', 'directory');
    const graph = fc.array(fc.tuple(name, fc.record({ kind, linkName: target })), { maxLength: 6 });
    let resolved = 0;
    fc.assert(
      fc.property(graph, name, (edges, start) => {
        const map = new Map<string, MemberInfo>(edges);
        onlyDbupErrors(() => {
          const end = resolveMember(start, map);
          expect(map.get(end.name)).toBe(end.member);
          expect(end.member.kind).toBe('file');
          resolved++;
        }, ['INPUT_INVALID']);
      }),
      { seed: SEED, numRuns: 500 },
    );
    expect(resolved).toBeGreaterThan(0);
  });
});

describe('memberKey', () => {
  it('gives one spelling', () => {
    expect(memberKey('././a//b/')).toBe('a/b');
    expect(memberKey('a..b/...')).toBe('a..b/...');
    expect(memberKey('a/../b')).toBeNull();
    expect(memberKey('ü'.repeat(LIMITS.tarNameBytes / 2 + 1))).toBeNull();
  });
});

describe('explainMissingManifest', () => {
  it('tells an archive of the first docker from what is no image', () => {
    expect(explainMissingManifest(new Set(['repositories', 'ab/json']))).toMatchObject({
      code: 'INPUT_NOT_AN_IMAGE',
      message: expect.stringContaining('before 1.10'),
    });
    expect(explainMissingManifest(new Set(['etc/passwd']))).toMatchObject({
      code: 'INPUT_NOT_AN_IMAGE',
      hint: expect.stringContaining('docker export'),
    });
  });
});

describe('writing', () => {
  it('names members as skopeo does, byte for byte', () => {
    const names = dockerArchiveNames(CONFIG_HEX, HEXES);
    const bytes = buildDockerManifest([{ ...names, repoTags: ['localhost/app:2.0'] }]);
    const second = DOCKER_ARCHIVE_JSON.slice(DOCKER_ARCHIVE_JSON.lastIndexOf('{'));
    expect(Buffer.from(bytes).toString()).toBe(`[${second}\n`);
    expect(parseDockerManifest(bytes, WHERE)).toEqual([{ ...names, repoTags: ['localhost/app:2.0'] }]);
  });

  it('writes null for no tags, as docker does', () => {
    const bytes = buildDockerManifest([{ configName: 'c', repoTags: [], layerNames: [LAYER_DIGESTS[0]] }]);
    expect(Buffer.from(bytes).toString()).toBe(
      `[{"Config":"c","RepoTags":null,"Layers":["${LAYER_DIGESTS[0]}"]}]\n`,
    );
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../src/core/limits.js';
import { parseImageConfig } from '../../src/oci/config.js';
import { parseIndex } from '../../src/oci/image-index.js';
import { JsonNode, parseJsonBounded } from '../../src/oci/json-document.js';
import { parseManifest } from '../../src/oci/manifest.js';
import { mutated, onlyDbupErrors, SEED } from './only-dbup-errors.js';
import {
  bytesOf,
  CONFIG_HEX,
  CONFIG_JSON,
  DIFF_IDS,
  INDEX_JSON,
  LAYER_DIGESTS,
  MANIFEST_HEX,
  MANIFEST_JSON,
  SCHEMA2_MANIFEST_JSON,
} from './samples.js';

const OCI_GZIP = 'application/vnd.oci.image.layer.v1.tar+gzip';

/** `json` with the fields of `changes` put in at the top. */
function changed(json: string, changes: Record<string, unknown>): Uint8Array {
  return bytesOf(JSON.stringify({ ...JSON.parse(json), ...changes }));
}

function invalid(message: RegExp, code = 'INPUT_INVALID') {
  return expect.objectContaining({
    code,
    message: expect.stringMatching(message),
    hint: expect.stringMatching(/\w/),
  });
}

describe('parseJsonBounded', () => {
  it('refuses too many bytes before it parses', () => {
    expect(() => parseJsonBounded(bytesOf('[1, 2]'), 5, 'x.json')).toThrow(
      invalid(/x\.json has 6 bytes/, 'INPUT_TOO_LARGE'),
    );
    expect(parseJsonBounded(bytesOf('[1,2]'), 5, 'x.json')).toEqual([1, 2]);
  });

  it.each(['', '{', '{}x', "{'a':1}", '\ufeff{}', 'undefined', 'NaN'])('refuses %j', (text) => {
    expect(() => parseJsonBounded(bytesOf(text), 100, 'x.json')).toThrow(
      invalid(/^x\.json is not valid JSON$/),
    );
  });

  it('bounds the nesting, and is not misled by brackets in strings', () => {
    const nested = (depth: number) => bytesOf(`${'[{"a":'.repeat(depth / 2)}1${'}]'.repeat(depth / 2)}`);
    expect(() => parseJsonBounded(nested(LIMITS.imageJsonDepth), 1e6, 'x')).not.toThrow();
    expect(() => parseJsonBounded(nested(LIMITS.imageJsonDepth + 2), 1e6, 'x')).toThrow(
      invalid(/nested deeper/, 'INPUT_TOO_LARGE'),
    );
    expect(() => parseJsonBounded(bytesOf('['.repeat(8 << 20)), 8 << 20, 'x')).toThrow(
      invalid(/nested deeper/, 'INPUT_TOO_LARGE'),
    );
    const text = `\\"${'[{'.repeat(1000)}\\\\`;
    expect(parseJsonBounded(bytesOf(JSON.stringify([text])), 1e6, 'x')).toEqual([text]);
  });

  it('reads invalid UTF-8 inside a string as the engines do', () => {
    expect(parseJsonBounded(Uint8Array.of(0x22, 0xff, 0x22), 10, 'x')).toBe('\ufffd');
  });
});

describe('parseManifest', () => {
  it('reads what buildah wrote', () => {
    const manifest = parseManifest(bytesOf(MANIFEST_JSON), 'm');
    expect(manifest).toEqual({
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: {
        mediaType: 'application/vnd.oci.image.config.v1+json',
        digest: `sha256:${CONFIG_HEX}`,
        sizeBytes: CONFIG_JSON.length,
      },
      layers: [
        { mediaType: OCI_GZIP, digest: LAYER_DIGESTS[0], sizeBytes: 107 },
        { mediaType: OCI_GZIP, digest: LAYER_DIGESTS[1], sizeBytes: 102 },
      ],
      annotations: {
        'org.opencontainers.image.base.digest':
          'sha256:0cf75ffa1443765ffc21bb727445c2aefb06750b0fd8e2462889892d454a8b2f',
        'org.opencontainers.image.base.name': 'localhost/app:1.0',
      },
    });
  });

  it('reads schema 2 as skopeo wrote it', () => {
    const manifest = parseManifest(bytesOf(SCHEMA2_MANIFEST_JSON), 'm');
    expect(manifest.mediaType).toBe('application/vnd.docker.distribution.manifest.v2+json');
    expect(manifest.config.digest).toBe(`sha256:${CONFIG_HEX}`);
    expect(manifest.layers.map((layer) => layer.digest)).toEqual([...LAYER_DIGESTS]);
  });

  it('takes a manifest without media type for OCI, and null for absent', () => {
    const manifest = parseManifest(
      changed(MANIFEST_JSON, { mediaType: undefined, layers: null, annotations: null }),
      'm',
    );
    expect(manifest.mediaType).toBe('application/vnd.oci.image.manifest.v1+json');
    expect(manifest.layers).toEqual([]);
    expect(manifest).not.toHaveProperty('annotations');
  });

  it.each<[string, Record<string, unknown>, RegExp, string?]>([
    ['an index', { manifests: [] }, /^m is an index/],
    ['schema 1', { fsLayers: [] }, /schema 1/],
    ['another media type', { mediaType: 'application/vnd.oci.image.index.v1+json' }, /^m: mediaType/],
    ['no config', { config: undefined }, /^m: config/],
    ['a config that is a list', { config: [] }, /^m: config is not an object/],
    [
      'a layer without digest',
      { layers: [{ mediaType: OCI_GZIP, size: 1 }] },
      /^m: layers\[0\]\.digest is missing/,
    ],
    [
      'a bad digest',
      { layers: [{ mediaType: OCI_GZIP, size: 1, digest: 'sha256:../..' }] },
      /^m: layers\[0\]\.digest/,
    ],
    [
      'a negative size',
      { layers: [{ mediaType: OCI_GZIP, size: -1, digest: LAYER_DIGESTS[0] }] },
      /layers\[0\]\.size/,
    ],
    [
      'a huge size',
      { layers: [{ mediaType: OCI_GZIP, size: 1e300, digest: LAYER_DIGESTS[0] }] },
      /layers\[0\]\.size/,
    ],
    ['a wrong annotation', { annotations: { a: 1 } }, /^m: annotations\["a"\] is not a string/],
    ['too many layers', { layers: Array(LIMITS.imageLayers + 1).fill({}) }, /1001 items/, 'INPUT_TOO_LARGE'],
  ])('refuses %s', (_, changes, message, code) => {
    expect(() => parseManifest(changed(MANIFEST_JSON, changes), 'm')).toThrow(invalid(message, code));
  });

  it('reads own properties only', () => {
    expect(new JsonNode({}, 'm').field('constructor').isAbsent).toBe(true);
    const hostile = MANIFEST_JSON.replace(
      '"layers"',
      '"__proto__":{"layers":[1],"artifactType":"x"},"layers"',
    );
    expect(parseManifest(bytesOf(hostile), 'm')).not.toHaveProperty('artifactType');
    const annotations = '"annotations":{"__proto__":"polluted"}';
    const manifest = parseManifest(
      bytesOf(MANIFEST_JSON.replace(/"annotations":\{[^}]*\}/, annotations)),
      'm',
    );
    expect(Object.entries(manifest.annotations ?? {})).toEqual([['__proto__', 'polluted']]);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });
});

describe('parseIndex', () => {
  it('reads what buildah wrote', () => {
    const index = parseIndex(bytesOf(INDEX_JSON), 'i');
    expect(index.mediaType).toBe('application/vnd.oci.image.index.v1+json');
    expect(index.manifests[1]).toEqual({
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      digest: `sha256:${MANIFEST_HEX}`,
      sizeBytes: MANIFEST_JSON.length,
      platform: { os: 'linux', architecture: 'arm64', variant: 'v8' },
    });
  });

  it.each<[string, Record<string, unknown>, RegExp, string?]>([
    ['a manifest', { layers: [] }, /^i is an image manifest/],
    ['another media type', { mediaType: 'text/plain' }, /^i: mediaType/],
    [
      'a platform that is text',
      { manifests: [{ ...JSON.parse(INDEX_JSON).manifests[0], platform: 'linux' }] },
      /manifests\[0\]\.platform/,
    ],
    [
      'too many entries',
      { manifests: Array(LIMITS.archiveImages + 1).fill({}) },
      /1001 items/,
      'INPUT_TOO_LARGE',
    ],
  ])('refuses %s', (_, changes, message, code) => {
    expect(() => parseIndex(changed(INDEX_JSON, changes), 'i')).toThrow(invalid(message, code));
  });
});

describe('parseImageConfig', () => {
  it('reads what buildah wrote', () => {
    expect(parseImageConfig(bytesOf(CONFIG_JSON), 'c')).toEqual({
      architecture: 'amd64',
      os: 'linux',
      created: '2026-11-22T08:19:05.476620349Z',
      diffIds: [...DIFF_IDS],
      historyCount: 2,
      container: {
        env: ['A=B'],
        cmd: ['/f'],
        entrypoint: ['/e'],
        exposedPorts: ['80/tcp'],
        labels: { 'io.buildah.version': '1.28.2', l: 'v' },
        user: '1000',
        workingDir: '/w',
      },
    });
  });

  it('reads an image from scratch without a platform, and a command in one string', () => {
    const config = parseImageConfig(
      bytesOf('{"os":"","config":{"Cmd":"/run","Env":null},"rootfs":{"type":"layers"}}'),
      'c',
    );
    expect(config).toMatchObject({ os: 'unknown', architecture: 'unknown', diffIds: [], historyCount: 0 });
    expect(config.container.cmd).toEqual(['/run']);
  });

  it.each<[string, Record<string, unknown>, RegExp]>([
    ['no rootfs', { rootfs: undefined }, /^c: rootfs is missing/],
    ['another rootfs', { rootfs: { type: 'layers+base', diff_ids: [] } }, /^c: rootfs\.type/],
    ['a bad diffID', { rootfs: { type: 'layers', diff_ids: ['x'] } }, /^c: rootfs\.diff_ids\[0\]/],
    ['a wrong label', { config: { Labels: { a: {} } } }, /^c: config\.Labels\["a"\]/],
    ['a wrong Env', { config: { Env: [1] } }, /^c: config\.Env\[0\]/],
    ['a wrong os', { os: 7 }, /^c: os/],
    ['a history that is text', { history: 'x' }, /^c: history/],
  ])('refuses %s', (_, changes, message) => {
    expect(() => parseImageConfig(changed(CONFIG_JSON, changes), 'c')).toThrow(invalid(message));
  });
});

describe('hostile documents', () => {
  const CODES = ['INPUT_INVALID', 'INPUT_TOO_LARGE'];
  it.each<[string, string, (bytes: Uint8Array, where: string) => unknown]>([
    ['manifest', MANIFEST_JSON, parseManifest],
    ['index', INDEX_JSON, parseIndex],
    ['config', CONFIG_JSON, parseImageConfig],
  ])('a mutated or random %s throws nothing but its errors', (_, json, parse) => {
    let refused = 0;
    const document = fc.oneof(mutated(json), fc.json().map(bytesOf), fc.uint8Array());
    fc.assert(
      fc.property(document, (bytes) => {
        if (!onlyDbupErrors(() => parse(bytes, 'x'), CODES)) refused++;
      }),
      { seed: SEED, numRuns: 600 },
    );
    expect(refused).toBeGreaterThan(0);
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  blobPath,
  buildIndex,
  buildManifestFor,
  listLayoutImages,
  nameAnnotations,
  ociLayoutFileBytes,
  parseBlobPath,
  parseOciLayoutFile,
  walkImageTree,
} from '../../src/archive/oci-layout.js';
import { LIMITS } from '../../src/core/limits.js';
import { sha256Hex } from '../../src/hash/sha256.js';
import type { Descriptor } from '../../src/oci/descriptor.js';
import { type Digest, digestFromHex, parseDigest } from '../../src/oci/digest.js';
import { parseIndex } from '../../src/oci/image-index.js';
import { parseManifest } from '../../src/oci/manifest.js';
import { MEDIA_TYPES } from '../../src/oci/media-types.js';
import { parseReference } from '../../src/oci/reference.js';
import { mutated, onlyDbupErrors, SEED } from '../oci/only-dbup-errors.js';
import {
  AMD64_MANIFEST_HEX,
  bytesOf,
  CONFIG_HEX,
  CONFIG_JSON,
  DIFF_IDS,
  INDEX_HEX,
  INDEX_JSON,
  LAYER_DIGESTS,
  LAYOUT_INDEX_JSON,
  MANIFEST_HEX,
  MANIFEST_JSON,
  OCI_LAYOUT_JSON,
} from '../oci/samples.js';

const LINUX = { os: 'linux', architecture: 'amd64' };
const UNKNOWN = { os: 'unknown', architecture: 'unknown' };

function invalid(message: RegExp, code = 'INPUT_INVALID') {
  return expect.objectContaining({
    code,
    message: expect.stringMatching(message),
    hint: expect.stringMatching(/\w/),
  });
}

/** Documents by digest, and a reader of them that counts how often each is asked for. */
class Store {
  readonly contents = new Map<Digest, Uint8Array>();
  readonly asked: Digest[] = [];
  readonly read = (descriptor: Descriptor): Uint8Array | null => {
    this.asked.push(descriptor.digest);
    return this.contents.get(descriptor.digest) ?? null;
  };

  put(mediaType: string, content: Uint8Array | string, more: Partial<Descriptor> = {}): Descriptor {
    const bytes = typeof content === 'string' ? bytesOf(content) : content;
    const digest = digestFromHex(sha256Hex(bytes));
    this.contents.set(digest, bytes);
    return { mediaType, digest, sizeBytes: bytes.length, ...more };
  }

  config(architecture: string): Descriptor {
    const rootfs = { type: 'layers', diff_ids: [DIFF_IDS[0]] };
    return this.put(MEDIA_TYPES.ociConfig, JSON.stringify({ os: 'linux', architecture, rootfs }));
  }

  image(architecture: string, more: Partial<Descriptor> = {}): Descriptor {
    const layer = {
      mediaType: MEDIA_TYPES.ociLayerTarGzip,
      digest: parseDigest(LAYER_DIGESTS[0]),
      sizeBytes: 107,
    };
    return this.put(MEDIA_TYPES.ociManifest, buildManifestFor(this.config(architecture), [layer]), more);
  }

  index(...entries: Descriptor[]): Descriptor {
    return this.put(MEDIA_TYPES.ociIndex, buildIndex(entries));
  }
}

describe('the samples', () => {
  it('are what their digests say', () => {
    expect(sha256Hex(bytesOf(CONFIG_JSON))).toBe(CONFIG_HEX);
    expect(sha256Hex(bytesOf(MANIFEST_JSON))).toBe(MANIFEST_HEX);
    expect(sha256Hex(bytesOf(INDEX_JSON))).toBe(INDEX_HEX);
  });
});

describe('oci-layout', () => {
  it('reads the versions file skopeo wrote and its own', () => {
    expect(parseOciLayoutFile(bytesOf(OCI_LAYOUT_JSON))).toEqual({ imageLayoutVersion: '1.0.0' });
    expect(parseOciLayoutFile(ociLayoutFileBytes())).toEqual({ imageLayoutVersion: '1.0.0' });
    expect(() => parseOciLayoutFile(bytesOf('{"imageLayoutVersion":"2.0.0"}'))).toThrow(
      invalid(/imageLayoutVersion/),
    );
    expect(() => parseOciLayoutFile(bytesOf('[]'))).toThrow(invalid(/oci-layout/));
  });

  it('names blobs there and back', () => {
    const digest = digestFromHex(CONFIG_HEX);
    expect(blobPath(digest)).toBe(`blobs/sha256/${CONFIG_HEX}`);
    expect(parseBlobPath(blobPath(digest))).toBe(digest);
    expect(parseBlobPath(`./blobs/sha256/${CONFIG_HEX}`)).toBe(digest);
  });

  it.each([
    'blobs/sha256/',
    `blobs/sha512/${CONFIG_HEX}`,
    `blobs/sha256/${CONFIG_HEX}/x`,
    `/blobs/sha256/${CONFIG_HEX}`,
    `blobs/sha256/../${CONFIG_HEX}`,
  ])('%s is no blob', (path) => {
    expect(parseBlobPath(path)).toBeNull();
  });
});

describe('listLayoutImages', () => {
  it('reads what skopeo wrote', () => {
    expect(listLayoutImages(bytesOf(LAYOUT_INDEX_JSON))).toEqual([
      {
        descriptor: {
          mediaType: MEDIA_TYPES.ociManifest,
          digest: `sha256:${MANIFEST_HEX}`,
          sizeBytes: MANIFEST_JSON.length,
          annotations: { 'org.opencontainers.image.ref.name': 'app:2.0' },
        },
        name: 'app:2.0',
        reference: 'app:2.0',
      },
    ]);
  });

  it.each<[Record<string, string>, string | null, string | null]>([
    [{}, null, null],
    [{ 'org.opencontainers.image.ref.name': 'latest' }, 'latest', null],
    [{ 'org.opencontainers.image.ref.name': 'quay.io/a/b:2' }, 'quay.io/a/b:2', 'quay.io/a/b:2'],
    [{ 'org.opencontainers.image.ref.name': 'Not:A:Reference' }, 'Not:A:Reference', null],
    [
      { 'org.opencontainers.image.ref.name': '1.0', 'io.containerd.image.name': 'docker.io/library/app:1.0' },
      'docker.io/library/app:1.0',
      'app:1.0',
    ],
    [
      { 'io.containerd.image.name': `docker.io/library/app@sha256:${CONFIG_HEX}` },
      `docker.io/library/app@sha256:${CONFIG_HEX}`,
      null,
    ],
  ])('%j', (annotations, name, reference) => {
    const entry = new Store().image('amd64', { annotations });
    expect(listLayoutImages(buildIndex([entry]))).toMatchObject([{ name, reference }]);
  });

  it('finds the name it writes', () => {
    const annotations = nameAnnotations(parseReference('app:1.0'));
    expect(annotations).toEqual({
      'io.containerd.image.name': 'docker.io/library/app:1.0',
      'org.opencontainers.image.ref.name': '1.0',
    });
    const entry = new Store().image('amd64', { annotations });
    expect(listLayoutImages(buildIndex([entry]))[0]?.reference).toBe('app:1.0');
  });
});

describe('walkImageTree', () => {
  const rootOf = (mediaType: string, hex: string, json: string): Descriptor => ({
    mediaType,
    digest: digestFromHex(hex),
    sizeBytes: json.length,
  });

  it('walks what buildah wrote, one platform of two absent', () => {
    const store = new Store();
    for (const json of [INDEX_JSON, MANIFEST_JSON, CONFIG_JSON]) store.put('', json);
    const tree = walkImageTree(rootOf(MEDIA_TYPES.ociIndex, INDEX_HEX, INDEX_JSON), store.read);
    expect(tree.documents.map((document) => document.digest)).toEqual([
      `sha256:${INDEX_HEX}`,
      `sha256:${MANIFEST_HEX}`,
      `sha256:${CONFIG_HEX}`,
    ]);
    expect(tree.layers.map((layer) => layer.digest)).toEqual([...LAYER_DIGESTS]);
    expect(tree.absent.map((document) => document.digest)).toEqual([`sha256:${AMD64_MANIFEST_HEX}`]);
    expect(tree.opaque).toEqual([]);
    expect(tree.images).toHaveLength(1);
    expect(tree.images[0]).toMatchObject({
      manifest: { digest: `sha256:${MANIFEST_HEX}` },
      config: { digest: `sha256:${CONFIG_HEX}` },
      imageConfig: { diffIds: [...DIFF_IDS], architecture: 'amd64' },
      platform: { os: 'linux', architecture: 'arm64', variant: 'v8' },
      attestation: false,
    });
  });

  it('takes the platform of a lone manifest from its config', () => {
    const store = new Store();
    for (const json of [MANIFEST_JSON, CONFIG_JSON]) store.put('', json);
    const tree = walkImageTree(rootOf(MEDIA_TYPES.ociManifest, MANIFEST_HEX, MANIFEST_JSON), store.read);
    expect(tree.images[0]?.platform).toEqual(LINUX);
  });

  it('tells attestations, by annotation and by content', () => {
    const store = new Store();
    const statement: Descriptor = {
      mediaType: MEDIA_TYPES.inToto,
      digest: parseDigest(DIFF_IDS[1]),
      sizeBytes: 9,
    };
    const layer: Descriptor = { ...statement, mediaType: MEDIA_TYPES.ociLayerTar };
    const manifest = (config: Descriptor, layers: Descriptor[], more: Partial<Descriptor>) =>
      store.put(MEDIA_TYPES.ociManifest, buildManifestFor(config, layers), more);
    const image = store.image('amd64', { platform: LINUX });
    const annotations = {
      'vnd.docker.reference.digest': image.digest,
      'vnd.docker.reference.type': 'attestation-manifest',
    };
    const empty = store.put(MEDIA_TYPES.ociEmpty, '{}');
    const tree = walkImageTree(
      store.index(
        image,
        manifest(store.config('unknown'), [statement], { platform: UNKNOWN, annotations }),
        manifest(empty, [statement], { platform: UNKNOWN }),
        manifest(store.config('b'), [layer], { platform: UNKNOWN }),
      ),
      store.read,
    );
    expect(tree.images.map((entry) => entry.attestation)).toEqual([false, true, true, false]);
    expect(tree.images[2]?.imageConfig).toBeNull();
    expect(tree.opaque).toEqual([empty]);
    expect(tree.layers.map((entry) => entry.digest)).toEqual([LAYER_DIGESTS[0], DIFF_IDS[1]]);
  });

  it('asks once for what is shared, and lists an absent config', () => {
    const store = new Store();
    const image = store.image('amd64');
    const config = store.config('amd64');
    store.contents.delete(config.digest);
    const root = store.index(image, store.index(image), image);
    const tree = walkImageTree(root, store.read);
    expect(new Set(store.asked).size).toBe(store.asked.length);
    expect(tree.images).toHaveLength(1);
    expect(tree.images[0]).toMatchObject({ imageConfig: null, platform: null });
    expect(tree.absent).toEqual([config]);
  });

  it('carries what it does not know, and an absent root', () => {
    const store = new Store();
    const unknown: Descriptor = { ...store.put('application/x', 'x') };
    expect(walkImageTree(store.index(unknown), store.read).opaque).toEqual([unknown]);
    const absent = { ...store.image('amd64'), digest: parseDigest(DIFF_IDS[0]) };
    expect(walkImageTree(absent, store.read)).toMatchObject({ documents: [], images: [], absent: [absent] });
  });

  it('goes eight indexes deep and no deeper', () => {
    const store = new Store();
    let root = store.image('amd64');
    for (let i = 0; i < LIMITS.imageIndexDepth; i++) root = store.index(root);
    expect(walkImageTree(root, store.read).images).toHaveLength(1);
    expect(() => walkImageTree(store.index(root), store.read)).toThrow(
      invalid(/more than 8 indexes/, 'INPUT_TOO_LARGE'),
    );
  });

  it('bounds the manifests, the contents and the bytes of one image', () => {
    const store = new Store();
    const config = store.put(MEDIA_TYPES.ociEmpty, '{}');
    const layerOf = (i: number): Descriptor => ({
      mediaType: MEDIA_TYPES.ociLayerTar,
      digest: digestFromHex(i.toString(16).padStart(64, '0')),
      sizeBytes: 1,
    });
    const manifests = (count: number, layers: (i: number) => Descriptor[]) =>
      Array.from({ length: count }, (_, i) =>
        store.put(MEDIA_TYPES.ociManifest, buildManifestFor(config, layers(i))),
      );
    const many = manifests(LIMITS.archiveImages + 1, (i) => [layerOf(i)]);
    const halves = store.index(store.index(...many.slice(0, 600)), store.index(...many.slice(600)));
    expect(() => walkImageTree(halves, store.read)).toThrow(
      invalid(/more than 1000 manifests/, 'INPUT_TOO_LARGE'),
    );
    const wide = manifests(11, (i) => Array.from({ length: 999 }, (_, j) => layerOf(i * 1000 + j)));
    expect(() => walkImageTree(store.index(...wide), store.read)).toThrow(
      invalid(/more than 10000 contents/, 'INPUT_TOO_LARGE'),
    );
    const padding = ' '.repeat(LIMITS.imageJsonBytes - 1000);
    const heavy = Array.from({ length: 9 }, (_, i) =>
      store.put(MEDIA_TYPES.ociIndex, `{"manifests":[]}${padding}${' '.repeat(i)}`),
    );
    expect(() => walkImageTree(store.index(...heavy), store.read)).toThrow(
      invalid(/bytes of documents/, 'INPUT_TOO_LARGE'),
    );
  });

  it('refuses documents that are not as long as said, or said to have two lengths', () => {
    const store = new Store();
    const image = store.image('amd64');
    expect(() => walkImageTree({ ...image, sizeBytes: image.sizeBytes + 1 }, store.read)).toThrow(
      invalid(/its descriptor says/),
    );
    expect(() => walkImageTree(store.index(image, { ...image, sizeBytes: 1 }), store.read)).toThrow(
      invalid(/is said to have/),
    );
  });

  it('ends on a document that names itself', () => {
    const digest = digestFromHex('0'.repeat(64));
    const self = (sizeBytes: number): Descriptor => ({ mediaType: MEDIA_TYPES.ociIndex, digest, sizeBytes });
    const size = buildIndex([self(100)]).length;
    const bytes = buildIndex([self(size)]);
    expect(walkImageTree(self(bytes.length), () => bytes).documents).toHaveLength(1);
  });

  it('throws nothing but its errors for any mutated document', () => {
    let refused = 0;
    const originals = [INDEX_JSON, MANIFEST_JSON, CONFIG_JSON];
    const change = fc.nat(2).chain((which) => fc.tuple(fc.constant(which), mutated(originals[which]!)));
    fc.assert(
      fc.property(change, ([which, bytes]) => {
        const root = which === 0 ? bytes : bytesOf(INDEX_JSON);
        const documents = [
          root,
          which === 1 ? bytes : bytesOf(MANIFEST_JSON),
          which === 2 ? bytes : bytesOf(CONFIG_JSON),
        ];
        const digests = [INDEX_HEX, MANIFEST_HEX, CONFIG_HEX].map((hex) => `sha256:${hex}`);
        // Every descriptor gets the length the changed document has, so that the parsers see it.
        const read = (descriptor: Descriptor) => {
          const document = documents[digests.indexOf(descriptor.digest)];
          if (document !== undefined) descriptor.sizeBytes = document.length;
          return document ?? null;
        };
        const top = {
          mediaType: MEDIA_TYPES.ociIndex,
          digest: digestFromHex(INDEX_HEX),
          sizeBytes: root.length,
        };
        if (!onlyDbupErrors(() => walkImageTree(top, read), ['INPUT_INVALID', 'INPUT_TOO_LARGE'])) refused++;
      }),
      { seed: SEED, numRuns: 600 },
    );
    expect(refused).toBeGreaterThan(0);
  });
});

describe('writing', () => {
  it('writes manifests and indexes it reads back, the same bytes for the same values', () => {
    const store = new Store();
    const entry = store.image('amd64', {
      platform: { os: 'linux', architecture: 'arm', variant: 'v7', osVersion: '1' },
      annotations: { b: '2', a: '1' },
      artifactType: 'application/x',
    });
    const bytes = buildIndex([entry]);
    expect(parseIndex(bytes, 'i').manifests).toEqual([entry]);
    expect(buildIndex([{ ...entry, annotations: { a: '1', b: '2' } }])).toEqual(bytes);
    const config = store.config('amd64');
    expect(parseManifest(buildManifestFor(config, [config, entry]), 'm')).toMatchObject({
      config,
      layers: [config, entry],
    });
  });

  it('writes the manifest skopeo writes', () => {
    const { config, layers } = parseManifest(bytesOf(MANIFEST_JSON), 'm');
    const expected = MANIFEST_JSON.replace(/,"annotations":\{[^}]*\}\}$/, '}');
    expect(Buffer.from(buildManifestFor(config, layers)).toString()).toBe(expected);
  });
});

import { gzipSync } from 'node:zlib';
import { ZstdCompressor } from '../../src/compress/zstd.js';
import { sha256Of } from './images.js';
import { ascii, concatBytes, tarDirectory, tarEnd, tarFile, tarLink } from './tar-builder.js';

/** An image, and how each tool lays it out in a tar. Everything is deterministic. */
export interface SampleImage {
  references: string[];
  /** Plain tars from the base up. */
  layers: Uint8Array[];
  config?: Record<string, unknown>;
}

/** A file of an OCI layout or a member of an archive. */
export type Files = Map<string, Uint8Array>;

export function configOf({ layers, config = {} }: SampleImage): Uint8Array {
  return ascii(
    JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      config: { Env: ['PATH=/bin'], Cmd: ['sh'] },
      ...config,
      rootfs: { type: 'layers', diff_ids: layers.map((layer) => `sha256:${sha256Of(layer)}`) },
    }),
  );
}

export function idOf(image: SampleImage): string {
  return `sha256:${sha256Of(configOf(image))}`;
}

/**
 * Docker 1.10 to 24: a directory a layer, a repeated layer as a symlink to its other place, which may come
 * earlier or later in the archive, `manifest.json` and `repositories` last.
 */
export function classicDockerArchive(images: readonly SampleImage[], linksFirst = false): Uint8Array {
  const places = new Map<string, string>();
  const links: Uint8Array[] = [];
  const bodies: Uint8Array[] = [];
  const configs: Uint8Array[] = [];
  const manifest = images.map((image) => {
    const config = configOf(image);
    configs.push(tarFile(`${sha256Of(config)}.json`, config));
    const layerNames = image.layers.map((layer, index) => {
      const id = sha256Of(ascii(`${sha256Of(config)}-${index}`));
      const target = places.get(sha256Of(layer));
      const own = linksFirst && target !== undefined ? links : bodies;
      own.push(
        tarDirectory(`${id}/`),
        tarFile(`${id}/VERSION`, ascii('1.0')),
        tarFile(`${id}/json`, ascii(JSON.stringify({ id, os: 'linux' }))),
      );
      if (target === undefined) {
        places.set(sha256Of(layer), id);
        bodies.push(tarFile(`${id}/layer.tar`, layer));
      } else own.push(tarLink(`${id}/layer.tar`, `../${target}/layer.tar`));
      return `${id}/layer.tar`;
    });
    return { Config: `${sha256Of(config)}.json`, RepoTags: image.references, Layers: layerNames };
  });
  const repositories = JSON.stringify({ app: { latest: 'f'.repeat(64) } });
  return concatBytes([
    ...links,
    ...bodies,
    ...configs,
    tarFile('manifest.json', ascii(`${JSON.stringify(manifest)}\n`)),
    tarFile('repositories', ascii(`${repositories}\n`)),
    tarEnd(),
  ]);
}

/** Podman and skopeo: layers by diffId first, old names as symlinks, then config and manifest; padded to 20 blocks. */
export function podmanArchive(image: SampleImage): Uint8Array {
  const config = configOf(image);
  const names = image.layers.map((layer) => `${sha256Of(layer)}.tar`);
  const parts: Uint8Array[] = [];
  for (const name of new Set(names)) {
    parts.push(tarFile(name, image.layers[names.indexOf(name)]!, { mode: 0o444 }));
    const id = sha256Of(ascii(name));
    parts.push(tarFile(`${id}/VERSION`, ascii('1.0')), tarLink(`${id}/layer.tar`, `../${name}`));
  }
  const manifest = [{ Config: `${sha256Of(config)}.json`, RepoTags: image.references, Layers: names }];
  const all = concatBytes([
    ...parts,
    tarFile(`${sha256Of(config)}.json`, config, { mode: 0o444 }),
    tarFile('manifest.json', ascii(JSON.stringify(manifest)), { mode: 0o444 }),
  ]);
  return concatBytes([all, new Uint8Array(10240 - (all.length % 10240))]);
}

/** go-containerregistry (crane, ko, kaniko): gzip layers, the config named by its digest, nothing else. */
export function craneArchive(image: SampleImage): Uint8Array {
  const config = configOf(image);
  const layers = image.layers.map((layer) => gzip(layer));
  const manifest = [
    {
      Config: `sha256:${sha256Of(config)}`,
      RepoTags: image.references,
      Layers: layers.map((layer) => `${sha256Of(layer)}.tar.gz`),
    },
  ];
  return concatBytes([
    tarFile(`sha256:${sha256Of(config)}`, config),
    ...layers.map((layer) => tarFile(`${sha256Of(layer)}.tar.gz`, layer)),
    tarFile('manifest.json', ascii(JSON.stringify(manifest))),
    tarEnd(),
  ]);
}

export type LayerPacking = 'plain' | 'gzip' | 'zstd';

export function gzip(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(gzipSync(bytes, { level: 6 }));
}

/** One zstd frame of `bytes`. */
export function zstd(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(new ZstdCompressor(3).compress(bytes));
}

const OCI = 'application/vnd.oci.image';

export interface OciOptions {
  packing?: LayerPacking;
  /** Under one nested index, as BuildKit writes it, with an attestation for each image. */
  nested?: boolean;
  /** Platforms named by the nested index that are not there. */
  absentPlatforms?: string[];
  /** Annotate with the tag alone, as skopeo does when it was given no more. */
  bareTags?: boolean;
}

/** The files of an OCI layout of some images. */
export function ociLayout(images: readonly SampleImage[], options: OciOptions = {}): Files {
  const files: Files = new Map();
  const put = (mediaType: string, bytes: Uint8Array, more: Record<string, unknown> = {}) => {
    files.set(`blobs/sha256/${sha256Of(bytes)}`, bytes);
    return { mediaType, digest: `sha256:${sha256Of(bytes)}`, size: bytes.length, ...more };
  };
  const manifests = images.flatMap((image) => {
    const manifest = putManifest(image, options.packing ?? 'gzip', put);
    const root = options.nested ? putIndex(manifest, options, put) : manifest;
    const names = image.references.length > 0 ? image.references : [null];
    return names.map((reference) => ({
      ...root,
      ...(reference !== null && { annotations: nameOf(reference, options.bareTags ?? false) }),
    }));
  });
  files.set('oci-layout', ascii(JSON.stringify({ imageLayoutVersion: '1.0.0' })));
  files.set('index.json', ascii(JSON.stringify({ schemaVersion: 2, manifests })));
  return files;
}

type Put = (mediaType: string, bytes: Uint8Array, more?: Record<string, unknown>) => Record<string, unknown>;

function putManifest(image: SampleImage, packing: LayerPacking, put: Put): Record<string, unknown> {
  const pack = { plain: (bytes: Uint8Array) => bytes, gzip, zstd }[packing];
  const suffix = packing === 'plain' ? '' : `+${packing}`;
  const layers = image.layers.map((layer) => put(`${OCI}.layer.v1.tar${suffix}`, pack(layer)));
  const config = put(`${OCI}.config.v1+json`, configOf(image));
  const document = { schemaVersion: 2, mediaType: `${OCI}.manifest.v1+json`, config, layers };
  return put(`${OCI}.manifest.v1+json`, ascii(JSON.stringify(document)));
}

function putIndex(manifest: Record<string, unknown>, options: OciOptions, put: Put): Record<string, unknown> {
  const statement = ascii(JSON.stringify({ _type: 'https://in-toto.io/Statement/v0.1', subject: [] }));
  const layer = put('application/vnd.in-toto+json', statement);
  const rootfs = { type: 'layers', diff_ids: [`sha256:${sha256Of(statement)}`] };
  const config = put(
    `${OCI}.config.v1+json`,
    ascii(JSON.stringify({ architecture: 'unknown', os: 'unknown', rootfs })),
  );
  const attestation = put(
    `${OCI}.manifest.v1+json`,
    ascii(
      JSON.stringify({ schemaVersion: 2, mediaType: `${OCI}.manifest.v1+json`, config, layers: [layer] }),
    ),
    {
      platform: { architecture: 'unknown', os: 'unknown' },
      annotations: {
        'vnd.docker.reference.type': 'attestation-manifest',
        'vnd.docker.reference.digest': manifest.digest,
      },
    },
  );
  const absent = (options.absentPlatforms ?? []).map((architecture) => ({
    mediaType: `${OCI}.manifest.v1+json`,
    digest: `sha256:${sha256Of(ascii(architecture))}`,
    size: 500,
    platform: { architecture, os: 'linux' },
  }));
  const present = { ...manifest, platform: { architecture: 'amd64', os: 'linux' } };
  const index = {
    schemaVersion: 2,
    mediaType: `${OCI}.index.v1+json`,
    manifests: [present, ...absent, attestation],
  };
  return put(`${OCI}.index.v1+json`, ascii(JSON.stringify(index)));
}

function nameOf(reference: string, bareTag: boolean): Record<string, string> {
  const tag = reference.slice(reference.lastIndexOf(':') + 1);
  if (bareTag) return { 'org.opencontainers.image.ref.name': tag };
  return {
    'io.containerd.image.name': `docker.io/library/${reference}`,
    'org.opencontainers.image.ref.name': tag,
  };
}

/** An OCI archive: the layout's files in the order of their names, as skopeo writes it. */
export function ociArchive(images: readonly SampleImage[], options: OciOptions = {}): Uint8Array {
  return archiveOf(ociLayout(images, options));
}

/** Docker from 25 on: an OCI layout with a `manifest.json` of the old kind beside it. From 29 on with gzip layers. */
export function modernDockerArchive(images: readonly SampleImage[], options: OciOptions = {}): Uint8Array {
  const packing = options.packing ?? 'plain';
  const files = ociLayout(images, { ...options, packing });
  const pack = { plain: (bytes: Uint8Array) => bytes, gzip, zstd }[packing];
  const manifest = images.map((image) => ({
    Config: `blobs/sha256/${sha256Of(configOf(image))}`,
    RepoTags: image.references,
    Layers: image.layers.map((layer) => `blobs/sha256/${sha256Of(pack(layer))}`),
  }));
  files.set('manifest.json', ascii(JSON.stringify(manifest)));
  return archiveOf(files);
}

export function archiveOf(files: Files): Uint8Array {
  const names = [...files.keys()].sort();
  return concatBytes([
    tarDirectory('blobs/'),
    tarDirectory('blobs/sha256/'),
    ...names.map((name) => tarFile(name, files.get(name)!)),
    tarEnd(),
  ]);
}

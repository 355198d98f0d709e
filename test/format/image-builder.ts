import { constants, gzipSync } from 'node:zlib';
import { ascii, concatBytes, tarDirectory, tarEnd, tarFile, tarLink } from '../support/tar-builder.js';
import { sha256Hex } from './hand-made-pool.js';

/** Image archives built by hand around any layer bytes. */
export interface ImageParts {
  reference: string;
  layers: readonly Uint8Array[];
}

const digest = (bytes: Uint8Array): string => `sha256:${sha256Hex(bytes)}`;

function configOf(layers: readonly Uint8Array[]): Uint8Array {
  return ascii(
    JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      config: { Cmd: ['/bin/true'] },
      rootfs: { type: 'layers', diff_ids: layers.map(digest) },
    }),
  );
}

/** As docker up to 24 writes it: a directory a layer, a repeated layer as a link, `manifest.json` last. */
export function dockerArchive(...images: ImageParts[]): Uint8Array {
  const parts: Uint8Array[] = [];
  const firstName = new Map<string, string>();
  const manifest = images.map(({ reference, layers }, i) => {
    const config = configOf(layers);
    const names = layers.map((layer, k) => {
      const directory = sha256Hex(ascii(`${i} ${k} ${reference}`));
      const name = `${directory}/layer.tar`;
      const first = firstName.get(digest(layer));
      parts.push(tarDirectory(`${directory}/`), tarFile(`${directory}/VERSION`, ascii('1.0')));
      if (first === undefined) parts.push(tarFile(name, layer));
      else parts.push(tarLink(name, `../${first}`));
      firstName.set(digest(layer), first ?? name);
      return name;
    });
    const configName = `${sha256Hex(config)}.json`;
    parts.push(tarFile(configName, config));
    return { Config: configName, RepoTags: [reference], Layers: names };
  });
  parts.push(tarFile('manifest.json', ascii(JSON.stringify(manifest))), tarEnd(4));
  return concatBytes(parts);
}

/** An OCI layout in a tar, each layer gzipped in a way that no known encoder does: it is held as it is, for every reader. */
export function ociArchive({ reference, layers }: ImageParts): Uint8Array {
  const config = configOf(layers);
  const stored = layers.map(
    (layer) => new Uint8Array(gzipSync(layer, { level: 6, strategy: constants.Z_RLE })),
  );
  const media = (type: string): string => `application/vnd.oci.image.${type}`;
  const descriptor = (mediaType: string, bytes: Uint8Array) => ({
    mediaType,
    digest: digest(bytes),
    size: bytes.length,
  });
  const manifest = ascii(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: media('manifest.v1+json'),
      config: descriptor(media('config.v1+json'), config),
      layers: stored.map((bytes) => descriptor(media('layer.v1.tar+gzip'), bytes)),
    }),
  );
  const entry = {
    ...descriptor(media('manifest.v1+json'), manifest),
    annotations: { 'org.opencontainers.image.ref.name': reference },
  };
  const blobs = [config, manifest, ...stored].map((bytes) =>
    tarFile(`blobs/sha256/${sha256Hex(bytes)}`, bytes),
  );
  return concatBytes([
    tarDirectory('blobs/'),
    tarDirectory('blobs/sha256/'),
    ...blobs,
    tarFile('index.json', ascii(JSON.stringify({ schemaVersion: 2, manifests: [entry] }))),
    tarFile('oci-layout', ascii('{"imageLayoutVersion": "1.0.0"}')),
    tarEnd(),
  ]);
}

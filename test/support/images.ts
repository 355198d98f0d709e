import { createHash } from 'node:crypto';
import { ascii, concatBytes, noise, seededRandom, tarDirectory, tarEnd, tarFile } from './tar-builder.js';

/** Images made from nothing but a seed: the same seed gives the same bytes. */
export interface DockerArchiveOptions {
  /** Whole references, such as `app:1.0`; none for an untagged image. */
  references: string[];
  /** Plain tars from the base up; see {@link layerTar}. */
  layers: Uint8Array[];
  /** Laid over the config this makes: `{ config: { Env: ['A=1'] } }`. */
  config?: Record<string, unknown>;
}

export function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** A tar that `docker load` takes: blobs below `blobs/sha256`, `manifest.json` last. */
export function dockerArchive(options: DockerArchiveOptions): Uint8Array {
  return dockerArchiveOf([options]);
}

/** The same of several images; a layer they share is in it once. */
export function dockerArchiveOf(images: readonly DockerArchiveOptions[]): Uint8Array {
  const blobs = new Map<string, Uint8Array>();
  const put = (bytes: Uint8Array): string => {
    const name = `blobs/sha256/${sha256Of(bytes)}`;
    blobs.set(name, bytes);
    return name;
  };
  const manifest = images.map(({ references, layers, config }) => ({
    Config: put(imageConfig(layers, config)),
    RepoTags: references,
    Layers: layers.map(put),
  }));
  return concatBytes([
    tarDirectory('blobs/'),
    tarDirectory('blobs/sha256/'),
    ...[...blobs].map(([name, bytes]) => tarFile(name, bytes)),
    tarFile('manifest.json', ascii(JSON.stringify(manifest))),
    tarEnd(),
  ]);
}

/** The digest docker knows the image of {@link dockerArchive} by. */
export function imageIdOf({ layers, config }: DockerArchiveOptions): string {
  return `sha256:${sha256Of(imageConfig(layers, config))}`;
}

function imageConfig(layers: readonly Uint8Array[], overrides: Record<string, unknown> = {}): Uint8Array {
  const document = {
    architecture: 'amd64',
    os: 'linux',
    created: '2024-01-02T03:04:05Z',
    config: { Env: ['PATH=/usr/bin'], Cmd: ['/bin/sh'], WorkingDir: '/' },
    ...overrides,
    rootfs: { type: 'layers', diff_ids: layers.map((layer) => `sha256:${sha256Of(layer)}`) },
    history: layers.map((_, index) => ({ created_by: `layer ${index}` })),
  };
  return ascii(JSON.stringify(document));
}

/** A layer of files that cannot be compressed away, named `root/file-N`. */
export function layerTar(seed: number, files: number, fileBytes: number): Uint8Array {
  const parts: Uint8Array[] = [tarDirectory('root/', { mtime: seed })];
  for (let index = 0; index < files; index++) {
    parts.push(tarFile(`root/file-${index}`, noise(seed * 1000 + index, fileBytes), { mtime: seed }));
  }
  return concatBytes([...parts, tarEnd()]);
}

/** The same layer with one stretch of about a twentieth of its contents changed, somewhere that `seed` says. */
export function changedLayer(layer: Uint8Array, seed: number): Uint8Array {
  const random = seededRandom(seed);
  const changed = layer.slice();
  // Inside the first file's contents: behind the headers of directory and file.
  const length = Math.max(1, Math.floor((layer.length - 3072) / 20));
  const file = 1024 + Math.floor(random() * Math.max(1, firstFileBytes(layer) - length));
  changed.set(noise(seed, Math.min(length, firstFileBytes(layer))), file);
  return changed;
}

/** Versions of one image that share most bytes: one base layer, and an application layer that changes each time. */
export function imageVersions(
  reference: string,
  seed: number,
  count: number,
  bytes: { base: number; application: number },
): Uint8Array[] {
  const base = layerTar(seed, 3, Math.floor(bytes.base / 3));
  let application = layerTar(seed + 1, 1, bytes.application);
  return Array.from({ length: count }, (_, index) => {
    if (index > 0) application = changedLayer(application, seed + index);
    return dockerArchive({ references: [reference], layers: [base, application] });
  });
}

function firstFileBytes(layer: Uint8Array): number {
  const size = Buffer.from(layer.buffer, layer.byteOffset + 512 + 124, 11).toString('latin1');
  return Number.parseInt(size, 8);
}

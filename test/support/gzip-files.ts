import { gzipTrailer } from '../../src/compress/exact/gzip-header.js';
import { GzipRebuilder } from '../../src/compress/exact/gzip-rebuilder.js';
import { createPgzipBlockEncoder } from '../../src/compress/exact/pgzip/pgzip-encoder.js';
import type { EncoderSpec } from '../../src/format/encoder-spec.js';
import { crc32 } from '../../src/hash/crc32.js';
import type { Files } from './archive-layouts.js';
import { collectBytes } from './deflate-vectors.js';
import { sha256Of } from './images.js';
import { ascii, concatBytes } from './tar-builder.js';

/** As Go writes it at its default level. */
export const GO_HEADER = Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255);
/** As pgzip writes it. */
export const PGZIP_HEADER = Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 9, 0x6e, 0x88, 0, 255);

export const GO_6: EncoderSpec = { family: 'go', level: 6 };

/** A gzip member that an encoder of ours makes. */
export function gzipBy(encoder: EncoderSpec, plain: Uint8Array, header: Uint8Array = GO_HEADER): Uint8Array {
  return collectBytes((emit) => {
    const rebuilder = new GzipRebuilder([{ header, encoder, plainBytes: plain.length }], new Uint8Array(0));
    rebuilder.write(plain, emit);
    rebuilder.finish(emit);
  });
}

/** A gzip member in blocks of 1 MiB that pgzip makes, the last at another level than those before. */
export function gzipOfTwoLevels(plain: Uint8Array): Uint8Array {
  const blockBytes = 2 ** 20;
  const blocks: Uint8Array[] = [];
  for (let at = 0; at < plain.length; at += blockBytes) {
    const isLast = at + blockBytes >= plain.length;
    const encoder = createPgzipBlockEncoder({ level: isLast ? 6 : 5, variant: '1.15.10', blockBytes });
    blocks.push(encoder.encodeBlock(plain.subarray(at, at + blockBytes), plain.subarray(0, at), isLast));
  }
  return concatBytes([PGZIP_HEADER, ...blocks, gzipTrailer(crc32(plain), plain.length)]);
}

export interface CompressedLayer {
  plain: Uint8Array;
  compressed: Uint8Array;
}

/** An OCI layout of one image, `app:1.0`, of layers compressed elsewhere. */
export function layoutOfLayers(layers: readonly CompressedLayer[]): Files {
  const files: Files = new Map();
  const put = (mediaType: string, bytes: Uint8Array) => {
    files.set(`blobs/sha256/${sha256Of(bytes)}`, bytes);
    return { mediaType, digest: `sha256:${sha256Of(bytes)}`, size: bytes.length };
  };
  const diffIds = layers.map(({ plain }) => `sha256:${sha256Of(plain)}`);
  const config = { architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: diffIds } };
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  const manifest = {
    schemaVersion: 2,
    mediaType,
    config: put('application/vnd.oci.image.config.v1+json', ascii(JSON.stringify(config))),
    layers: layers.map(({ compressed }) => put('application/vnd.oci.image.layer.v1.tar+gzip', compressed)),
  };
  const root = put(mediaType, ascii(JSON.stringify(manifest)));
  const named = { ...root, annotations: { 'org.opencontainers.image.ref.name': 'app:1.0' } };
  files.set('oci-layout', ascii('{"imageLayoutVersion":"1.0.0"}'));
  files.set('index.json', ascii(JSON.stringify({ schemaVersion: 2, manifests: [named] })));
  return files;
}

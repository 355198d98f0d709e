/** The media types of OCI image-spec 1.1 and of Docker's image manifest version 2, schema 2. */
export const MEDIA_TYPES = {
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  ociConfig: 'application/vnd.oci.image.config.v1+json',
  ociLayerTar: 'application/vnd.oci.image.layer.v1.tar',
  ociLayerTarGzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  ociLayerTarZstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
  ociForeignLayerTar: 'application/vnd.oci.image.layer.nondistributable.v1.tar',
  ociForeignLayerTarGzip: 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
  ociForeignLayerTarZstd: 'application/vnd.oci.image.layer.nondistributable.v1.tar+zstd',
  ociEmpty: 'application/vnd.oci.empty.v1+json',
  dockerList: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerConfig: 'application/vnd.docker.container.image.v1+json',
  dockerLayerTar: 'application/vnd.docker.image.rootfs.diff.tar',
  dockerLayerTarGzip: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
  dockerLayerTarZstd: 'application/vnd.docker.image.rootfs.diff.tar.zstd',
  dockerForeignLayerTar: 'application/vnd.docker.image.rootfs.foreign.diff.tar',
  dockerForeignLayerTarGzip: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
  /** A layer of an attestation manifest: a statement about an image, not files of one. */
  inToto: 'application/vnd.in-toto+json',
} as const;

export type LayerCompression = 'none' | 'gzip' | 'zstd' | 'unknown';

const LAYER_COMPRESSIONS: ReadonlyMap<string, LayerCompression> = new Map([
  [MEDIA_TYPES.ociLayerTar, 'none'],
  [MEDIA_TYPES.ociLayerTarGzip, 'gzip'],
  [MEDIA_TYPES.ociLayerTarZstd, 'zstd'],
  [MEDIA_TYPES.ociForeignLayerTar, 'none'],
  [MEDIA_TYPES.ociForeignLayerTarGzip, 'gzip'],
  [MEDIA_TYPES.ociForeignLayerTarZstd, 'zstd'],
  [MEDIA_TYPES.dockerLayerTar, 'none'],
  [MEDIA_TYPES.dockerLayerTarGzip, 'gzip'],
  [MEDIA_TYPES.dockerLayerTarZstd, 'zstd'],
  [MEDIA_TYPES.dockerForeignLayerTar, 'none'],
  [MEDIA_TYPES.dockerForeignLayerTarGzip, 'gzip'],
]);

/** True for a document that lists manifests: an OCI index or a Docker manifest list. */
export function isIndexMediaType(mediaType: string): boolean {
  return mediaType === MEDIA_TYPES.ociIndex || mediaType === MEDIA_TYPES.dockerList;
}

/** True for the manifest of one image. */
export function isManifestMediaType(mediaType: string): boolean {
  return mediaType === MEDIA_TYPES.ociManifest || mediaType === MEDIA_TYPES.dockerManifest;
}

/** True for the config of a runnable image; other manifests (charts, signatures) carry other configs. */
export function isImageConfigMediaType(mediaType: string): boolean {
  return mediaType === MEDIA_TYPES.ociConfig || mediaType === MEDIA_TYPES.dockerConfig;
}

/** How a layer of this media type is compressed; `unknown` for what is no layer tar (or an encrypted one). */
export function layerCompression(mediaType: string): LayerCompression {
  return LAYER_COMPRESSIONS.get(mediaType) ?? 'unknown';
}

/** True for a layer that may legitimately be missing because only its vendor may hand it out. */
export function isForeignLayer(mediaType: string): boolean {
  return LAYER_COMPRESSIONS.has(mediaType) && /\.(?:foreign|nondistributable)\./.test(mediaType);
}

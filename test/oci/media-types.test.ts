import { expect, it } from 'vitest';
import {
  isForeignLayer,
  isImageConfigMediaType,
  isIndexMediaType,
  isManifestMediaType,
  layerCompression,
  MEDIA_TYPES,
} from '../../src/oci/media-types.js';

it('puts each media type into one kind', () => {
  const kinds = Object.values(MEDIA_TYPES).map((type) =>
    [
      isIndexMediaType(type) && 'index',
      isManifestMediaType(type) && 'manifest',
      isImageConfigMediaType(type) && 'config',
      layerCompression(type) !== 'unknown' && 'layer',
    ].filter(Boolean),
  );
  expect(kinds.every((kind) => kind.length <= 1)).toBe(true);
  expect(kinds.flat().sort().join(' ')).toBe(
    `config config index index ${'layer '.repeat(11)}manifest manifest`,
  );
});

it.each([
  ['application/vnd.oci.image.layer.v1.tar', 'none', false],
  ['application/vnd.oci.image.layer.v1.tar+gzip', 'gzip', false],
  ['application/vnd.oci.image.layer.v1.tar+zstd', 'zstd', false],
  ['application/vnd.oci.image.layer.nondistributable.v1.tar+gzip', 'gzip', true],
  ['application/vnd.docker.image.rootfs.diff.tar', 'none', false],
  ['application/vnd.docker.image.rootfs.diff.tar.gzip', 'gzip', false],
  ['application/vnd.docker.image.rootfs.foreign.diff.tar.gzip', 'gzip', true],
  ['application/vnd.oci.image.layer.v1.tar+gzip+encrypted', 'unknown', false],
  ['application/vnd.in-toto+json', 'unknown', false],
  ['constructor', 'unknown', false],
])('%s is compressed with %s', (mediaType, compression, foreign) => {
  expect(layerCompression(mediaType)).toBe(compression);
  expect(isForeignLayer(mediaType)).toBe(foreign);
});

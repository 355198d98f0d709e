import { DbupError } from '../core/errors.js';
import type { Descriptor } from '../oci/descriptor.js';
import type { Digest } from '../oci/digest.js';
import { formatPlatform, type Platform, platformMatches } from '../oci/platform.js';
import { walkImageTree } from './oci-layout.js';

/** BuildKit's word on an attestation: the manifest it is about. */
export const REFERENCE_DIGEST = 'vnd.docker.reference.digest';

/**
 * The manifests below `root` that are for none of some platforms, with the statements about them. What is for no
 * platform, a chart for one, is wanted by whoever wants its index.
 * @param readDocument as for {@link walkImageTree}
 * @param where names the image in errors
 * @throws DbupError INPUT_NOT_FOUND when there is nothing for one of the platforms
 */
export function unwantedManifests(
  root: Descriptor,
  readDocument: (descriptor: Descriptor) => Uint8Array | null,
  platforms: readonly Platform[],
  where: string,
): Set<Digest> {
  const { images } = walkImageTree(root, readDocument);
  const runnable = images.filter((image) => !image.attestation && image.imageConfig !== null);
  const present = runnable.flatMap(({ platform }) => platform ?? []);
  if (present.length === 0) return new Set();
  for (const wanted of platforms) {
    if (!present.some((platform) => platformMatches(wanted, platform)))
      throw noPlatform(wanted, present, where);
  }
  const unwanted = new Set<Digest>();
  for (const { platform, manifest } of runnable) {
    if (platform && !platforms.some((wanted) => platformMatches(wanted, platform)))
      unwanted.add(manifest.digest);
  }
  for (const { attestation, manifest } of images) {
    const about = manifest.annotations?.[REFERENCE_DIGEST];
    if (attestation && about !== undefined && unwanted.has(about as Digest)) unwanted.add(manifest.digest);
  }
  return unwanted;
}

/** The error for a platform that an image does not have. */
export function noPlatform(wanted: Platform, present: readonly Platform[], where: string): DbupError {
  const platforms = [...new Set(present.map(formatPlatform))];
  return new DbupError('INPUT_NOT_FOUND', `${where} has no image for ${formatPlatform(wanted)}`, {
    hint: `It has ${platforms.join(', ')}; choose of these with --platform, or leave it out.`,
    details: { platforms },
  });
}

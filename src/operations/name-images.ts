import { basename } from 'node:path';
import { noPlatform } from '../archive/layout-platforms.js';
import { DbupError } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import { normalisedReference } from '../image/oci-directory.js';
import { type Platform, platformMatches, platformOf } from '../oci/platform.js';
import { untaggedReference } from '../oci/reference.js';
import type { FoundImage } from './found-image.js';

/** The image of an archive that `reference` names. @throws DbupError INPUT_NOT_FOUND */
export function chooseImage(
  found: readonly FoundImage[],
  reference: string,
  description: string,
): FoundImage[] {
  const wanted = normalisedReference(reference);
  const byName = found.find(({ references }) => wanted !== null && references.includes(wanted));
  if (byName) return [{ ...byName, references: [wanted!] }];
  // An OCI layout may hold bare tags, and skopeo calls an image by the tag alone.
  const byTag = found.find(({ tag, layoutName }) => tag === reference || layoutName === reference);
  if (byTag) return [byTag];
  const names = found.flatMap(({ references, tag }) => (tag === null ? references : [...references, tag]));
  throw new DbupError('INPUT_NOT_FOUND', `${description} has no image ${reference}`, {
    hint:
      names.length > 0
        ? `It has ${names.slice(0, 10).join(', ')}.`
        : 'Its images have no names; leave the name out.',
  });
}

/**
 * The images for some platforms, or all where none is named.
 * @throws DbupError INPUT_NOT_FOUND for a platform that no image is for
 */
export function imagesFor(
  platforms: readonly Platform[],
  found: readonly FoundImage[],
  description: string,
): FoundImage[] {
  if (platforms.length === 0) return [...found];
  const isFor = ({ images }: FoundImage, wanted: Platform): boolean =>
    images.some(({ platform }) => platformMatches(wanted, platformOf(platform)));
  const present = found.flatMap(({ images }) => images.map(({ platform }) => platformOf(platform)));
  for (const wanted of platforms) {
    if (!found.some((image) => isFor(image, wanted))) throw noPlatform(wanted, present, description);
  }
  return found.filter((image) => platforms.some((wanted) => isFor(image, wanted)));
}

/** How many images there are, each counted once however many names it has. */
export function countImages(found: readonly FoundImage[]): number {
  return new Set(found.map(identityOf)).size;
}

function identityOf({ root, imageId }: FoundImage): string {
  return root?.digest ?? imageId;
}

/**
 * The references to save under: given, or the source's own, or made from the file's name and the tag, or from the id.
 * @throws DbupError USAGE, INPUT_INVALID, INPUT_TOO_LARGE
 */
export function nameImages(
  found: readonly FoundImage[],
  as: string | undefined,
  path: string,
): { image: FoundImage; references: string[] }[] {
  if (as !== undefined) {
    const count = countImages(found);
    if (count === 1) return [{ image: found[0]!, references: [as] }];
    throw new DbupError('USAGE', `--as names one image, but ${path} holds ${count}`, {
      hint: 'Leave --as out, or choose one image with docker-archive:FILE:reference.',
    });
  }
  const named = found.map((image) => {
    if (image.references.length > 0) return { image, references: image.references };
    return { image, references: [referenceFromTag(image, path) ?? untaggedReference(image.imageId)] };
  });
  checkNames(named, path);
  return named;
}

/** One reference for two images would make one of them a version of the other, and which one by chance. */
function checkNames(named: readonly { image: FoundImage; references: string[] }[], path: string): void {
  const identities = new Map<string, string>();
  for (const { image, references } of named) {
    const identity = identityOf(image);
    for (const reference of references) {
      const other = identities.get(reference);
      if (other !== undefined && other !== identity) {
        throw new DbupError('INPUT_INVALID', `${path} gives the name ${reference} to two images`, {
          hint: 'Save one of them, by its tag or with --as, or name them apart where they come from.',
          details: { reference, images: [other, identity] },
        });
      }
      identities.set(reference, identity);
    }
  }
  if (identities.size <= LIMITS.archiveImages) return;
  throw new DbupError(
    'INPUT_TOO_LARGE',
    `${path} names its images by ${identities.size} references; at most ${LIMITS.archiveImages} are saved at once`,
    { hint: 'Save one of them under a name of your own with --as.' },
  );
}

function referenceFromTag(image: FoundImage, path: string): string | null {
  if (image.tag === null) return null;
  const name = basename(path)
    .replace(/\.(tar|oci)$/, '')
    .toLowerCase();
  return normalisedReference(`${name}:${image.tag}`);
}

import { open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import {
  blobPath,
  type LayoutImage,
  listLayoutImages,
  OCI_INDEX_NAME,
  OCI_LAYOUT_NAME,
  parseOciLayoutFile,
} from '../archive/oci-layout.js';
import { DbupError, isSystemError, toDbupError } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import type { Digest } from '../oci/digest.js';
import { parseReference } from '../oci/reference.js';
import { type ArchiveInput, openArchiveInput } from './archive-input.js';

/** The annotation that holds what skopeo calls an image of a layout. */
export const OCI_REF_NAME = 'org.opencontainers.image.ref.name';

/** An OCI image layout (image-layout specification 1.0) whose blobs can be opened one by one. */
export interface OciLayout {
  /** What errors call it. */
  path: string;
  /** The chosen entries of its index. */
  entries: LayoutImage[];
  /** The other ones. */
  others: LayoutImage[];
  /** A document whole, or null when the layout does not hold it; its digest is not checked. @throws DbupError INPUT_TOO_LARGE */
  readDocument(digest: Digest): Promise<Uint8Array | null>;
  /** Null when the layout does not hold the blob. The caller closes it. */
  openBlob(digest: Digest): Promise<ArchiveInput | null>;
}

/**
 * Reads a layout's index and chooses the images of `tag`, or all.
 * @throws DbupError INPUT_NOT_AN_IMAGE, INPUT_NOT_FOUND, INPUT_INVALID
 */
export async function readOciDirectory(path: string, tag: string | null): Promise<OciLayout> {
  const marker = await readSmallFile(join(path, OCI_LAYOUT_NAME));
  const index = await readSmallFile(join(path, OCI_INDEX_NAME));
  if (!marker || !index) {
    throw new DbupError(
      'INPUT_NOT_AN_IMAGE',
      `${path} is not an OCI image layout: it has no ${marker ? OCI_INDEX_NAME : OCI_LAYOUT_NAME}`,
      {
        hint: '`skopeo copy docker-daemon:IMAGE oci:DIR:tag` writes one.',
      },
    );
  }
  parseOciLayoutFile(marker, join(path, OCI_LAYOUT_NAME));
  const all = listLayoutImages(index, join(path, OCI_INDEX_NAME));
  return {
    path,
    ...chooseEntries(all, tag, path),
    readDocument: (digest) => readSmallFile(ociBlobFile(path, digest)),
    openBlob: (digest) => openBlobFile(ociBlobFile(path, digest)),
  };
}

/** The entries of `tag`, or all, and the rest. @throws DbupError INPUT_NOT_FOUND */
export function chooseEntries(
  all: readonly LayoutImage[],
  tag: string | null,
  path: string,
): Pick<OciLayout, 'entries' | 'others'> {
  if (tag === null) return { entries: [...all], others: [] };
  const entries = all.filter((entry) => layoutImageMatches(entry, tag));
  if (entries.length > 0) return { entries, others: all.filter((entry) => !entries.includes(entry)) };
  const names = all.flatMap(({ name }) => (name === null ? [] : [name]));
  throw new DbupError('INPUT_NOT_FOUND', `${path} has no image ${tag}`, {
    hint:
      names.length > 0
        ? `It has ${names.slice(0, 10).join(', ')}.`
        : 'Its images have no names; leave the tag out.',
  });
}

/** Nothing but a regular file is opened: a pipe would keep us waiting. */
async function openBlobFile(path: string): Promise<ArchiveInput | null> {
  const info = await fileInfo(path);
  if (info === null) return null;
  if (info.isFile) return openArchiveInput(path);
  throw new DbupError('INPUT_INVALID', `${path} is not a file`, {
    hint: 'The layout is damaged: copy the image again.',
  });
}

/** True when a user may call an entry of a layout so: by its whole reference, or as its annotation spells it. */
export function layoutImageMatches({ descriptor, name, reference }: LayoutImage, wanted: string): boolean {
  if (name === wanted || descriptor.annotations?.[OCI_REF_NAME] === wanted) return true;
  return reference !== null && reference === normalisedReference(wanted);
}

/** The reference as dbup spells it; null when the text is none. */
export function normalisedReference(text: string): string | null {
  try {
    return parseReference(text).text;
  } catch (error) {
    if (error instanceof DbupError && error.code === 'REFERENCE_INVALID') return null;
    throw error;
  }
}

/** The file that holds a blob. A digest is hex digits only, so the path stays in the layout. */
function ociBlobFile(directory: string, digest: Digest): string {
  return join(directory, blobPath(digest));
}

/** What a path is, links followed; null when there is nothing. */
export async function fileInfo(path: string): Promise<{ isFile: boolean; sizeBytes: number } | null> {
  try {
    const stats = await stat(path);
    return { isFile: stats.isFile(), sizeBytes: stats.size };
  } catch (error) {
    if (isSystemError(error, 'ENOENT') || isSystemError(error, 'ENOTDIR')) return null;
    throw toDbupError(error, `reading ${path}`);
  }
}

/** A JSON document of the layout; null when there is none. @throws DbupError INPUT_TOO_LARGE, INPUT_INVALID */
export async function readSmallFile(path: string): Promise<Uint8Array | null> {
  const info = await fileInfo(path);
  if (info === null) return null;
  // A pipe or a device would keep us waiting, or never end.
  if (!info.isFile) {
    throw new DbupError('INPUT_INVALID', `${path} is not a file`, {
      hint: 'The layout is damaged: copy the image again.',
    });
  }
  if (info.sizeBytes > LIMITS.imageJsonBytes) {
    throw new DbupError(
      'INPUT_TOO_LARGE',
      `${path} has ${info.sizeBytes} bytes; at most ${LIMITS.imageJsonBytes} are read as JSON`,
      { hint: 'No tool writes an image like this; check where it comes from.' },
    );
  }
  try {
    const handle = await open(path, 'r');
    try {
      const bytes = new Uint8Array(info.sizeBytes);
      let fill = 0;
      while (fill < bytes.length) {
        const { bytesRead } = await handle.read(bytes, fill, bytes.length - fill, fill);
        if (bytesRead === 0) break;
        fill += bytesRead;
      }
      return bytes.subarray(0, fill);
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw toDbupError(error, `reading ${path}`);
  }
}

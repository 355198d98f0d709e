import { open } from 'node:fs/promises';
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

/** An OCI image layout in a directory (OCI image-layout specification 1.0). */
export interface OciDirectory {
  path: string;
  /** The chosen entries of its index. */
  entries: LayoutImage[];
}

/**
 * Reads a layout's index and chooses the images of `tag`, or all.
 * @throws DbupError INPUT_NOT_AN_IMAGE, INPUT_NOT_FOUND, INPUT_INVALID
 */
export async function readOciDirectory(path: string, tag: string | null): Promise<OciDirectory> {
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
  if (tag === null) return { path, entries: all };
  const entries = all.filter(({ name, reference }) => name === tag || reference === tag);
  if (entries.length > 0) return { path, entries };
  const names = all.flatMap(({ name }) => (name === null ? [] : [name]));
  throw new DbupError('INPUT_NOT_FOUND', `${path} has no image ${tag}`, {
    hint:
      names.length > 0
        ? `It has ${names.slice(0, 10).join(', ')}.`
        : 'Its images have no names; leave the tag out.',
  });
}

/** The file that holds a blob. A digest is hex digits only, so the path stays in the layout. */
export function ociBlobFile(directory: string, digest: Digest): string {
  return join(directory, blobPath(digest));
}

/** A JSON document of the layout; null when there is none. @throws DbupError INPUT_TOO_LARGE */
export async function readSmallFile(path: string): Promise<Uint8Array | null> {
  try {
    const handle = await open(path, 'r');
    try {
      const { size } = await handle.stat();
      if (size > LIMITS.imageJsonBytes) {
        throw new DbupError(
          'INPUT_TOO_LARGE',
          `${path} has ${size} bytes; at most ${LIMITS.imageJsonBytes} are read as JSON`,
        );
      }
      return await handle.readFile();
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (isSystemError(error, 'ENOENT') || isSystemError(error, 'ENOTDIR')) return null;
    throw toDbupError(error, `reading ${path}`);
  }
}

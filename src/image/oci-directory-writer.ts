import { mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import {
  buildIndex,
  listLayoutImages,
  OCI_INDEX_NAME,
  OCI_LAYOUT_NAME,
  ociLayoutFileBytes,
} from '../archive/oci-layout.js';
import { toDbupError } from '../core/errors.js';
import type { Descriptor } from '../oci/descriptor.js';
import { readSmallFile } from './oci-directory.js';
import { writeOutputFile } from './output-file.js';

/** A blob to be in the layout; `read` is called only when it is not there yet. */
export interface LayoutBlob {
  /** `blobs/sha256/<hex>`. */
  name: string;
  sizeBytes: number;
  read(): AsyncIterable<Uint8Array>;
}

/**
 * Adds an image to the OCI layout in `directory`, which is made when it is not there. Blobs come first and the
 * index last; images that are there stay, but for one of the same name, as skopeo has it.
 */
export async function writeOciDirectory(
  directory: string,
  blobs: readonly LayoutBlob[],
  entry: Descriptor,
): Promise<void> {
  try {
    await mkdir(join(directory, 'blobs', 'sha256'), { recursive: true });
    const index = await readSmallFile(join(directory, OCI_INDEX_NAME));
    const others = index ? listLayoutImages(index, join(directory, OCI_INDEX_NAME)) : [];
    for (const blob of blobs) {
      const path = join(directory, blob.name);
      if ((await fileBytes(path)) !== blob.sizeBytes) await writeOutputFile(path, blob.read());
    }
    await writeOutputFile(join(directory, OCI_LAYOUT_NAME), once(ociLayoutFileBytes()));
    const kept = others.map(({ descriptor }) => descriptor).filter((other) => !sameName(other, entry));
    await writeOutputFile(join(directory, OCI_INDEX_NAME), once(buildIndex([...kept, entry])));
  } catch (error) {
    throw toDbupError(error, `writing the OCI layout ${directory}`);
  }
}

const REF_NAME = 'org.opencontainers.image.ref.name';

function sameName(a: Descriptor, b: Descriptor): boolean {
  return a.annotations?.[REF_NAME] !== undefined && a.annotations[REF_NAME] === b.annotations?.[REF_NAME];
}

async function fileBytes(path: string): Promise<number | null> {
  try {
    return (await stat(path)).size;
  } catch {
    return null;
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

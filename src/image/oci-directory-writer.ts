import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { buildIndexOf, type LayoutEntry } from '../archive/layout-entry.js';
import {
  listLayoutImages,
  OCI_INDEX_NAME,
  OCI_LAYOUT_NAME,
  ociLayoutFileBytes,
  parseBlobPath,
  parseOciLayoutFile,
} from '../archive/oci-layout.js';
import { toDbupError } from '../core/errors.js';
import { Sha256Stream } from '../hash/sha256.js';
import type { Descriptor } from '../oci/descriptor.js';
import { type FileSystem, nodeFileSystem } from '../store/file-system.js';
import { fileInfo, OCI_REF_NAME, readSmallFile } from './oci-directory.js';
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
 * index last. What is there stays as it is, but for an image of the same name, which is replaced, and for a
 * blob whose bytes are not what its name says.
 * @throws DbupError INPUT_INVALID when the directory holds another thing by the names of a layout
 */
export async function writeOciDirectory(
  directory: string,
  blobs: readonly LayoutBlob[],
  entries: readonly LayoutEntry[],
  fs: FileSystem = nodeFileSystem,
): Promise<void> {
  try {
    await fs.makeDirectory(join(directory, 'blobs', 'sha256'));
    const marker = await readSmallFile(join(directory, OCI_LAYOUT_NAME));
    if (marker) parseOciLayoutFile(marker, join(directory, OCI_LAYOUT_NAME));
    const index = await readSmallFile(join(directory, OCI_INDEX_NAME));
    const newIndex = index
      ? withEntries(index, join(directory, OCI_INDEX_NAME), entries)
      : buildIndexOf(entries);
    for (const blob of blobs) {
      if (!(await holdsBlob(directory, blob)))
        await writeOutputFile(join(directory, blob.name), blob.read(), { fs });
    }
    const options = { fs, durable: true };
    if (!marker) await writeOutputFile(join(directory, OCI_LAYOUT_NAME), once(ociLayoutFileBytes()), options);
    // The index lists what others put here, too: it must not be lost with the power.
    await writeOutputFile(join(directory, OCI_INDEX_NAME), once(newIndex), options);
  } catch (error) {
    throw toDbupError(error, `writing the OCI layout ${directory}`);
  }
}

/** The index with `entries` last, all else in it as it was, fields that dbup does not know included. */
function withEntries(index: Uint8Array, where: string, entries: readonly LayoutEntry[]): Uint8Array {
  const listed = listLayoutImages(index, where);
  const document = JSON.parse(new TextDecoder().decode(index)) as { manifests?: unknown[] };
  const raw = document.manifests ?? [];
  const kept = raw.filter(
    (_, i) => !entries.some((entry) => isSame(listed[i]!.descriptor, entry.descriptor)),
  );
  return Buffer.from(
    JSON.stringify({ ...document, manifests: [...kept, ...entries.map(({ json }) => json)] }),
  );
}

const CONTAINERD_NAME = 'io.containerd.image.name';

/** By the whole names where both have one: two repositories may have the same tag. Otherwise by what skopeo goes by. */
function isSame(a: Descriptor, b: Descriptor): boolean {
  if (!isNamed(a) && !isNamed(b)) return a.digest === b.digest;
  const [whole, otherWhole] = [a.annotations?.[CONTAINERD_NAME], b.annotations?.[CONTAINERD_NAME]];
  if (whole !== undefined && otherWhole !== undefined) return whole === otherWhole;
  const name = a.annotations?.[OCI_REF_NAME];
  return name !== undefined && name === b.annotations?.[OCI_REF_NAME];
}

function isNamed({ annotations = {} }: Descriptor): boolean {
  return annotations[CONTAINERD_NAME] !== undefined || annotations[OCI_REF_NAME] !== undefined;
}

/** True when the layout has the blob, every byte of it. */
async function holdsBlob(directory: string, blob: LayoutBlob): Promise<boolean> {
  const path = join(directory, blob.name);
  const info = await fileInfo(path);
  if (!info?.isFile || info.sizeBytes !== blob.sizeBytes) return false;
  const sha256 = new Sha256Stream();
  for await (const piece of createReadStream(path, { highWaterMark: 1024 * 1024 })) sha256.update(piece);
  return parseBlobPath(blob.name) === `sha256:${sha256.hex()}`;
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

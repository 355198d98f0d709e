import { blobPath, walkImageTree } from '../archive/oci-layout.js';
import { detectCompression, PlainDigester } from '../compress/plain-digest.js';
import { throwIfInterrupted } from '../core/context.js';
import { DbupError, isSystemError } from '../core/errors.js';
import { sha256Hex } from '../hash/sha256.js';
import { openArchiveInput } from '../image/archive-input.js';
import { type OciDirectory, ociBlobFile, readSmallFile } from '../image/oci-directory.js';
import type { Descriptor } from '../oci/descriptor.js';
import { digestHex } from '../oci/digest.js';
import { isImageConfigMediaType, isIndexMediaType, isManifestMediaType } from '../oci/media-types.js';
import { BlobWriter } from '../pool/blob-writer.js';
import { digestMismatch, type IngestedMember } from './ingest-archive.js';
import type { SaveSession } from './save-session.js';

/**
 * Takes every blob that the chosen images of a layout need into the pool.
 * @returns the blobs as if they were members of an archive
 * @throws DbupError DIGEST_MISMATCH, INPUT_INVALID, INPUT_CHANGED
 */
export async function ingestOciDirectory(
  layout: OciDirectory,
  session: SaveSession,
): Promise<Map<string, IngestedMember>> {
  const members = new Map<string, IngestedMember>();
  for (const { descriptor } of layout.entries) {
    await readDocuments(layout.path, descriptor, members);
    const tree = walkImageTree(descriptor, ({ digest }) => members.get(blobPath(digest))?.document ?? null);
    for (const blob of [...tree.documents, ...tree.layers, ...tree.opaque]) {
      throwIfInterrupted(session.context.signal);
      await ingestBlob(layout.path, blob, members, session);
    }
  }
  return members;
}

/** Documents must be at hand before the tree can be walked: breadth first from the top. */
async function readDocuments(
  directory: string,
  root: Descriptor,
  members: Map<string, IngestedMember>,
): Promise<void> {
  const queue = [root];
  const asked = new Set<string>();
  while (queue.length > 0) {
    const { digest } = queue.shift()!;
    const key = blobPath(digest);
    if (members.has(key) || asked.has(key)) continue;
    asked.add(key);
    const document = await readSmallFile(ociBlobFile(directory, digest));
    if (!document) continue;
    const actual = sha256Hex(document);
    if (actual !== digestHex(digest)) throw digestMismatch(key, digestHex(digest), actual, directory);
    members.set(key, { kind: 'file', document });
    // Walking what is known so far tells which documents are wanted next.
    const tree = walkImageTree(root, (wanted) => members.get(blobPath(wanted.digest))?.document ?? null);
    queue.push(...tree.absent.filter(({ mediaType }) => isDocument(mediaType)));
  }
}

function isDocument(mediaType: string): boolean {
  return isIndexMediaType(mediaType) || isManifestMediaType(mediaType) || isImageConfigMediaType(mediaType);
}

async function ingestBlob(
  directory: string,
  { digest, sizeBytes }: Descriptor,
  members: Map<string, IngestedMember>,
  session: SaveSession,
): Promise<void> {
  const key = blobPath(digest);
  const path = ociBlobFile(directory, digest);
  const member: IngestedMember = members.get(key) ?? { kind: 'file' };
  if (member.blob) return;
  const input = await openArchiveInput(path).catch((error: unknown) => {
    if (
      error instanceof DbupError &&
      (error.code === 'INPUT_NOT_FOUND' || isSystemError(error.cause, 'ENOENT'))
    )
      return null;
    throw error;
  });
  if (!input) return;
  try {
    const known = await session.known.find(digestHex(digest), sizeBytes);
    if (known) {
      const actual = await session.pool.workers.hashFile(path, 0, sizeBytes);
      if (actual !== digestHex(digest)) throw digestMismatch(key, digestHex(digest), actual, directory);
      members.set(key, { ...member, blob: known });
      return;
    }
    const task = `reading ${key}`;
    session.context.report({ type: 'start', task, subject: key, totalBytes: sizeBytes });
    input.useBuffers(session.ingest.windows);
    const writer = new BlobWriter(session.ingest);
    let digester: PlainDigester | null = null;
    for (let bytes = await input.read(); bytes; bytes = await input.read()) {
      throwIfInterrupted(session.context.signal);
      const compression = input.positionBytes === bytes.length ? detectCompression(bytes) : null;
      if (compression) digester = new PlainDigester(compression);
      await writer.write(bytes);
      await digester?.write(bytes);
      session.context.report({ type: 'bytes', task, doneBytes: input.positionBytes, totalBytes: sizeBytes });
    }
    await input.assertUnchanged();
    const blob = await writer.finish();
    if (blob.digestHex !== digestHex(digest))
      throw digestMismatch(key, digestHex(digest), blob.digestHex, directory);
    members.set(key, { ...member, blob, ...(digester && { plain: await digester.finish() }) });
    session.context.report({ type: 'end', task });
  } finally {
    await input.close();
  }
}

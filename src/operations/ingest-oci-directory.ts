import { blobPath, walkImageTree } from '../archive/oci-layout.js';
import { COMPRESSION_MAGIC_BYTES, type Compression, detectCompression } from '../compress/inflate.js';
import { PlainDigester } from '../compress/plain-digest.js';
import { throwIfInterrupted } from '../core/context.js';
import { DbupError } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import { sha256Hex } from '../hash/sha256.js';
import { type ArchiveInput, openArchiveInput } from '../image/archive-input.js';
import { fileInfo, type OciDirectory, ociBlobFile, readSmallFile } from '../image/oci-directory.js';
import type { Descriptor } from '../oci/descriptor.js';
import { type Digest, digestHex } from '../oci/digest.js';
import { isImageConfigMediaType, isIndexMediaType, isManifestMediaType } from '../oci/media-types.js';
import { BlobWriter, type StoredBlob } from '../pool/blob-writer.js';
import type { IngestedMember } from './ingested-member.js';
import { digestMismatch } from './member-sink.js';
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
  const budget = new DocumentBudget(layout.path);
  const asked = new Set<string>();
  for (const { descriptor } of layout.entries) {
    await readDocuments(layout.path, descriptor, members, budget);
    const tree = walkImageTree(descriptor, ({ digest }) => members.get(blobPath(digest))?.document ?? null);
    for (const blob of [...tree.documents, ...tree.layers, ...tree.opaque]) {
      throwIfInterrupted(session.context.signal);
      if (asked.has(blob.digest)) continue;
      asked.add(blob.digest);
      await ingestBlob(layout.path, blob, members, session);
    }
  }
  await session.gzip.settle();
  return members;
}

/** Documents must be at hand before the tree can be walked: level by level from the top. */
async function readDocuments(
  directory: string,
  root: Descriptor,
  members: Map<string, IngestedMember>,
  budget: DocumentBudget,
): Promise<void> {
  const asked = new Set<string>();
  for (let wanted = [root]; wanted.length > 0; ) {
    for (const { digest } of wanted) {
      const key = blobPath(digest);
      asked.add(digest);
      if (members.has(key)) continue;
      const document = await readSmallFile(ociBlobFile(directory, digest));
      if (!document) continue;
      budget.take(document.length);
      const actual = sha256Hex(document);
      if (actual !== digestHex(digest)) throw digestMismatch(key, digestHex(digest), actual, directory);
      members.set(key, { kind: 'file', document });
    }
    // Walking what is known so far tells which documents are wanted next.
    const tree = walkImageTree(root, ({ digest }) => members.get(blobPath(digest))?.document ?? null);
    wanted = tree.absent.filter(({ digest, mediaType }) => !asked.has(digest) && isDocument(mediaType));
  }
}

/** What the documents of all images of a layout may come to, held in memory together. */
class DocumentBudget {
  readonly #directory: string;
  #leftBytes: number = LIMITS.imageJsonTotalBytes;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** @throws DbupError INPUT_TOO_LARGE */
  take(byteCount: number): void {
    this.#leftBytes -= byteCount;
    if (this.#leftBytes >= 0) return;
    throw new DbupError(
      'INPUT_TOO_LARGE',
      `the JSON documents of ${this.#directory} have more than ${LIMITS.imageJsonTotalBytes} bytes`,
      { hint: 'Save its images one by one: oci:DIR:tag.' },
    );
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
  const member: IngestedMember = members.get(key) ?? { kind: 'file' };
  if (member.blob) return;
  const input = await openBlobFile(ociBlobFile(directory, digest));
  if (!input) return;
  let isQueued = false;
  try {
    if (input.sizeBytes !== sizeBytes) {
      throw new DbupError(
        'INPUT_INVALID',
        `${key} of ${directory} has ${input.sizeBytes} bytes; the image says ${sizeBytes}`,
        { hint: 'The image is incomplete or damaged: save or download it again.' },
      );
    }
    const head = new Uint8Array(COMPRESSION_MAGIC_BYTES);
    const compression = detectCompression(head.subarray(0, await input.readAt(head, 0)));
    const known = await findKnown(input, key, digestHex(digest), compression, session);
    if (known) members.set(key, { ...member, blob: known });
    else if (compression === 'gzip') {
      isQueued = true;
      await queueGzip(input, key, digest, session, (stored) => members.set(key, { ...member, ...stored }));
    } else members.set(key, { ...member, ...(await storeBlobFile(input, key, digest, session)) });
  } finally {
    if (!isQueued) await input.close();
  }
}

async function queueGzip(
  input: ArchiveInput,
  key: string,
  digest: Digest,
  session: SaveSession,
  keep: (stored: Pick<IngestedMember, 'blob' | 'plain'>) => void,
): Promise<void> {
  await session.gzip.add({
    name: key,
    region: { path: input.path!, offsetBytes: 0, sizeBytes: input.sizeBytes! },
    async done({ blob, plain }) {
      await input.assertUnchanged();
      if (blob.digestHex !== digestHex(digest))
        throw digestMismatch(key, digestHex(digest), blob.digestHex, input.description);
      keep({ blob, ...(plain !== undefined && { plain }) });
    },
    dispose: () => input.close(),
  });
}

/** A blob the pool holds is hashed, and not stored again. */
async function findKnown(
  input: ArchiveInput,
  key: string,
  expected: string,
  compression: Compression | null,
  session: SaveSession,
): Promise<StoredBlob | null> {
  const blob = await session.known.find(expected, input.sizeBytes!);
  if (!blob) return null;
  // What a compressed layer inflates to must have been proven before.
  if (compression && session.known.diffIdOf(`sha256:${expected}`) === undefined) return null;
  const actual = await session.pool.workers.hashFile(input.path!, 0, input.sizeBytes!);
  await input.assertUnchanged();
  if (actual !== expected) throw digestMismatch(key, expected, actual, input.description);
  return blob;
}

async function storeBlobFile(
  input: ArchiveInput,
  key: string,
  digest: Digest,
  { context, ingest }: SaveSession,
): Promise<Pick<IngestedMember, 'blob' | 'plain'>> {
  const task = `reading ${key}`;
  const totalBytes = input.sizeBytes!;
  context.report({ type: 'start', task, subject: key, totalBytes });
  input.useBuffers(ingest.windows);
  const writer = new BlobWriter(ingest);
  const digester = new PlainDigester();
  for (let bytes = await input.read(); bytes; bytes = await input.read()) {
    throwIfInterrupted(context.signal);
    if (input.positionBytes > totalBytes) await input.assertUnchanged();
    await writer.write(bytes);
    await digester.write(bytes);
    context.report({ type: 'bytes', task, doneBytes: input.positionBytes, totalBytes });
  }
  await input.assertUnchanged();
  const blob = await writer.finish();
  if (blob.digestHex !== digestHex(digest))
    throw digestMismatch(key, digestHex(digest), blob.digestHex, input.description);
  const plain = await digester.finish();
  context.report({ type: 'end', task });
  return { blob, ...(plain !== undefined && { plain }) };
}

/** Null when the layout does not hold the blob. Nothing but a regular file is opened: a pipe would keep us waiting. */
async function openBlobFile(path: string): Promise<ArchiveInput | null> {
  const info = await fileInfo(path);
  if (info === null) return null;
  if (info.isFile) return openArchiveInput(path);
  throw new DbupError('INPUT_INVALID', `${path} is not a file`, {
    hint: 'The layout is damaged: copy the image again.',
  });
}

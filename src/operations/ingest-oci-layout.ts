import { groupCompanions } from '../archive/layout-companions.js';
import { unwantedManifests } from '../archive/layout-platforms.js';
import { blobPath, walkImageTree } from '../archive/oci-layout.js';
import { COMPRESSION_MAGIC_BYTES, type Compression, detectCompression } from '../compress/inflate.js';
import { PlainDigester } from '../compress/plain-digest.js';
import { throwIfInterrupted } from '../core/context.js';
import { DbupError } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import { sha256Hex } from '../hash/sha256.js';
import type { ArchiveInput } from '../image/archive-input.js';
import type { OciLayout } from '../image/oci-directory.js';
import type { Descriptor } from '../oci/descriptor.js';
import { type Digest, digestHex } from '../oci/digest.js';
import { isImageConfigMediaType, isIndexMediaType, isManifestMediaType } from '../oci/media-types.js';
import type { Platform } from '../oci/platform.js';
import { BlobWriter, type StoredBlob } from '../pool/blob-writer.js';
import type { IngestedMember } from './ingested-member.js';
import type { LayoutChoice } from './interpret-layout.js';
import { digestMismatch } from './member-sink.js';
import type { SaveSession } from './save-session.js';

/** What a layout's blobs have become. */
export interface IngestedLayout extends LayoutChoice {
  /** The blobs as if they were members of an archive. */
  members: Map<string, IngestedMember>;
}

/**
 * Takes every blob that the chosen images of a layout need into the pool, with what is about them.
 * @param platforms those wanted of images for several; all where there are none
 * @throws DbupError DIGEST_MISMATCH, INPUT_INVALID, INPUT_CHANGED; INPUT_NOT_FOUND for a platform that an image lacks
 */
export async function ingestOciLayout(
  layout: OciLayout,
  platforms: readonly Platform[],
  session: SaveSession,
): Promise<IngestedLayout> {
  const members = new Map<string, IngestedMember>();
  const budget = new DocumentBudget(layout.path);
  for (const { descriptor } of layout.entries) await readDocuments(layout, descriptor, members, budget);
  const tops = await readTops(layout);
  const document = ({ digest }: Descriptor): Uint8Array | null =>
    members.get(blobPath(digest))?.document ?? null;
  const groups = groupCompanions(
    layout.entries,
    layout.others,
    (descriptor) => document(descriptor) ?? tops.get(descriptor.digest) ?? null,
  );
  const unwanted = new Set<Digest>();
  const asked = new Set<string>();
  for (const { image, companions } of groups) {
    for (const { descriptor } of companions) await readDocuments(layout, descriptor, members, budget);
    if (platforms.length > 0) {
      const dropped = unwantedManifests(image.descriptor, document, platforms, image.name ?? layout.path);
      for (const digest of dropped) unwanted.add(digest);
    }
    for (const { descriptor } of [image, ...companions]) {
      const tree = walkImageTree(descriptor, (one) => (unwanted.has(one.digest) ? null : document(one)));
      for (const blob of [...tree.documents, ...tree.layers, ...tree.opaque]) {
        throwIfInterrupted(session.context.signal);
        if (asked.has(blob.digest)) continue;
        asked.add(blob.digest);
        await ingestBlob(layout, blob, members, session);
      }
    }
  }
  await session.gzip.settle();
  return { members, groups, unwanted };
}

/**
 * True when the layout holds, in its chosen images, what is for none of the platforms.
 * @throws DbupError INPUT_NOT_FOUND for a platform that an image lacks, DIGEST_MISMATCH, INPUT_INVALID, INPUT_TOO_LARGE
 */
export async function holdsUnwanted(layout: OciLayout, platforms: readonly Platform[]): Promise<boolean> {
  const members = new Map<string, IngestedMember>();
  const budget = new DocumentBudget(layout.path);
  for (const { descriptor } of layout.entries) await readDocuments(layout, descriptor, members, budget);
  const document = ({ digest }: Descriptor): Uint8Array | null =>
    members.get(blobPath(digest))?.document ?? null;
  const groups = groupCompanions(layout.entries, [], document);
  return groups.some(
    ({ image }) =>
      unwantedManifests(image.descriptor, document, platforms, image.name ?? layout.path).size > 0,
  );
}

/** The top documents of entries that were not chosen, as far as they are sound: some may be about those that were. */
async function readTops(layout: OciLayout): Promise<Map<string, Uint8Array>> {
  const tops = new Map<string, Uint8Array>();
  let leftBytes: number = LIMITS.imageJsonTotalBytes;
  for (const { descriptor } of layout.others) {
    const { digest } = descriptor;
    if (!isDocument(descriptor.mediaType)) continue;
    const bytes = await layout.readDocument(digest).catch((error: unknown) => {
      // What is wrong with an image nobody asked for does not matter.
      if (error instanceof DbupError) return null;
      throw error;
    });
    if (bytes === null || bytes.length > leftBytes || sha256Hex(bytes) !== digestHex(digest)) continue;
    leftBytes -= bytes.length;
    tops.set(digest, bytes);
  }
  return tops;
}

/** Documents must be at hand before the tree can be walked: level by level from the top. */
async function readDocuments(
  layout: OciLayout,
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
      const document = await layout.readDocument(digest);
      if (!document) continue;
      budget.take(document.length);
      const actual = sha256Hex(document);
      if (actual !== digestHex(digest)) throw digestMismatch(key, digestHex(digest), actual, layout.path);
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
  layout: OciLayout,
  { digest, sizeBytes }: Descriptor,
  members: Map<string, IngestedMember>,
  session: SaveSession,
): Promise<void> {
  const key = blobPath(digest);
  const member: IngestedMember = members.get(key) ?? { kind: 'file' };
  if (member.blob) return;
  const input = await layout.openBlob(digest);
  if (!input) return;
  let isQueued = false;
  try {
    if (input.sizeBytes !== sizeBytes) {
      throw new DbupError(
        'INPUT_INVALID',
        `${key} of ${layout.path} has ${input.sizeBytes} bytes; the image says ${sizeBytes}`,
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
    region: { path: input.path!, offsetBytes: input.startBytes, sizeBytes: input.sizeBytes! },
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
  const actual = await session.pool.workers.hashFile(input.path!, input.startBytes, input.sizeBytes!);
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

import { DOCKER_MANIFEST_NAME, resolveMember } from '../archive/docker-manifest.js';
import { blobPath, listLayoutImages, OCI_INDEX_NAME, OCI_LAYOUT_NAME } from '../archive/oci-layout.js';
import { TAR_BLOCK_BYTES } from '../archive/tar-header.js';
import { throwIfInterrupted } from '../core/context.js';
import { type ArchiveInput, openArchiveInput, RegionInput } from '../image/archive-input.js';
import { chooseEntries, type OciLayout } from '../image/oci-directory.js';
import type { Digest } from '../oci/digest.js';
import { refuseOtherThanTar } from './archive-head.js';
import type { SaveSession } from './save-session.js';
import { readMember, type ScannedMember, scanMembers } from './scan-archive.js';

/**
 * An OCI layout in a tar, its blobs to be read one by one; null when the archive is none.
 * @param input one with a `path`, which stays open as long as the layout is used
 * @throws DbupError INPUT_NOT_FOUND, INPUT_INVALID, INPUT_TOO_LARGE
 */
export async function openArchiveLayout(
  input: ArchiveInput,
  reference: string | null,
): Promise<OciLayout | null> {
  const { members } = await scanMembers(input);
  const index = members.get(OCI_INDEX_NAME);
  if (!index || (!members.has(OCI_LAYOUT_NAME) && members.has(DOCKER_MANIFEST_NAME))) return null;
  const path = input.description;
  const listed = listLayoutImages(await readMember(input, index), `${OCI_INDEX_NAME} of ${path}`);
  const fileOf = (digest: Digest): ScannedMember | null =>
    members.has(blobPath(digest)) ? resolveMember(blobPath(digest), members).member : null;
  return {
    path,
    ...chooseEntries(listed, reference, path),
    async readDocument(digest) {
      const member = fileOf(digest);
      return member && readMember(input, member);
    },
    async openBlob(digest) {
      const member = fileOf(digest);
      return member && new RegionInput(input, member.positionBytes, member.sizeBytes);
    },
  };
}

/**
 * Puts a stream aside, to be read at any position. The caller disposes of it.
 * @throws DbupError INPUT_NOT_AN_IMAGE for one that does not begin as a tar, before anything is written
 */
export async function spoolInput(
  input: ArchiveInput,
  session: SaveSession,
): Promise<{ input: ArchiveInput; dispose(): Promise<void> }> {
  const { report, signal } = session.context;
  const task = `reading ${input.description}`;
  report({ type: 'start', task, subject: input.description });
  const head = await readHead(input);
  refuseOtherThanTar(head, input.description);
  const spool = await session.newSpool();
  try {
    for (let bytes: Uint8Array | null = head; bytes; bytes = await input.read()) {
      throwIfInterrupted(signal);
      await spool.write(bytes);
      report({ type: 'bytes', task, doneBytes: spool.sizeBytes });
    }
    report({ type: 'end', task });
    const file = await openArchiveInput(spool.path);
    return {
      input: new RegionInput(file, 0, spool.sizeBytes, input.description),
      async dispose() {
        await file.close();
        await spool.remove();
      },
    };
  } catch (error) {
    await spool.remove();
    throw error;
  }
}

/** The first block and what came with it, or all there is. */
async function readHead(input: ArchiveInput): Promise<Uint8Array> {
  let head: Uint8Array = new Uint8Array(0);
  while (head.length < TAR_BLOCK_BYTES) {
    const bytes = await input.read();
    if (!bytes) break;
    head = Buffer.concat([head, bytes]);
  }
  return head;
}

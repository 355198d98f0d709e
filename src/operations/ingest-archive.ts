import { DOCKER_MANIFEST_NAME, explainMissingManifest } from '../archive/docker-manifest.js';
import { OCI_INDEX_NAME } from '../archive/oci-layout.js';
import { TarWalk } from '../archive/tar-walk.js';
import { COMPRESSION_MAGIC_BYTES } from '../compress/inflate.js';
import { throwIfInterrupted } from '../core/context.js';
import { DbupError, isSystemError } from '../core/errors.js';
import type { ArchiveInput } from '../image/archive-input.js';
import { storeRecipe, TarSplitter } from '../pool/blob-writer.js';
import { ArchiveEnding } from './archive-ending.js';
import { notAnArchive, refuseCompressed } from './archive-head.js';
import type { IngestedMember, IngestParts } from './ingested-member.js';
import { MemberSink } from './member-sink.js';

/** Where no tar header came in so many bytes, none is waited for: the input may be endless. */
const FIRST_MEMBER_WITHIN_BYTES = 16 * 1024 * 1024;

export interface IngestedArchive {
  recipeId: string;
  sizeBytes: number;
  /** Files that are blobs or documents, and links, by `memberKey`. */
  members: Map<string, IngestedMember>;
}

/**
 * Takes an archive into the pool as it passes: its own headers, its small members, and each large member as
 * a blob with a recipe of its own. Nothing but JSON documents is kept in memory.
 * @throws DbupError INPUT_NOT_AN_IMAGE, INPUT_TRUNCATED, INPUT_TOO_LARGE, INPUT_CHANGED, DIGEST_MISMATCH
 */
export async function ingestArchive(input: ArchiveInput, parts: IngestParts): Promise<IngestedArchive> {
  input.useBuffers(parts.ingest.windows);
  const ingest = new ArchiveIngest(input, parts);
  try {
    return await ingest.run();
  } catch (error) {
    await ingest.abandon();
    // Of a file that was changed meanwhile nothing else is worth telling.
    const refused = error instanceof DbupError && /^(INPUT|DIGEST)_/.test(error.code);
    if (refused || isSystemError(error, 'TRUNCATED')) await input.assertUnchanged();
    throw error;
  }
}

class ArchiveIngest {
  readonly #input: ArchiveInput;
  readonly #parts: IngestParts;
  readonly #sink: MemberSink;
  readonly #ending = new ArchiveEnding();
  readonly #splitter: TarSplitter;
  readonly #head: number[] = [];

  constructor(input: ArchiveInput, parts: IngestParts) {
    this.#input = input;
    this.#parts = parts;
    this.#sink = new MemberSink(input, parts);
    const walk = new TarWalk((member) => {
      this.#ending.member();
      this.#sink.note(member);
    });
    this.#splitter = new TarSplitter(parts.ingest, this.#sink, walk);
  }

  async run(): Promise<IngestedArchive> {
    const { context, ingest } = this.#parts;
    const input = this.#input;
    const task = `reading ${input.description}`;
    const total = input.sizeBytes === null ? {} : { totalBytes: input.sizeBytes };
    context.report({ type: 'start', task, subject: input.description, ...total });
    for (let bytes = await input.read(); bytes; bytes = await input.read()) {
      throwIfInterrupted(context.signal);
      this.#checkHead(bytes);
      await this.#write(bytes);
      await this.#checkProgress();
      context.report({ type: 'bytes', task, doneBytes: input.positionBytes, ...total });
    }
    await this.#checkEnd();
    const skeleton = await this.#splitter.finish();
    const segments = await this.#sink.finish();
    const sizeBytes = input.positionBytes;
    const recipeId = storeRecipe(ingest, { kind: 'tar', sizeBytes, skeleton, segments });
    context.report({ type: 'end', task });
    return { recipeId, sizeBytes, members: this.#sink.members };
  }

  /** Never throws. */
  abandon(): Promise<void> {
    return this.#sink.abandon();
  }

  /** Feeds the splitter, leaving out the contents of members that are known and hashed elsewhere. */
  async #write(bytes: Uint8Array): Promise<void> {
    const endBytes = this.#input.positionBytes;
    const { walk } = this.#splitter;
    for (let at = 0; at < bytes.length; ) {
      const piece = bytes.subarray(at, Math.min(bytes.length, at + walk.remainingBytes));
      if (walk.kind === 'skeleton') this.#ending.skeleton(piece, walk.remainingBytes);
      else if (this.#sink.openMember === null) {
        const member = walk.member!;
        const position = endBytes - bytes.length + at;
        const isLeftOut =
          (await this.#sink.trySkip(member, position, piece)) ||
          (await this.#sink.tryQueue(member, position, piece));
        if (isLeftOut) {
          const restBytes = member.sizeBytes - (bytes.length - at);
          this.#splitter.skipMember(member.sizeBytes);
          if (restBytes > 0) {
            this.#input.skip(restBytes);
            return;
          }
          at += member.sizeBytes;
          continue;
        }
      }
      await this.#splitter.write(piece);
      at += piece.length;
    }
  }

  #checkHead(bytes: Uint8Array): void {
    if (this.#head.length >= COMPRESSION_MAGIC_BYTES) return;
    this.#head.push(...bytes.subarray(0, COMPRESSION_MAGIC_BYTES - this.#head.length));
    refuseCompressed(Uint8Array.from(this.#head), this.#input.description);
  }

  /** Stops at what would never end: no tar at all, or a file that grows as it is read. */
  async #checkProgress(): Promise<void> {
    const { positionBytes, sizeBytes } = this.#input;
    if (!this.#sink.foundMember && positionBytes >= FIRST_MEMBER_WITHIN_BYTES)
      throw notAnArchive(this.#input.description);
    if (sizeBytes !== null && positionBytes > sizeBytes) await this.#input.assertUnchanged();
  }

  async #checkEnd(): Promise<void> {
    const { openMember, members, foundMember } = this.#sink;
    await this.#sink.verifySkipped();
    if (!foundMember) throw notAnArchive(this.#input.description);
    if (openMember !== null)
      throw this.#truncated(`in the middle of ${JSON.stringify(openMember.slice(0, 200))}`);
    if (this.#ending.isCutOff) throw this.#truncated('in the middle of a header');
    if (!members.has(DOCKER_MANIFEST_NAME) && !members.has(OCI_INDEX_NAME)) {
      throw explainMissingManifest(members);
    }
    await this.#sink.settle();
    await this.#input.assertUnchanged();
  }

  #truncated(where: string): DbupError {
    return new DbupError('INPUT_TRUNCATED', `${this.#input.description} ends ${where}`, {
      hint: 'The archive was cut off: save or download it again.',
    });
  }
}

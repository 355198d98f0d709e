import { DOCKER_MANIFEST_NAME, type MemberInfo, memberKey } from '../archive/docker-manifest.js';
import { OCI_INDEX_NAME, OCI_LAYOUT_NAME, parseBlobPath } from '../archive/oci-layout.js';
import { type TarMember, TarWalk } from '../archive/tar-walk.js';
import { detectCompression, type PlainDigest, PlainDigester } from '../compress/plain-digest.js';
import { type OperationContext, throwIfInterrupted } from '../core/context.js';
import { DbupError } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import { BLOCK_KIND } from '../format/pack.js';
import type { BlobRef, Segment } from '../format/recipe.js';
import type { ArchiveInput } from '../image/archive-input.js';
import { BlobWriter, storeRecipe, type TarContentSink, TarSplitter } from '../pool/blob-writer.js';
import type { BlockWorkers } from '../pool/block-workers.js';
import type { ChunkIngest } from '../pool/chunk-ingest.js';
import type { KnownBlobs } from '../pool/known-blobs.js';
import { StreamWriter } from '../pool/stream-writer.js';

/**
 * Members become blobs of their own, found again by digest whatever archive they are in, but for the small
 * files that docker writes about each layer. With very many members only long ones do.
 */
const SMALL_FILE_BYTES = 4096;
const SMALL_FILE_NAMES = /(^|\/)(VERSION|json|repositories|oci-layout|[^/]*\.json)$/;
const MANY_SEGMENTS = LIMITS.archiveSegments / 4;

/** A member of an archive that has passed. */
export interface IngestedMember extends MemberInfo {
  /** Set for files stored as blobs of their own. */
  blob?: BlobRef;
  /** The digest of what a compressed blob inflates to; null when it does not inflate. */
  plain?: PlainDigest | null;
  /** The bytes of a JSON document. */
  document?: Uint8Array;
}

export interface IngestedArchive {
  recipeId: string;
  sizeBytes: number;
  /** By {@link memberKey}. */
  members: Map<string, IngestedMember>;
}

export interface IngestParts {
  ingest: ChunkIngest;
  known: KnownBlobs;
  workers: BlockWorkers;
  context: OperationContext;
  /** The digest each member will have if the archive is sound, by member key: what is known need not be read twice. */
  expected: ReadonlyMap<string, string>;
}

/**
 * Takes an archive into the pool as it passes: its own headers, its small members, and each large member as
 * a blob with a recipe of its own. Nothing but JSON documents is kept in memory.
 * @throws DbupError INPUT_NOT_AN_IMAGE, INPUT_TRUNCATED, INPUT_TOO_LARGE, INPUT_CHANGED, DIGEST_MISMATCH
 */
export async function ingestArchive(input: ArchiveInput, parts: IngestParts): Promise<IngestedArchive> {
  input.useBuffers(parts.ingest.windows);
  const sink = new MemberSink(input, parts);
  const splitter = new TarSplitter(parts.ingest, sink, new TarWalk((member) => sink.note(member)));
  const task = `reading ${input.description}`;
  const total = input.sizeBytes === null ? {} : { totalBytes: input.sizeBytes };
  parts.context.report({ type: 'start', task, subject: input.description, ...total });
  let first = true;
  for (let bytes = await input.read(); bytes; bytes = await input.read()) {
    throwIfInterrupted(parts.context.signal);
    if (first) checkFirstBytes(bytes, input.description);
    first = false;
    await writeWithSkips(splitter, sink, input, bytes);
    parts.context.report({ type: 'bytes', task, doneBytes: input.positionBytes, ...total });
  }
  await sink.verifySkipped();
  if (!sink.foundMember) throw notAnArchive(input.description);
  if (sink.openMember) throw truncated(input.description, sink.openMember);
  await input.assertUnchanged();
  const skeleton = await splitter.finish();
  const segments = await sink.finish();
  const sizeBytes = input.positionBytes;
  const recipeId = storeRecipe(parts.ingest, { kind: 'tar', sizeBytes, skeleton, segments });
  parts.context.report({ type: 'end', task });
  return { recipeId, sizeBytes, members: sink.members };
}

/** Feeds the splitter, leaving out the contents of members that are known and hashed elsewhere. */
async function writeWithSkips(
  splitter: TarSplitter,
  sink: MemberSink,
  input: ArchiveInput,
  bytes: Uint8Array,
): Promise<void> {
  const endBytes = input.positionBytes;
  const { walk } = splitter;
  for (let at = 0; at < bytes.length; ) {
    const piece = bytes.subarray(at, Math.min(bytes.length, at + walk.remainingBytes));
    if (walk.kind === 'content' && !sink.openMember) {
      const member = walk.member!;
      if (await sink.trySkip(member, endBytes - bytes.length + at)) {
        const restBytes = member.sizeBytes - (bytes.length - at);
        splitter.skipMember(member.sizeBytes);
        if (restBytes > 0) {
          input.skip(restBytes);
          return;
        }
        at += member.sizeBytes;
        continue;
      }
    }
    await splitter.write(piece);
    at += piece.length;
  }
}

/** Decides what becomes of each member and keeps what is needed to understand the archive. */
class MemberSink implements TarContentSink {
  readonly members = new Map<string, IngestedMember>();
  readonly #input: ArchiveInput;
  readonly #parts: IngestParts;
  readonly #segments: Segment[] = [];
  readonly #skipped: Promise<void>[] = [];
  #memberCount = 0;
  #documentBytes = 0;
  #run: StreamWriter | null = null;
  #blob: { writer: BlobWriter; digester: PlainDigester | null; started: boolean } | null = null;
  #document: { bytes: Uint8Array; fill: number } | null = null;
  #sizeBytes = 0;
  #leftBytes = 0;
  #key: string | null = null;
  /** The name of the member whose contents are passing. */
  openMember: string | null = null;

  constructor(input: ArchiveInput, parts: IngestParts) {
    this.#input = input;
    this.#parts = parts;
  }

  get foundMember(): boolean {
    return this.#memberCount > 0;
  }

  note(member: TarMember): void {
    if (++this.#memberCount > LIMITS.archiveMembers) {
      throw tooLarge(`${this.#input.description} has more than ${LIMITS.archiveMembers} members`);
    }
    const key = memberKey(member.name);
    if (key === null) return;
    const isJsonName = key === DOCKER_MANIFEST_NAME || key === OCI_INDEX_NAME || key === OCI_LAYOUT_NAME;
    if (isJsonName && member.sizeBytes > LIMITS.imageJsonBytes) {
      throw tooLarge(
        `${key} of ${this.#input.description} has ${member.sizeBytes} bytes; at most ${LIMITS.imageJsonBytes} are read`,
      );
    }
    const info: IngestedMember = {
      kind: kindOf(member.type),
      ...(member.linkName !== '' && { linkName: member.linkName }),
    };
    // An empty file is complete with its header.
    if (info.kind === 'file' && member.sizeBytes === 0) info.document = new Uint8Array(0);
    this.members.set(key, info);
  }

  /** Leaves a member out that the pool knows, hashing it in another thread to be sure. */
  async trySkip(member: TarMember, positionBytes: number): Promise<boolean> {
    const { path, sizeBytes: inputBytes } = this.#input;
    const key = memberKey(member.name);
    const expected = key === null ? undefined : this.#parts.expected.get(key);
    if (path === null || expected === undefined || this.#isDocument(key!, member.sizeBytes)) return false;
    if (positionBytes + member.sizeBytes > inputBytes!) return false;
    const blob = await this.#parts.known.find(expected, member.sizeBytes);
    if (!blob) return false;
    const hashing = this.#parts.workers.hashFile(path, positionBytes, member.sizeBytes).then((hex) => {
      if (hex !== expected) throw digestMismatch(member.name, expected, hex, this.#input.description);
    });
    hashing.catch(() => {});
    this.#skipped.push(hashing);
    await this.#endRun();
    this.#segments.push({ type: 'blob', blob });
    this.members.get(key!)!.blob = blob;
    return true;
  }

  async verifySkipped(): Promise<void> {
    await Promise.all(this.#skipped);
  }

  begin(name: string, sizeBytes: number): Promise<void> | undefined {
    this.openMember = name;
    this.#leftBytes = sizeBytes;
    const key = memberKey(name);
    this.#key = key;
    this.#sizeBytes = sizeBytes;
    this.#document = key !== null && this.#isDocument(key, sizeBytes) ? this.#newDocument(sizeBytes) : null;
    const smallFile = SMALL_FILE_NAMES.test(name) || this.#segments.length > MANY_SEGMENTS;
    if (sizeBytes >= SMALL_FILE_BYTES || !smallFile) return this.#beginBlob();
    this.#run ??= new StreamWriter(this.#parts.ingest, BLOCK_KIND.data);
    return undefined;
  }

  write(bytes: Uint8Array): Promise<void> | undefined {
    if (this.#leftBytes === this.#sizeBytes && this.#mayBeDocument(bytes))
      this.#document = this.#newDocument(this.#sizeBytes);
    this.#leftBytes -= bytes.length;
    if (this.#document) {
      this.#document.bytes.set(bytes, this.#document.fill);
      this.#document.fill += bytes.length;
    }
    if (this.#blob) return this.#writeBlob(bytes);
    return this.#run!.write(bytes);
  }

  async end(): Promise<void> {
    // A member cut short is no member; the archive is refused when its end is reached.
    if (this.#leftBytes > 0) return;
    const member = this.#key === null ? undefined : this.members.get(this.#key);
    if (member && this.#document) member.document = this.#document.bytes;
    const blob = this.#blob;
    if (blob) {
      const ref = await blob.writer.finish();
      const plain = blob.digester ? await blob.digester.finish() : undefined;
      this.#segments.push({ type: 'blob', blob: ref });
      if (member) Object.assign(member, { blob: ref, ...(plain !== undefined && { plain }) });
    }
    this.#blob = null;
    this.#document = null;
    this.openMember = null;
  }

  async finish(): Promise<Segment[]> {
    await this.#endRun();
    return this.#segments;
  }

  async #beginBlob(): Promise<void> {
    await this.#endRun();
    this.#blob = { writer: new BlobWriter(this.#parts.ingest), digester: null, started: false };
  }

  async #writeBlob(bytes: Uint8Array): Promise<void> {
    const blob = this.#blob!;
    if (!blob.started) {
      blob.started = true;
      const compression = detectCompression(bytes);
      if (compression) blob.digester = new PlainDigester(compression);
    }
    await blob.writer.write(bytes);
    await blob.digester?.write(bytes);
  }

  async #endRun(): Promise<void> {
    const run = this.#run;
    this.#run = null;
    if (!run) return;
    this.#segments.push({ type: 'stream', stream: await run.finish() });
  }

  #isDocument(key: string, sizeBytes: number): boolean {
    return sizeBytes <= LIMITS.imageJsonBytes && (key.endsWith('.json') || key === OCI_LAYOUT_NAME);
  }

  /** In `blobs/` no name tells a document from a layer; a document begins with a brace. */
  #mayBeDocument(firstBytes: Uint8Array): boolean {
    if (this.#document !== null || this.#sizeBytes > LIMITS.imageJsonBytes || firstBytes[0] !== 0x7b)
      return false;
    return this.#key !== null && parseBlobPath(this.#key) !== null;
  }

  #newDocument(sizeBytes: number): { bytes: Uint8Array; fill: number } {
    this.#documentBytes += sizeBytes;
    if (this.#documentBytes > LIMITS.imageJsonTotalBytes) {
      throw tooLarge(
        `the JSON documents of ${this.#input.description} have more than ${LIMITS.imageJsonTotalBytes} bytes`,
      );
    }
    return { bytes: new Uint8Array(sizeBytes), fill: 0 };
  }
}

function kindOf(type: string): MemberInfo['kind'] {
  if (type === '1') return 'hardlink';
  if (type === '2') return 'symlink';
  if (type === '5') return 'directory';
  return type === '0' || type === '7' ? 'file' : 'other';
}

function checkFirstBytes(bytes: Uint8Array, description: string): void {
  const compression = detectCompression(bytes);
  if (!compression) return;
  const tool = compression === 'gzip' ? 'gunzip' : 'zstd -d';
  throw new DbupError(
    'INPUT_NOT_AN_IMAGE',
    `${description} is compressed with ${compression}; dbup stores an archive as it is inside`,
    {
      hint: `Feed it decompressed: \`${tool} < FILE | dbup save -i -\`.`,
    },
  );
}

export function digestMismatch(what: string, expected: string, actual: string, where: string): DbupError {
  return new DbupError(
    'DIGEST_MISMATCH',
    `${what} in ${where} has the digest sha256:${actual}, but the image says sha256:${expected}`,
    {
      hint: 'The image is damaged: save or download it again.',
      details: { expected: `sha256:${expected}`, actual: `sha256:${actual}` },
    },
  );
}

function notAnArchive(description: string): DbupError {
  return new DbupError('INPUT_NOT_AN_IMAGE', `${description} is not a tar archive`, {
    hint: 'Give the output of `docker save`, `podman save` or `skopeo copy ... docker-archive:FILE`.',
  });
}

function truncated(description: string, member: string): DbupError {
  return new DbupError(
    'INPUT_TRUNCATED',
    `${description} ends in the middle of ${JSON.stringify(member.slice(0, 200))}`,
    {
      hint: 'The archive was cut off: save or download it again.',
    },
  );
}

function tooLarge(message: string): DbupError {
  return new DbupError('INPUT_TOO_LARGE', message, {
    hint: 'No tool writes an image like this; check where it comes from.',
  });
}

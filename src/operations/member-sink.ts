import { DOCKER_MANIFEST_NAME, type MemberInfo, memberKey } from '../archive/docker-manifest.js';
import { OCI_INDEX_NAME, OCI_LAYOUT_NAME } from '../archive/oci-layout.js';
import type { TarMember } from '../archive/tar-walk.js';
import { COMPRESSION_MAGIC_BYTES, detectCompression } from '../compress/inflate.js';
import { PlainDigester } from '../compress/plain-digest.js';
import { DbupError } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import { BLOCK_KIND } from '../format/pack.js';
import type { BlobRef, Segment } from '../format/recipe.js';
import type { ArchiveInput } from '../image/archive-input.js';
import { BlobWriter } from '../pool/blob-writer.js';
import type { StoredGzip } from '../pool/gzip-blob.js';
import type { FileRegion } from '../pool/gzip-jobs.js';
import { StreamWriter } from '../pool/stream-writer.js';
import type { TarContentSink } from '../pool/tar-content-sink.js';
import type { SpoolFile } from '../store/spool-file.js';
import type { IngestedMember, IngestParts } from './ingested-member.js';

/**
 * Members become blobs of their own, found again by digest whatever archive they are in, but for the small
 * files that docker writes about each layer. With very many members only what looks like a layer does.
 */
const SMALL_FILE_BYTES = 4096;
const SMALL_FILE_NAMES = /(^|\/)(VERSION|json|repositories|oci-layout|[^/]*\.json)$/;
const MANY_MEMBERS = 5_000;
const LAYER_NAMES = /^blobs\/|\.tar(\.[a-z]+)?$/;
/** What a JSON document may begin with: a brace, or blanks before it. */
const DOCUMENT_STARTS: ReadonlySet<number> = new Set([0x7b, 0x20, 0x09, 0x0a, 0x0d]);

const NO_BYTES = new Uint8Array(0);

/** The member whose contents are passing. */
interface OpenMember {
  name: string;
  /** Null for a member that no document may name. */
  key: string | null;
  sizeBytes: number;
  doneBytes: number;
  blob: { writer: BlobWriter; digester: PlainDigester } | null;
  /** Of a gzip file from a stream. */
  spool: SpoolFile | null;
  document: Uint8Array | null;
}

/** Decides what becomes of each member and keeps what is needed to understand the archive. */
export class MemberSink implements TarContentSink {
  /** By {@link memberKey}: links, blobs and documents. The last of one name counts, as when a tar is unpacked. */
  readonly members = new Map<string, IngestedMember>();
  readonly #input: ArchiveInput;
  readonly #parts: IngestParts;
  readonly #segments: Segment[] = [];
  readonly #skipped: Promise<void>[] = [];
  /** Bytes of documents that only look like ones, by member key. */
  readonly #guessed = new Map<string, number>();
  #documentBytes = 0;
  #run: StreamWriter | null = null;
  #open: OpenMember | null = null;
  #memberCount = 0;

  constructor(input: ArchiveInput, parts: IngestParts) {
    this.#input = input;
    this.#parts = parts;
  }

  get foundMember(): boolean {
    return this.#memberCount > 0;
  }

  /** The name of the member whose contents are passing. */
  get openMember(): string | null {
    return this.#open?.name ?? null;
  }

  /** A member's header has passed. @throws DbupError INPUT_TOO_LARGE before any of its contents is read */
  note(member: TarMember): void {
    this.#memberCount++;
    const key = memberKey(member.name);
    if (key === null) return;
    const isJsonName = key === DOCKER_MANIFEST_NAME || key === OCI_INDEX_NAME || key === OCI_LAYOUT_NAME;
    if (isJsonName && member.sizeBytes > LIMITS.imageJsonBytes) {
      throw tooLarge(
        `${key} of ${this.#input.description} has ${member.sizeBytes} bytes; at most ${LIMITS.imageJsonBytes} are read`,
      );
    }
    this.#forget(key);
    const kind = kindOf(member.type);
    if (kind === 'file') {
      // An empty file is complete with its header, others once their contents have passed.
      if (member.sizeBytes === 0 && this.#mayBeNamed(key)) this.#keep(key, { kind, document: NO_BYTES });
    } else if (kind !== 'directory') {
      this.#keep(key, { kind, ...(member.linkName !== '' && { linkName: member.linkName }) });
    }
  }

  /**
   * Leaves a member out that the pool knows, hashing it in another thread to be sure.
   * @param head what is at hand of its contents
   */
  async trySkip(member: TarMember, positionBytes: number, head: Uint8Array): Promise<boolean> {
    const { path, sizeBytes: inputBytes } = this.#input;
    const key = memberKey(member.name);
    const expected = key === null ? undefined : this.#parts.expected.get(key);
    if (path === null || expected === undefined || kindOf(member.type) !== 'file') return false;
    if (isDocumentName(key!, member.sizeBytes) || DOCUMENT_STARTS.has(head[0]!)) return false;
    if (positionBytes + member.sizeBytes > inputBytes!) return false;
    if (head.length < COMPRESSION_MAGIC_BYTES) return false;
    const blob = await this.#parts.known.find(expected, member.sizeBytes);
    if (!blob) return false;
    const compression = detectCompression(head);
    // What a compressed layer inflates to must have been proven before.
    if (compression && this.#parts.known.diffIdOf(`sha256:${expected}`) === undefined) return false;
    const hashing = this.#parts.workers.hashFile(path, positionBytes, member.sizeBytes).then((hex) => {
      if (hex !== expected) throw digestMismatch(member.name, expected, hex, this.#input.description);
    });
    hashing.catch(() => {});
    this.#skipped.push(hashing);
    await this.#endRun();
    this.#addBlob(blob);
    this.#keep(key!, { kind: 'file', blob, ...(compression && { compression }) });
    return true;
  }

  /**
   * Leaves a gzip file out that lies in the input for good, to be read when it is its turn.
   * @param head what is at hand of its contents
   */
  async tryQueue(member: TarMember, positionBytes: number, head: Uint8Array): Promise<boolean> {
    const { path, sizeBytes: inputBytes } = this.#input;
    const { name, sizeBytes } = member;
    const key = memberKey(name);
    if (path === null || detectCompression(head) !== 'gzip' || kindOf(member.type) !== 'file') return false;
    if (positionBytes + sizeBytes > inputBytes!) return false;
    if (isDocumentName(key ?? name, sizeBytes) || !this.#becomesBlob(key ?? name, sizeBytes)) return false;
    await this.#endRun();
    await this.#queue(name, key, { path, offsetBytes: positionBytes, sizeBytes }, async () => {});
    return true;
  }

  /** Lets go of what was put aside of a member that did not come to its end. Never throws. */
  async abandon(): Promise<void> {
    await this.#open?.spool?.remove();
  }

  /** Waits until all gzip files are stored. */
  settle(): Promise<void> {
    return this.#parts.gzip.settle();
  }

  /** @throws DbupError DIGEST_MISMATCH when a member left out is not what the pool holds; Error of code TRUNCATED */
  async verifySkipped(): Promise<void> {
    await Promise.all(this.#skipped);
  }

  begin(name: string, sizeBytes: number): Promise<void> | undefined {
    const key = memberKey(name);
    const document = key !== null && isDocumentName(key, sizeBytes) ? this.#newDocument(sizeBytes) : null;
    this.#open = { name, key, sizeBytes, doneBytes: 0, blob: null, spool: null, document };
    if (this.#becomesBlob(key ?? name, sizeBytes)) return this.#endRun();
    this.#run ??= new StreamWriter(this.#parts.ingest, BLOCK_KIND.data);
    return undefined;
  }

  write(bytes: Uint8Array): Promise<void> | undefined {
    const open = this.#open!;
    if (open.doneBytes === 0) this.#guessDocument(open, bytes);
    open.document?.set(bytes, open.doneBytes);
    const isFirst = open.doneBytes === 0;
    open.doneBytes += bytes.length;
    if (this.#run) return this.#run.write(bytes);
    return isFirst ? this.#beginBlob(open, bytes) : writeBlob(open, bytes);
  }

  /** A member cut short stays the open one: the archive is refused when its end is reached. */
  async end(): Promise<void> {
    const { name, key, sizeBytes, doneBytes, blob, spool, document } = this.#open!;
    if (doneBytes < sizeBytes) return;
    if (spool) {
      await this.#endSpool(name, key, spool);
      this.#open = null;
      return;
    }
    const member: IngestedMember = { kind: 'file', ...(document && { document }) };
    if (blob) {
      member.blob = await blob.writer.finish();
      const plain = await blob.digester.finish();
      if (plain !== undefined) member.plain = plain;
      this.#addBlob(member.blob);
    }
    if (key !== null && (blob || document)) this.#keep(key, member);
    this.#open = null;
  }

  async finish(): Promise<Segment[]> {
    await this.#endRun();
    return this.#segments;
  }

  #becomesBlob(key: string, sizeBytes: number): boolean {
    if (!this.#mayBeNamed(key)) return false;
    return sizeBytes >= SMALL_FILE_BYTES || !SMALL_FILE_NAMES.test(key);
  }

  /** With very many members only those are kept in mind that a manifest is likely to name. */
  #mayBeNamed(key: string): boolean {
    return this.#memberCount <= MANY_MEMBERS || LAYER_NAMES.test(key);
  }

  #keep(key: string, member: IngestedMember): void {
    this.members.set(key, member);
    if (this.members.size > LIMITS.archiveMembers) {
      throw tooLarge(
        `${this.#input.description} has more than ${LIMITS.archiveMembers} members to keep in mind`,
      );
    }
  }

  /** A later member of the same name takes the place of an earlier one. */
  #forget(key: string): void {
    const guessedBytes = this.#guessed.get(key);
    if (guessedBytes !== undefined) this.#documentBytes -= guessedBytes;
    this.#guessed.delete(key);
    this.members.delete(key);
  }

  #addBlob(blob: BlobRef): void {
    this.#segments.push({ type: 'blob', blob });
    if (this.#segments.length > LIMITS.archiveSegments) {
      throw tooLarge(
        `${this.#input.description} has more than ${LIMITS.archiveSegments} layers and other blobs`,
      );
    }
  }

  async #beginBlob(open: OpenMember, firstBytes: Uint8Array): Promise<void> {
    // A first piece of a single byte leaves it open: what is no gzip file after all is then stored as it is.
    const mayBeGzip = firstBytes[0] === 0x1f && (firstBytes[1] ?? 0x8b) === 0x8b;
    if (mayBeGzip && !open.document) open.spool = await this.#parts.newSpool();
    else open.blob = { writer: new BlobWriter(this.#parts.ingest), digester: new PlainDigester() };
    await writeBlob(open, firstBytes);
  }

  async #endSpool(name: string, key: string | null, spool: SpoolFile): Promise<void> {
    const { path, sizeBytes } = spool;
    const digestHex = spool.digestHex();
    const known = await this.#parts.known.find(digestHex, sizeBytes);
    if (known && this.#parts.known.diffIdOf(`sha256:${digestHex}`) !== undefined) {
      await spool.remove();
      this.#addBlob(known);
      if (key !== null) this.#keep(key, { kind: 'file', blob: known, compression: 'gzip' });
      return;
    }
    await this.#queue(name, key, { path, offsetBytes: 0, sizeBytes }, () => spool.remove());
  }

  /** The blob gets its place among the segments now, and is known when the queue comes to it. */
  async #queue(
    name: string,
    key: string | null,
    region: FileRegion,
    dispose: () => Promise<void>,
  ): Promise<void> {
    const place: BlobRef = { digestHex: '', sizeBytes: region.sizeBytes, recipeId: '' };
    const member: IngestedMember = { kind: 'file' };
    this.#addBlob(place);
    if (key !== null) this.#keep(key, member);
    const done = ({ blob, plain }: StoredGzip): void => {
      const { digestHex, recipeId } = blob;
      Object.assign(place, { digestHex, recipeId });
      Object.assign(member, { blob, ...(plain !== undefined && { plain }) });
    };
    await this.#parts.gzip.add({ name, region, done, dispose });
  }

  async #endRun(): Promise<void> {
    const run = this.#run;
    this.#run = null;
    if (!run) return;
    this.#segments.push({ type: 'stream', stream: await run.finish() });
  }

  /** Not every document has a name that says so: in `blobs/` none has, and some tools name a config by its digest. */
  #guessDocument(open: OpenMember, firstBytes: Uint8Array): void {
    const { key, sizeBytes, document } = open;
    if (document || key === null || sizeBytes > LIMITS.imageJsonBytes) return;
    if (!DOCUMENT_STARTS.has(firstBytes[0]!) || !this.#mayBeNamed(key)) return;
    this.#guessed.set(key, sizeBytes);
    this.#documentBytes += sizeBytes;
    this.#makeRoom();
    if (this.#guessed.has(key)) open.document = new Uint8Array(sizeBytes);
  }

  #newDocument(sizeBytes: number): Uint8Array {
    this.#documentBytes += sizeBytes;
    this.#makeRoom();
    if (this.#documentBytes > LIMITS.imageJsonTotalBytes) {
      throw tooLarge(
        `the JSON documents of ${this.#input.description} have more than ${LIMITS.imageJsonTotalBytes} bytes`,
      );
    }
    return new Uint8Array(sizeBytes);
  }

  /** Lets the longest guesses go: they are statements about images (SBOMs), which nobody asks for. */
  #makeRoom(): void {
    while (this.#documentBytes > LIMITS.imageJsonTotalBytes && this.#guessed.size > 0) {
      const [longest, bytes] = [...this.#guessed].reduce((a, b) => (b[1] > a[1] ? b : a));
      this.#guessed.delete(longest);
      this.#documentBytes -= bytes;
      delete this.members.get(longest)?.document;
    }
  }
}

async function writeBlob({ spool, blob }: OpenMember, bytes: Uint8Array): Promise<void> {
  if (spool) return spool.write(bytes);
  await blob!.writer.write(bytes);
  await blob!.digester.write(bytes);
}

function isDocumentName(key: string, sizeBytes: number): boolean {
  return sizeBytes <= LIMITS.imageJsonBytes && (key.endsWith('.json') || key === OCI_LAYOUT_NAME);
}

function kindOf(type: string): MemberInfo['kind'] {
  if (type === '1') return 'hardlink';
  if (type === '2') return 'symlink';
  if (type === '5') return 'directory';
  return type === '0' || type === '7' ? 'file' : 'other';
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

function tooLarge(message: string): DbupError {
  return new DbupError('INPUT_TOO_LARGE', message, {
    hint: 'No tool writes an image like this; check where it comes from.',
  });
}

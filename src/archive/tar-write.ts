import { once } from 'node:events';
import { type Header, pack } from 'tar-stream';
import { DbupError } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import { TAR_BLOCK_BYTES } from './tar-header.js';
import { type TarMember, TarWalk } from './tar-walk.js';

/** A member of a tar we make ourselves. */
export interface TarOutputMember {
  name: string;
  /** Exactly what `content` yields; 0 for directories and symlinks. */
  sizeBytes: number;
  /** `file` by default. */
  type?: 'file' | 'directory' | 'symlink';
  /** The target of a symlink. */
  linkName?: string;
  /** Permission bits; by default 0644, for directories 0755, for symlinks 0777. */
  mode?: number;
  /** Whole seconds since the epoch, 0 by default. */
  mtimeSeconds?: number;
  /** Read once, and closed when the reading ends early. May be left out when `sizeBytes` is 0. */
  content?: AsyncIterable<Uint8Array>;
}

type HeaderFields = Pick<Header, 'name'> & Partial<Header>;

const DEFAULT_MODES = { file: 0o644, directory: 0o755, symlink: 0o777 };
/** A type bit that never reaches the header; it keeps tar-stream from taking mode 0 for "none given". */
const MODE_IS_GIVEN = 0o100000;
const USTAR_NAME_BYTES = 100;
/** tar-stream writes mtimes as 32-bit numbers; others go to a PAX record. */
const MTIME_FIELD_MAX = 2 ** 31 - 1;

/**
 * Writes a tar: for each member a header (POSIX ustar, with a PAX record for what does not fit), its content
 * and padding; then the end marker of two zero blocks. The same members give the same bytes: owner 0:0, no
 * clock. Members and contents are pulled one at a time, as the consumer pulls; content chunks are passed on
 * as they are, without a copy, so a producer may reuse a chunk's memory once it is asked for the next.
 * Closing the generator early closes the content being read and the list of members.
 *
 * @throws DbupError `INPUT_INVALID` when a content is shorter or longer than its `sizeBytes`, or when a name
 *   cannot be told in a tar header (empty, with a NUL, not well-formed Unicode, beyond `LIMITS.tarNameBytes`)
 * @throws DbupError `INTERNAL` when a member contradicts itself (a directory with a size, a symlink without
 *   a target)
 */
export async function* writeTar(
  members: AsyncIterable<TarOutputMember> | Iterable<TarOutputMember>,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const member of members) {
    yield await encodeTarHeader(member);
    yield* exactContent(member);
    const rest = member.sizeBytes % TAR_BLOCK_BYTES;
    if (rest !== 0) yield new Uint8Array(TAR_BLOCK_BYTES - rest);
  }
  yield new Uint8Array(2 * TAR_BLOCK_BYTES);
}

/** Content chunks up to `sizeBytes`; a surplus is reported before any of its bytes is given out. */
async function* exactContent(member: TarOutputMember): AsyncGenerator<Uint8Array, void, undefined> {
  let passedBytes = 0;
  for await (const chunk of member.content ?? []) {
    if (chunk.length === 0) continue;
    passedBytes += chunk.length;
    if (passedBytes > member.sizeBytes) {
      throw wrongLength(member, `more than the ${member.sizeBytes} bytes`, passedBytes);
    }
    yield chunk;
  }
  if (passedBytes < member.sizeBytes) {
    throw wrongLength(member, `${passedBytes} instead of the ${member.sizeBytes} bytes`, passedBytes);
  }
}

/** The header blocks of one member, PAX included: a multiple of 512 bytes. */
async function encodeTarHeader(member: TarOutputMember): Promise<Uint8Array> {
  assertConsistent(member);
  const type = member.type ?? 'file';
  const name = type === 'directory' && !member.name.endsWith('/') ? `${member.name}/` : member.name;
  const linkName = type === 'symlink' ? (member.linkName ?? '') : '';
  if (Math.max(Buffer.byteLength(name), Buffer.byteLength(linkName)) > LIMITS.tarNameBytes) {
    throw unwritable(member);
  }
  const mtimeSeconds = member.mtimeSeconds ?? 0;
  const mtimeFits = mtimeSeconds >= 0 && mtimeSeconds <= MTIME_FIELD_MAX;
  const header: HeaderFields = {
    name,
    size: member.sizeBytes,
    type,
    mode: (member.mode ?? DEFAULT_MODES[type]) | MODE_IS_GIVEN,
    mtime: new Date(mtimeFits ? mtimeSeconds * 1000 : 0),
    uid: 0,
    gid: 0,
  };
  if (type === 'symlink') header.linkname = linkName;
  // A long name goes to a PAX record: split into the ustar prefix, `/` at its start or doubled would be lost.
  if (!mtimeFits) header.pax = { mtime: String(mtimeSeconds) };
  else if (Buffer.byteLength(name) > USTAR_NAME_BYTES) header.pax = {};
  const encoded = await packHeader(header);

  const told = readBack(encoded);
  if (told?.name !== name || told.linkName !== linkName) throw unwritable(member);
  if (told.sizeBytes !== member.sizeBytes) {
    throw new DbupError('INTERNAL', `the tar header of ${member.name} tells ${told.sizeBytes} bytes`);
  }
  return encoded;
}

/**
 * What tar-stream puts before a member's content. Each header gets a pack of its own, so contents need not
 * pass through it: they keep the consumer's pace and are closed by the consumer's close.
 */
async function packHeader(header: HeaderFields): Promise<Uint8Array> {
  const archive = pack();
  try {
    archive.entry(header).on('error', ignoreUnwrittenContent);
    await once(archive, 'readable');
    const parts: Uint8Array[] = [];
    for (let part = archive.read(); part !== null; part = archive.read()) parts.push(part as Uint8Array);
    return Buffer.concat(parts);
  } finally {
    archive.destroy();
  }
}

function ignoreUnwrittenContent(): void {}

/** The member an encoded header describes to a reader, or null when there is none. */
function readBack(encoded: Uint8Array): TarMember | null {
  const walk = new TarWalk();
  for (let at = 0; at < encoded.length && walk.kind === 'skeleton'; ) {
    const end = Math.min(at + walk.remainingBytes, encoded.length);
    walk.skeleton(encoded.subarray(at, end));
    at = end;
  }
  return walk.member;
}

function assertConsistent(member: TarOutputMember): void {
  const type = member.type ?? 'file';
  const { sizeBytes, mtimeSeconds = 0 } = member;
  const problem =
    !Number.isSafeInteger(sizeBytes) || sizeBytes < 0
      ? `a size of ${sizeBytes}`
      : type !== 'file' && sizeBytes !== 0
        ? `a ${type} with ${sizeBytes} bytes`
        : sizeBytes > 0 && member.content === undefined
          ? `${sizeBytes} bytes and no content`
          : type === 'symlink' && !member.linkName
            ? 'a symlink without a target'
            : !Number.isSafeInteger(mtimeSeconds)
              ? `an mtime of ${mtimeSeconds}`
              : null;
  if (problem !== null) {
    throw new DbupError('INTERNAL', `cannot write the tar member ${member.name}: ${problem}`);
  }
  if (member.name === '' || (type === 'file' && member.name.endsWith('/'))) throw unwritable(member);
}

function unwritable(member: TarOutputMember): DbupError {
  return new DbupError('INPUT_INVALID', `a tar cannot hold the name ${shown(member.name)}`, {
    hint: 'The archive holds a name that no tar header can tell exactly. Rename that member at its source.',
  });
}

function wrongLength(member: TarOutputMember, difference: string, passedBytes: number): DbupError {
  return new DbupError('INPUT_INVALID', `the content of ${shown(member.name)} has ${difference} announced`, {
    hint: 'What was being read changed or is damaged. Read it again, or check the source with `dbup verify`.',
    details: { name: member.name, announcedBytes: member.sizeBytes, passedBytes },
  });
}

function shown(name: string): string {
  return JSON.stringify(name.length > 200 ? `${name.slice(0, 200)}…` : name);
}

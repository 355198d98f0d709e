import { DbupError } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import { type Descriptor, readDescriptor } from '../oci/descriptor.js';
import { type Digest, parseDigest } from '../oci/digest.js';
import { invalidDocument, type JsonNode, oversizedDocument, readJsonDocument } from '../oci/json-document.js';
import { quoted } from '../oci/quoted.js';
import { parseReference } from '../oci/reference.js';

/** The member of a docker-archive that lists its images. */
export const DOCKER_MANIFEST_NAME = 'manifest.json';

/** One image of a docker-archive. Names are member names as {@link memberKey} writes them. */
export interface DockerImageEntry {
  configName: string;
  /** Normalised references, each once; none for an untagged image. */
  repoTags: string[];
  /** From the bottom layer to the top one; docker repeats a name where a layer repeats. */
  layerNames: string[];
  /** By diffID: where layers come from that the archive may not hold (Windows base layers). */
  layerSources?: ReadonlyMap<Digest, Descriptor>;
}

/** What link resolution needs to know of a member of the outer archive. */
export interface MemberInfo {
  kind: 'file' | 'directory' | 'symlink' | 'hardlink' | 'other';
  /** The target of a link, as the archive writes it. */
  linkName?: string;
}

/**
 * Reads a docker-archive's manifest.json; `where` names it in errors.
 *
 * @throws DbupError INPUT_INVALID for a malformed document, a reference docker would refuse, a member name
 * that leads out of the archive, or a reference that two different images claim; INPUT_TOO_LARGE;
 * INPUT_NOT_AN_IMAGE if it lists no image
 */
export function parseDockerManifest(bytes: Uint8Array, where: string): DockerImageEntry[] {
  const entries = readJsonDocument(bytes, where).map(readEntry, LIMITS.archiveImages);
  if (entries.length === 0) {
    throw new DbupError('INPUT_NOT_AN_IMAGE', `${where} lists no image`, {
      hint: 'The archive was saved without an image; name one when saving it.',
    });
  }
  checkDuplicateReferences(entries, where);
  return entries;
}

function readEntry(node: JsonNode): DockerImageEntry {
  const sources = node.field('LayerSources');
  return {
    configName: readMemberName(node.field('Config')),
    repoTags: [...new Set(node.field('RepoTags').map(readRepoTag))],
    layerNames: node.field('Layers').map(readMemberName, LIMITS.imageLayers),
    ...(!sources.isAbsent && {
      layerSources: new Map(
        Array.from(sources.entries(), ([diffId, source]) => [
          parseDigest(diffId, `${source.where}: ${source.path}`),
          readDescriptor(source),
        ]),
      ),
    }),
  };
}

function readRepoTag(node: JsonNode): string {
  const text = node.text();
  try {
    return parseReference(text).text;
  } catch (error) {
    if (error instanceof DbupError && error.code === 'REFERENCE_INVALID') {
      throw node.invalid(`is wrong: ${error.message}`, error.hint);
    }
    throw error;
  }
}

function readMemberName(node: JsonNode): string {
  const name = node.text();
  if (Buffer.byteLength(name) > LIMITS.tarNameBytes) {
    throw oversizedDocument(
      node.where,
      node.path,
      `is a member name longer than ${LIMITS.tarNameBytes} bytes`,
    );
  }
  const key = memberKey(name);
  if (key === null) throw node.invalid(`is not the name of a member inside the archive: ${quoted(name)}`);
  return key;
}

function checkDuplicateReferences(entries: readonly DockerImageEntry[], where: string): void {
  const configNames = new Map<string, string>();
  for (const [i, entry] of entries.entries()) {
    for (const reference of entry.repoTags) {
      const other = configNames.get(reference);
      if (other !== undefined && other !== entry.configName) {
        throw invalidDocument(
          where,
          `[${i}].RepoTags`,
          `gives ${quoted(reference)} to a second image`,
          'Save the images again, each under its own tag.',
        );
      }
      configNames.set(reference, entry.configName);
    }
  }
}

/**
 * The one spelling of a member name: without `./`, doubled and trailing slashes. Null for a name that is
 * empty, absolute, holds NUL or `..`, or is longer than LIMITS.tarNameBytes: no document may name such a
 * member, and an archive that holds one carries it as opaque bytes.
 */
export function memberKey(name: string): string | null {
  if (name.startsWith('/') || name.includes('\0') || Buffer.byteLength(name) > LIMITS.tarNameBytes)
    return null;
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  return parts.length === 0 || parts.includes('..') ? null : parts.join('/');
}

/** Real archives link once; a chain of this many links is a loop or an attack. */
const LINK_HOPS = 16;

/**
 * Follows links from the member `name` to the file that holds its bytes, and returns that file's key and
 * member. docker up to 24 stores a repeated layer as a symlink `../<id>/layer.tar`, skopeo and podman link
 * the old names to the new. A symlink's target is relative to the directory of the link, a hard link's to
 * the root of the archive; links in the directories of a path are not followed.
 *
 * @param members by {@link memberKey}
 * @throws DbupError INPUT_INVALID if a member is missing or no file, or a link loops or leaves the archive
 */
export function resolveMember<Member extends MemberInfo>(
  name: string,
  members: ReadonlyMap<string, Member>,
): { name: string; member: Member } {
  let key = memberKey(name);
  for (let hops = 0; hops <= LINK_HOPS && key !== null; hops++) {
    const member = members.get(key);
    if (member === undefined)
      throw badMember(name, hops === 0 ? 'is missing' : `leads to ${quoted(key)}, which is missing`);
    if (member.kind === 'file') return { name: key, member };
    if (member.kind !== 'symlink' && member.kind !== 'hardlink') throw badMember(name, 'is not a file');
    key = linkTarget(key, member);
  }
  throw badMember(name, key === null ? 'leads out of the archive' : 'is a link that leads in a circle');
}

/** The key a link points to; null if it leaves the archive or names nothing. */
function linkTarget(key: string, member: MemberInfo): string | null {
  const target = member.linkName ?? '';
  if (target === '' || target.startsWith('/') || Buffer.byteLength(target) > LIMITS.tarNameBytes) return null;
  const parts = member.kind === 'symlink' ? key.split('/').slice(0, -1) : [];
  for (const part of target.split('/')) {
    if (part === '..') {
      if (parts.pop() === undefined) return null;
    } else if (part !== '' && part !== '.') {
      parts.push(part);
    }
  }
  return memberKey(parts.join('/'));
}

function badMember(name: string, problem: string): DbupError {
  return new DbupError('INPUT_INVALID', `the archive's member ${quoted(name)} ${problem}`, {
    hint: 'The archive is incomplete or damaged: save or download it again.',
    details: { member: name.slice(0, 1000) },
  });
}

/** Explains an archive without manifest.json and oci-layout, whose members have the keys `members`. */
export function explainMissingManifest(members: { has(key: string): boolean }): DbupError {
  if (members.has('repositories')) {
    return new DbupError(
      'INPUT_NOT_AN_IMAGE',
      'the archive has the layout of Docker before 1.10, without manifest.json',
      {
        hint: 'Load it into a current engine with `docker load` and save it again.',
      },
    );
  }
  return new DbupError('INPUT_NOT_AN_IMAGE', 'the archive holds neither manifest.json nor oci-layout', {
    hint: 'Make it with `docker save`, `podman save` or `skopeo copy`; `docker export` and `podman export` write a file system, not an image.',
  });
}

/**
 * The manifest.json of a docker-archive, byte for byte as `docker save` writes one: compact, in docker's field order,
 * `null` for no tags, a line feed at the end. Equal entries give equal bytes; the caller owns them.
 */
export function buildDockerManifest(
  entries: readonly Pick<DockerImageEntry, 'configName' | 'repoTags' | 'layerNames'>[],
): Uint8Array {
  const items = entries.map((entry) => ({
    Config: entry.configName,
    RepoTags: entry.repoTags.length === 0 ? null : entry.repoTags,
    Layers: entry.layerNames,
  }));
  return Buffer.from(`${JSON.stringify(items)}\n`);
}

/**
 * Member names for a docker-archive that every engine reads (docker from 1.10, podman, skopeo): those
 * skopeo gives, `<image id>.json` and `<diffID>.tar`, of which a layer shared by two images is one member.
 *
 * @param imageIdHex 64 hex digits of the config's digest
 * @param diffIdHexes 64 hex digits each, from the bottom layer to the top one
 */
export function dockerArchiveNames(
  imageIdHex: string,
  diffIdHexes: readonly string[],
): Pick<DockerImageEntry, 'configName' | 'layerNames'> {
  return { configName: `${imageIdHex}.json`, layerNames: diffIdHexes.map((hex) => `${hex}.tar`) };
}

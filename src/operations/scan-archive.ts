import {
  DOCKER_MANIFEST_NAME,
  type MemberInfo,
  memberKey,
  parseDockerManifest,
  resolveMember,
} from '../archive/docker-manifest.js';
import { parseBlobPath } from '../archive/oci-layout.js';
import { TarWalk } from '../archive/tar-walk.js';
import { DbupError } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import type { ArchiveInput } from '../image/archive-input.js';
import { parseImageConfig } from '../oci/config.js';
import { digestHex } from '../oci/digest.js';

/** Where no member came in so many bytes, no further one is looked for. */
const FORECAST_WITHIN_BYTES = 16 * 1024 * 1024;

export interface ScannedMember extends MemberInfo {
  positionBytes: number;
  sizeBytes: number;
}

/** What an archive will turn out to hold, if it is sound. */
export interface ArchiveForecast {
  /** The digest each member ought to have, by member key. */
  digests: Map<string, string>;
  /** What it calls its images. */
  references: string[];
}

/**
 * Reads the headers of an archive file and says which digest each member ought to have: by its name below
 * `blobs/`, or by the config that lists the layers. A forecast: every member is hashed all the same, and an
 * archive that cannot be read yields an empty one, to be refused with its reason when it is ingested.
 */
export async function forecastArchive(input: ArchiveInput): Promise<ArchiveForecast> {
  const expected = new Map<string, string>();
  const forecast = { digests: expected, references: [] };
  if (input.path === null) return forecast;
  try {
    const { members, repeated } = await scanMembers(input);
    for (const [key, { kind }] of members) {
      const digest = kind === 'file' ? parseBlobPath(key) : null;
      if (digest) expected.set(key, digestHex(digest));
    }
    await forecastLayers(input, members, forecast);
    // Only the last of several counts, and the earlier ones may be anything.
    for (const key of repeated) expected.delete(key);
  } catch (error) {
    if (!(error instanceof DbupError)) throw error;
  }
  return forecast;
}

async function forecastLayers(
  input: ArchiveInput,
  members: ReadonlyMap<string, ScannedMember>,
  { digests, references }: ArchiveForecast,
): Promise<void> {
  const manifest = members.get(DOCKER_MANIFEST_NAME);
  if (!manifest) return;
  for (const entry of parseDockerManifest(await readMember(input, manifest), DOCKER_MANIFEST_NAME)) {
    references.push(...entry.repoTags);
    const config = await readMember(input, resolveMember(entry.configName, members).member);
    const { diffIds } = parseImageConfig(config, entry.configName);
    entry.layerNames.forEach((name, i) => {
      if (!members.has(name) || i >= diffIds.length) return;
      const { name: key } = resolveMember(name, members);
      if (!digests.has(key)) digests.set(key, digestHex(diffIds[i]!));
    });
  }
}

/** The members by key, and the keys that occur more than once. */
export async function scanMembers(
  input: ArchiveInput,
): Promise<{ members: Map<string, ScannedMember>; repeated: Set<string> }> {
  const members = new Map<string, ScannedMember>();
  const repeated = new Set<string>();
  const walk = new TarWalk();
  const block = new Uint8Array(64 * 1024);
  let count = 0;
  let memberEnd = 0;
  for (let position = 0; ; ) {
    const before = walk.member;
    const piece = block.subarray(0, Math.min(block.length, walk.remainingBytes));
    const read = await input.readAt(piece, position);
    if (read === 0) return { members, repeated };
    walk.skeleton(piece.subarray(0, read));
    position += read;
    const member = walk.member;
    if (member === null || member === before) {
      // Of what has no end of headers, a hole of a terabyte for one, nothing is forecast.
      if (position - memberEnd > FORECAST_WITHIN_BYTES) return { members: new Map(), repeated };
      continue;
    }
    if (++count > LIMITS.archiveMembers) return { members: new Map(), repeated };
    const key = memberKey(member.name);
    const kind =
      member.type === '0'
        ? 'file'
        : member.type === '2'
          ? 'symlink'
          : member.type === '1'
            ? 'hardlink'
            : 'other';
    if (key !== null) {
      if (members.has(key)) repeated.add(key);
      members.set(key, {
        kind,
        linkName: member.linkName,
        positionBytes: position,
        sizeBytes: member.sizeBytes,
      });
    }
    if (walk.kind === 'content') {
      position += walk.remainingBytes;
      walk.content(walk.remainingBytes);
      // A header may claim more than any file can hold; no read goes there.
      if (position > input.sizeBytes!) return { members, repeated };
    }
    memberEnd = position;
  }
}

/** A document whole. @throws DbupError INPUT_TOO_LARGE */
export async function readMember(input: ArchiveInput, member: ScannedMember): Promise<Uint8Array> {
  if (
    member.sizeBytes > LIMITS.imageJsonBytes ||
    member.positionBytes + member.sizeBytes > input.sizeBytes!
  ) {
    throw new DbupError(
      'INPUT_TOO_LARGE',
      `a JSON document of ${input.description} has ${member.sizeBytes} bytes`,
    );
  }
  const bytes = new Uint8Array(member.sizeBytes);
  const read = await input.readAt(bytes, member.positionBytes);
  return bytes.subarray(0, read);
}

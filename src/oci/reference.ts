import { DbupError } from '../core/errors.js';
import { quoted } from './quoted.js';

/**
 * A name of an image, in the *familiar* form `docker images` shows: Docker Hub's host and its `library/`
 * left out, the tag always there.
 */
export interface Reference {
  /** `app`, `team/app`, `quay.io/a/b`, `localhost:5000/x`. */
  repository: string;
  tag: string;
  /** `repository:tag`, the one spelling dbup stores and compares. */
  text: string;
}

const DEFAULT_TAG = 'latest';
const HUB = 'docker.io';
const HUB_ALIAS = 'index.docker.io';
const HUB_LIBRARY = 'library/';
const REPOSITORY_CHARACTERS = 255;
const TAG_CHARACTERS = 128;
/** Longer than any valid reference, Hub's host and `library/` written out. */
const TEXT_CHARACTERS = 512;

/** The grammar of github.com/distribution/reference. */
const DOMAIN_LABEL = '[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?';
const DOMAIN_PATTERN = new RegExp(
  `^(?:${DOMAIN_LABEL}(?:\\.${DOMAIN_LABEL})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?$`,
);
const PATH_COMPONENT_PATTERN = /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*$/;
const TAG_PATTERN = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const FULL_HEX_PATTERN = /^[0-9a-f]{64}$/;
const IMAGE_ID_PATTERN = /^[0-9a-f]{12,64}$/;

const SNAPSHOT_PREFIX_PATTERN = /^[0-9a-f]{4,64}$/;
const DIGEST_PREFIX_PATTERN = /^[0-9a-f]{6,64}$/;
const BACK_PATTERN = /^[0-9]{1,9}$/;
const ALGORITHM = 'sha256:';

/** The error every part of a reference ends in. */
function invalidReference(text: string, problem: string, hint: string): DbupError {
  return new DbupError('REFERENCE_INVALID', `not an image reference: ${quoted(text)}: ${problem}`, {
    hint,
    details: { reference: text.slice(0, TEXT_CHARACTERS) },
  });
}

/**
 * Reads a reference as docker does and normalises it: `app` is `app:latest`, and `docker.io/library/app`,
 * `index.docker.io/app` and `app` are one. A digest is not part of a reference.
 *
 * @throws DbupError REFERENCE_INVALID with a hint that names the defect
 */
export function parseReference(text: string): Reference {
  if (text === '') throw invalidReference(text, 'it is empty', 'Name an image, for example app:1.0.');
  if (text.length > TEXT_CHARACTERS) throw tooLong(text);
  if (text.includes('@')) {
    throw invalidReference(
      text,
      'it holds a "@"',
      'Name the image by repository and tag, for example app:1.0.',
    );
  }
  const colon = text.indexOf(':', text.lastIndexOf('/') + 1);
  const name = colon === -1 ? text : text.slice(0, colon);
  const tag = colon === -1 ? DEFAULT_TAG : text.slice(colon + 1);
  const repository = familiarRepository(name, text);
  if (!TAG_PATTERN.test(tag)) throw badTag(text, tag);
  return { repository, tag, text: `${repository}:${tag}` };
}

/** True if `text` is an image id as docker prints it: 12 to 64 lower-case hex digits. It may be a repository too. */
export function looksLikeImageId(text: string): boolean {
  return IMAGE_ID_PATTERN.test(text);
}

/** The reference with its registry spelled out, as containerd names images: `docker.io/library/app:1.0`. */
export function fullReference(reference: Reference): string {
  const { domain, path } = splitDomain(reference.repository);
  return `${domain}/${path}:${reference.tag}`;
}

/** The familiar form of a repository name; `text` is the whole reference, for errors. */
function familiarRepository(name: string, text: string): string {
  if (FULL_HEX_PATTERN.test(text)) {
    throw invalidReference(
      text,
      '64 hex digits are an image id, not a name',
      'Write sha256: before the digits to name an image by its id.',
    );
  }
  const { domain, path } = splitDomain(name);
  if (!DOMAIN_PATTERN.test(domain)) {
    throw invalidReference(
      text,
      `${quoted(domain)} is not a registry host`,
      'A host is like quay.io or localhost:5000.',
    );
  }
  if (!path.split('/').every((component) => PATH_COMPONENT_PATTERN.test(component)))
    throw badPath(text, name, path);
  const short = withoutLibrary(path);
  // `docker.io/a.b/c` keeps its host: `a.b/c` would be read as another registry's.
  const repository = domain === HUB && splitDomain(short).path === path ? short : `${domain}/${path}`;
  if (repository.length > REPOSITORY_CHARACTERS) throw tooLong(text);
  if (repository === 'sha256') {
    throw invalidReference(
      text,
      '"sha256" is no repository',
      'Write sha256: and at least 6 hex digits to name an image by its id.',
    );
  }
  return repository;
}

/** The first component is a host if it could not be the first of a Hub path: docker's rule. */
function splitDomain(name: string): { domain: string; path: string } {
  const slash = name.indexOf('/');
  const first = slash === -1 ? '' : name.slice(0, slash);
  const isHost = first === 'localhost' || /[.:]/.test(first) || first !== first.toLowerCase();
  const domain = !isHost || first === HUB_ALIAS ? HUB : first;
  const path = isHost ? name.slice(slash + 1) : name;
  return { domain, path: domain === HUB && !path.includes('/') ? HUB_LIBRARY + path : path };
}

function withoutLibrary(path: string): string {
  const rest = path.startsWith(HUB_LIBRARY) ? path.slice(HUB_LIBRARY.length) : path;
  return rest.includes('/') ? path : rest;
}

function badPath(text: string, name: string, path: string): DbupError {
  const lower = path.toLowerCase();
  if (lower !== path && lower.split('/').every((component) => PATH_COMPONENT_PATTERN.test(component))) {
    const written = name.endsWith(path) ? path : withoutLibrary(path);
    const suggestion = name.slice(0, -written.length) + written.toLowerCase() + text.slice(name.length);
    return invalidReference(text, 'a repository is lower-case', `Write ${quoted(suggestion)}.`);
  }
  return invalidReference(
    text,
    'the repository is malformed',
    'A repository is made of lower-case letters and digits, with ".", "_", "__" or "-" between them and "/" between its parts.',
  );
}

function badTag(text: string, tag: string): DbupError {
  const problem = tag === '' ? 'the tag is empty' : `${quoted(tag)} is not a tag`;
  return invalidReference(
    text,
    problem,
    `A tag is up to ${TAG_CHARACTERS} letters, digits, "_", "." and "-", and begins with neither "." nor "-".`,
  );
}

function tooLong(text: string): DbupError {
  return invalidReference(
    text,
    'it is too long',
    `A repository has at most ${REPOSITORY_CHARACTERS} characters.`,
  );
}

/** Which of the saved versions is meant. */
export type VersionSelect =
  | { kind: 'current' }
  /** `count` saves before the current version, at least 1. */
  | { kind: 'back'; count: number }
  /** By the first hex digits of the snapshot's id, lower-case. */
  | { kind: 'snapshot'; idPrefix: string }
  /** By the first hex digits, lower-case and without `sha256:`, of an image id or a manifest digest. */
  | { kind: 'digest'; digestPrefix: string };

/** An address of one saved version, as users write it. */
export interface VersionAddress {
  /** Normalised `repository:tag`; null where no tag limits the choice. */
  reference: string | null;
  /** Normalised; null where the digest alone chooses. */
  repository: string | null;
  select: VersionSelect;
}

/**
 * Reads an address:
 *
 * | text | means |
 * |---|---|
 * | `app:1.0` | the current version |
 * | `app:1.0~2` | two saves before the current one (`~0` is the current one) |
 * | `app:1.0@3f1a` | the snapshot whose id begins so, at least 4 hex digits |
 * | `app@sha256:3f1ac2` | the version of any tag of `app` with this image id or manifest digest, at least 6 hex digits |
 * | `app:1.0@sha256:3f1ac2` | the same, of this tag only |
 * | `sha256:3f1ac2`, `@sha256:3f1ac2`, 64 hex digits | the same, of any reference |
 *
 * A short bare id such as `3f1ac2d4e5f6` is a valid repository and is read as one; see `looksLikeImageId`.
 *
 * @throws DbupError REFERENCE_INVALID
 */
export function parseVersionAddress(text: string): VersionAddress {
  if (FULL_HEX_PATTERN.test(text)) return byDigest(null, null, text, text);
  if (text.startsWith(ALGORITHM)) return byDigest(null, null, text.slice(ALGORITHM.length), text);
  const at = text.indexOf('@');
  if (at !== -1) return parseAt(text, text.slice(0, at), text.slice(at + 1));
  const tilde = text.indexOf('~');
  if (tilde === -1) return ofReference(parseReference(text), { kind: 'current' });
  const count = text.slice(tilde + 1);
  if (!BACK_PATTERN.test(count)) {
    throw invalidReference(
      text,
      'after "~" stands a number',
      'Write app:1.0~1 for the version before the current one.',
    );
  }
  const back = Number(count);
  const select: VersionSelect = back === 0 ? { kind: 'current' } : { kind: 'back', count: back };
  return ofReference(parseReference(text.slice(0, tilde)), select);
}

function parseAt(text: string, name: string, id: string): VersionAddress {
  if (id.startsWith(ALGORITHM)) {
    const prefix = id.slice(ALGORITHM.length);
    if (name === '') return byDigest(null, null, prefix, text);
    if (name.lastIndexOf(':') <= name.lastIndexOf('/')) {
      return byDigest(null, familiarRepository(name, text), prefix, text);
    }
    const reference = parseReference(name);
    return byDigest(reference.text, reference.repository, prefix, text);
  }
  const idPrefix = id.toLowerCase();
  if (name === '' || !SNAPSHOT_PREFIX_PATTERN.test(idPrefix)) throw badAt(text);
  return ofReference(parseReference(name), { kind: 'snapshot', idPrefix });
}

function ofReference(reference: Reference, select: VersionSelect): VersionAddress {
  return { reference: reference.text, repository: reference.repository, select };
}

function byDigest(
  reference: string | null,
  repository: string | null,
  hex: string,
  text: string,
): VersionAddress {
  const digestPrefix = hex.toLowerCase();
  if (!DIGEST_PREFIX_PATTERN.test(digestPrefix)) {
    throw invalidReference(text, 'the digest is malformed', 'Write sha256: and 6 to 64 hex digits.');
  }
  return { reference, repository, select: { kind: 'digest', digestPrefix } };
}

/** The reference of an image that has none: by its id, all under one name. */
export function untaggedReference(imageId: string): string {
  return `untagged:${imageId.slice('sha256:'.length, 'sha256:'.length + 12)}`;
}

/** True for a name that dbup made because the image had none. */
export function isUntagged(reference: string): boolean {
  return reference.startsWith('untagged:');
}

function badAt(text: string): DbupError {
  return invalidReference(
    text,
    'what stands around "@" is malformed',
    'Write app:1.0@ and 4 to 64 hex digits of a snapshot id (`dbup log` shows them), or app@sha256: and 6 to 64 of an image id.',
  );
}

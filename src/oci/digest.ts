import { DbupError } from '../core/errors.js';
import { quoted } from './quoted.js';

declare const digestBrand: unique symbol;

/** The name of a content: `sha256:` and 64 lower-case hex digits. */
export type Digest = string & { readonly [digestBrand]: true };

const PREFIX = 'sha256:';
const SHA256_PATTERN = /^sha256:[0-9a-f]{64}$/;
const SHA256_HEX_PATTERN = /^[0-9a-f]{64}$/;
const SHA512_PATTERN = /^sha512:[0-9a-f]{128}$/;

export function isDigest(text: string): text is Digest {
  return SHA256_PATTERN.test(text);
}

/**
 * Reads a digest; `where` names its place in errors.
 *
 * @throws DbupError INPUT_INVALID, also for SHA-512, which OCI allows and dbup does not verify
 */
export function parseDigest(text: string, where = 'the digest'): Digest {
  if (isDigest(text)) return text;
  if (SHA512_PATTERN.test(text)) {
    throw new DbupError('INPUT_INVALID', `${where} is a SHA-512 digest, which dbup does not support`, {
      hint: 'Build or push the image again with SHA-256 digests, the default of every tool.',
      details: { where },
    });
  }
  throw new DbupError('INPUT_INVALID', `${where} is not a digest: ${quoted(text)}`, {
    hint: 'A digest is "sha256:" and 64 lower-case hex digits.',
    details: { where },
  });
}

/** The 64 hex digits of a digest. */
export function digestHex(digest: Digest): string {
  return digest.slice(PREFIX.length);
}

/** The digest of 64 lower-case hex digits. @throws DbupError INPUT_INVALID */
export function digestFromHex(hex: string): Digest {
  if (!SHA256_HEX_PATTERN.test(hex)) {
    throw new DbupError('INPUT_INVALID', `not the hex digits of a SHA-256 digest: ${quoted(hex)}`, {
      hint: 'Exactly 64 lower-case hex digits are expected.',
    });
  }
  return `${PREFIX}${hex}` as Digest;
}

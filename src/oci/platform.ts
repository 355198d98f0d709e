import { DbupError } from '../core/errors.js';
import type { JsonNode } from './json-document.js';
import { quoted } from './quoted.js';

/** What an image runs on, in Go's names. */
export interface Platform {
  os: string;
  architecture: string;
  variant?: string;
  osVersion?: string;
}

/** What stands for a platform of what cannot be run: a statement about an image. */
export const NO_PLATFORM = 'unknown/unknown';

/** `linux/arm64/v8`: os, architecture and, if there is one, variant. */
export function formatPlatform(platform: Pick<Platform, 'os' | 'architecture' | 'variant'>): string {
  const base = `${platform.os}/${platform.architecture}`;
  return platform.variant === undefined ? base : `${base}/${platform.variant}`;
}

/** The platform that {@link formatPlatform} wrote, whatever its names are. */
export function platformOf(text: string): Platform {
  const [os = 'unknown', architecture = 'unknown', variant] = text.split('/');
  return { os, architecture, ...(variant !== undefined && { variant }) };
}

const PLATFORM_PATTERN = /^([a-z0-9_]{1,32})\/([a-z0-9_]{1,32})(?:\/([a-z0-9_.]{1,32}))?$/;

/** Names that `uname -m` and users give to Go's architectures. */
const ARCHITECTURE_ALIASES: ReadonlyMap<string, string> = new Map([
  ['x86_64', 'amd64'],
  ['aarch64', 'arm64'],
  ['i386', '386'],
]);

/** Reads `os/architecture[/variant]` as users write it, in any case. @throws DbupError USAGE */
export function parsePlatform(text: string): Platform {
  const match = PLATFORM_PATTERN.exec(text.toLowerCase());
  const [, os, architecture, variant] = match ?? [];
  if (os === undefined || architecture === undefined) {
    throw new DbupError('USAGE', `not a platform: ${quoted(text)}`, {
      hint: 'Write os/architecture or os/architecture/variant, for example linux/amd64 or linux/arm64/v8.',
    });
  }
  return {
    os,
    architecture: ARCHITECTURE_ALIASES.get(architecture) ?? architecture,
    ...(variant !== undefined && { variant }),
  };
}

/** The variant an image of this architecture has when it names none. */
const DEFAULT_VARIANTS: ReadonlyMap<string, string> = new Map([
  ['amd64', 'v1'],
  ['arm64', 'v8'],
  ['arm', 'v7'],
]);

/** True if an image for `actual` is what a user means by `wanted`; `linux/arm64` means `linux/arm64/v8`. */
export function platformMatches(wanted: Platform, actual: Platform): boolean {
  const variantOf = (platform: Platform) => platform.variant ?? DEFAULT_VARIANTS.get(platform.architecture);
  return (
    wanted.os === actual.os &&
    wanted.architecture === actual.architecture &&
    variantOf(wanted) === variantOf(actual)
  );
}

/**
 * The platform in the fields of a descriptor or a config. A missing name becomes `unknown`: the engines
 * accept such images, built by hand or by old tools. @throws DbupError INPUT_INVALID
 */
export function readPlatform(node: JsonNode): Platform {
  const variant = node.field('variant').optionalText();
  const osVersion = node.field('os.version').optionalText();
  return {
    os: node.field('os').optionalText() || 'unknown',
    architecture: node.field('architecture').optionalText() || 'unknown',
    ...(variant && { variant }),
    ...(osVersion && { osVersion }),
  };
}

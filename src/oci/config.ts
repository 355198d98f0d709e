import { LIMITS } from '../core/limits.js';
import { readDigest } from './descriptor.js';
import type { Digest } from './digest.js';
import { type JsonNode, readJsonDocument } from './json-document.js';
import { readPlatform } from './platform.js';

/** How a container of the image starts, as `docker inspect` shows it. */
export interface ContainerSettings {
  env: string[];
  cmd: string[];
  entrypoint: string[];
  /** Such as `80/tcp`, sorted. */
  exposedPorts: string[];
  labels: Readonly<Record<string, string>>;
  user: string;
  workingDir: string;
}

/** What dbup reads of an image config. The config itself is its raw bytes, which the caller keeps. */
export interface ImageConfig {
  /** `unknown` where the config does not say. */
  architecture: string;
  os: string;
  variant?: string;
  osVersion?: string;
  /** As written by the builder, RFC 3339 in every known one; not checked. */
  created?: string;
  /** The digests of the layers' plain tars, from the bottom layer to the top one. */
  diffIds: Digest[];
  /** Build steps, those that made no layer included. */
  historyCount: number;
  container: ContainerSettings;
}

/** Reads an OCI or Docker image config; `where` names it in errors. @throws DbupError INPUT_INVALID, INPUT_TOO_LARGE */
export function parseImageConfig(bytes: Uint8Array, where: string): ImageConfig {
  const document = readJsonDocument(bytes, where);
  const rootfs = document.field('rootfs');
  if (rootfs.isAbsent) {
    throw rootfs.invalid(
      'is missing: this is no image config, or one older than Docker 1.10',
      'Load the image into a current engine and save it again.',
    );
  }
  const type = rootfs.field('type');
  if (type.text() !== 'layers') throw type.invalid('is not "layers"');
  const created = document.field('created').optionalText();
  return {
    ...readPlatform(document),
    ...(created !== undefined && { created }),
    diffIds: rootfs.field('diff_ids').map(readDigest, LIMITS.imageLayers),
    historyCount: document.field('history').itemCount(),
    container: readContainer(document.field('config')),
  };
}

function readContainer(node: JsonNode): ContainerSettings {
  if (node.isAbsent) {
    return { env: [], cmd: [], entrypoint: [], exposedPorts: [], labels: {}, user: '', workingDir: '' };
  }
  return {
    env: node.field('Env').texts(),
    cmd: readCommand(node.field('Cmd')),
    entrypoint: readCommand(node.field('Entrypoint')),
    exposedPorts: Array.from(node.field('ExposedPorts').entries(), ([port]) => port).sort(),
    labels: node.field('Labels').textMap(),
    user: node.field('User').optionalText() ?? '',
    workingDir: node.field('WorkingDir').optionalText() ?? '',
  };
}

/** The engines also take one string for a command of one word. */
function readCommand(node: JsonNode): string[] {
  return node.isText ? [node.text()] : node.texts();
}

import { DbupError } from '../../core/errors.js';
import { LIMITS } from '../../core/limits.js';
import type { EngineEndpoint } from './endpoint.js';
import {
  type EngineImage,
  type EngineVersion,
  type ListedImage,
  parseImage,
  parseImageList,
  parseVersion,
  usesContainerdStore,
} from './engine-answers.js';
import {
  ENGINE_CONNECTIONS,
  EngineConnection,
  type EngineTimeouts,
  type JsonAnswer,
} from './engine-connection.js';
import { exportImages } from './image-export.js';
import { loadArchive } from './image-load.js';
import type { LoadAnswer } from './load-answer.js';

const DEFAULT_TIMEOUTS: EngineTimeouts = { connectTimeoutMs: 15_000, answerTimeoutMs: 120_000 };
const MAX_NAME_CHARS = 1024;
const NEVER = new AbortController().signal;

/**
 * A client of the Docker Engine API, which podman serves too. Owns its connections: call `close`, or hold it
 * with `using`. Every method throws DbupError: `ENGINE_UNREACHABLE`, `PERMISSION_DENIED`, `ENGINE_ERROR` with
 * the engine's own words, `INTERRUPTED`, and `REFERENCE_INVALID` for a name that cannot be put to an engine.
 */
export class EngineClient implements Disposable {
  readonly #connection: EngineConnection;
  #version: Promise<EngineVersion> | null = null;

  constructor(endpoint: EngineEndpoint, timeouts: Partial<EngineTimeouts> = {}) {
    this.#connection = new EngineConnection(endpoint, { ...DEFAULT_TIMEOUTS, ...timeouts });
  }

  get endpoint(): EngineEndpoint {
    return this.#connection.endpoint;
  }

  close(): void {
    this.#connection.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Reaches the engine, tells what it is and settles the API version; asked once and remembered. */
  version(signal: AbortSignal = NEVER): Promise<EngineVersion> {
    this.#version ??= this.#askVersion(signal).catch((error: unknown) => {
      this.#version = null;
      throw error;
    });
    return this.#version;
  }

  /** The image of that name or id, or null when the engine has none. */
  async inspectImage(name: string, signal: AbortSignal = NEVER): Promise<EngineImage | null> {
    const answer = await this.#ask('GET', `/images/${pathOf(name)}/json`, signal);
    if (answer.status === 404) return null;
    this.#mustBe(answer, [200], `looking at ${name}`);
    return parseImage(answer.value, this.#connection.name);
  }

  /** Every image the engine lists, also untagged ones. */
  async listImages(signal: AbortSignal = NEVER): Promise<ListedImage[]> {
    const answer = await this.#ask('GET', '/images/json', signal);
    this.#mustBe(answer, [200], 'listing its images');
    return parseImageList(answer.value, this.#connection.name);
  }

  /**
   * The docker-archive of the named images as the engine writes it; an id exports without names.
   * Throws `ENGINE_IMAGE_NOT_FOUND` if it lacks one. See {@link exportImages}.
   */
  async *exportImage(names: readonly string[], signal: AbortSignal = NEVER): AsyncGenerator<Uint8Array> {
    if (names.length === 0 || names.length > LIMITS.archiveImages) {
      throw new DbupError('USAGE', `cannot export ${names.length} images at once`, {
        hint: `Name 1 to ${LIMITS.archiveImages}.`,
      });
    }
    const query = names.map((name) => `names=${encodeURIComponent(checkedName(name))}`).join('&');
    const path = `${await this.#prefix(signal)}/images/get?${query}`;
    yield* exportImages(this.#connection, path, names, signal);
  }

  /** Loads a docker-archive; nothing is loaded when `tar` throws. See {@link loadArchive}. */
  async loadImage(tar: AsyncIterable<Uint8Array>, signal: AbortSignal = NEVER): Promise<LoadAnswer> {
    return await loadArchive(
      this.#connection,
      `${await this.#prefix(signal)}/images/load?quiet=1`,
      tar,
      signal,
    );
  }

  /** Makes `reference` (`repo:tag`) name the image `id`, taking it from another image if need be. Throws `ENGINE_IMAGE_NOT_FOUND`. */
  async tagImage(id: string, reference: string, signal: AbortSignal = NEVER): Promise<void> {
    const { repo, tag } = splitReference(reference);
    const query = `repo=${encodeURIComponent(repo)}&tag=${encodeURIComponent(tag)}`;
    const answer = await this.#ask('POST', `/images/${pathOf(id)}/tag?${query}`, signal);
    this.#mustHave(answer, id);
    this.#mustBe(answer, [200, 201], `tagging ${id} as ${reference}`);
  }

  /** Takes the name away, and the image with its last name. Throws `ENGINE_IMAGE_NOT_FOUND`. */
  async removeImage(reference: string, signal: AbortSignal = NEVER): Promise<void> {
    const answer = await this.#ask('DELETE', `/images/${pathOf(reference)}`, signal);
    this.#mustHave(answer, reference);
    this.#mustBe(answer, [200], `removing ${reference}`);
  }

  /**
   * The layer chains (diffIds from the base up, one array an image) of which a load may leave out the files:
   * docker skips a layer whose whole chain down to the base it has, and never opens its path in the archive.
   * Empty for engines that want every file: podman, and docker with the containerd store. An image removed
   * between this answer and the load makes the load fail with "no such file"; load it again in full.
   */
  async knownChains(signal: AbortSignal = NEVER): Promise<string[][]> {
    if ((await this.version(signal)).kind !== 'docker') return [];
    const info = await this.#ask('GET', '/info', signal);
    this.#mustBe(info, [200], 'asking for its storage');
    if (usesContainerdStore(info.value)) return [];
    const ids = [...new Set((await this.listImages(signal)).map((image) => image.id))];
    const chains: string[][] = [];
    let next = 0;
    const ask = async () => {
      while (next < ids.length) {
        const image = await this.inspectImage(ids[next++]!, signal);
        if (image !== null && image.rootFsLayers.length > 0) chains.push(image.rootFsLayers);
      }
    };
    await Promise.all(Array.from({ length: ENGINE_CONNECTIONS }, ask));
    return chains;
  }

  /** Whether it is a docker with the containerd image store, which keeps manifests and compressed layers as they are. */
  async usesContainerdStore(signal: AbortSignal = NEVER): Promise<boolean> {
    if ((await this.version(signal)).kind !== 'docker') return false;
    const info = await this.#ask('GET', '/info', signal);
    this.#mustBe(info, [200], 'asking for its storage');
    return usesContainerdStore(info.value);
  }

  async #askVersion(signal: AbortSignal): Promise<EngineVersion> {
    const answer = await this.#connection.askJson('GET', '/version', signal);
    this.#mustBe(answer, [200], 'asking for its version');
    return parseVersion(answer.value, this.#connection.name);
  }

  async #prefix(signal: AbortSignal): Promise<string> {
    return `/v${(await this.version(signal)).apiVersion}`;
  }

  async #ask(method: string, path: string, signal: AbortSignal): Promise<JsonAnswer> {
    return await this.#connection.askJson(method, `${await this.#prefix(signal)}${path}`, signal);
  }

  #mustBe(answer: JsonAnswer, statuses: readonly number[], doing: string): void {
    if (!statuses.includes(answer.status)) throw this.#connection.statusError(doing, answer);
  }

  #mustHave(answer: JsonAnswer, name: string): void {
    if (answer.status !== 404) return;
    throw new DbupError('ENGINE_IMAGE_NOT_FOUND', `${this.#connection.name} has no image ${name}`, {
      hint: 'List its images with `docker images` or `podman images`.',
    });
  }
}

/**
 * How many layers from the base up the engine already has as one chain; a load may leave out their files.
 *
 * @param chains what {@link EngineClient.knownChains} answered.
 */
export function knownPrefixLength(
  chains: readonly (readonly string[])[],
  diffIds: readonly string[],
): number {
  let longest = 0;
  for (const chain of chains) {
    let shared = 0;
    while (shared < diffIds.length && chain[shared] === diffIds[shared]) shared++;
    longest = Math.max(longest, shared);
  }
  return longest;
}

function checkedName(name: string): string {
  const segments = name.split('/');
  const bad = segments.some((segment) => segment === '' || segment === '.' || segment === '..');
  if (bad || name.length > MAX_NAME_CHARS || !/^[\x21-\x7e]+$/.test(name)) {
    throw new DbupError('REFERENCE_INVALID', `${JSON.stringify(name.slice(0, 100))} cannot name an image`, {
      hint: 'Name it as `repo:tag` or by its id.',
    });
  }
  return name;
}

/** The name inside a request path: its slashes stay, because podman's router wants them so. */
function pathOf(name: string): string {
  return checkedName(name).split('/').map(encodeURIComponent).join('/');
}

function splitReference(reference: string): { repo: string; tag: string } {
  const colon = checkedName(reference).lastIndexOf(':');
  if (reference.includes('@')) {
    throw new DbupError(
      'REFERENCE_INVALID',
      `${reference} holds a digest, which cannot be given to an image`,
      {
        hint: 'Use `repo:tag`.',
      },
    );
  }
  // A colon before the last slash belongs to the registry's port.
  if (colon <= reference.lastIndexOf('/')) return { repo: reference, tag: 'latest' };
  return { repo: reference.slice(0, colon), tag: reference.slice(colon + 1) };
}

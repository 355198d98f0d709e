import { DbupError } from '../../core/errors.js';
import { LIMITS } from '../../core/limits.js';

export interface EngineVersion {
  /** The API version dbup speaks with it, such as `1.41`. */
  apiVersion: string;
  engineVersion: string;
  kind: 'docker' | 'podman';
}

export interface EngineImage {
  /** `sha256:` and 64 hexadecimal digits: the digest of the config, or of a manifest in docker's containerd store. */
  id: string;
  repoTags: string[];
  repoDigests: string[];
  /** diffIds, from the base up. */
  rootFsLayers: string[];
  config: unknown;
  sizeBytes: number;
  os: string;
  architecture: string;
}

export interface ListedImage {
  id: string;
  repoTags: string[];
}

/** The newest API version dbup was written for; nothing it asks changed meaning since. */
const SPOKEN_API = '1.41';

const DIGEST = /^sha256:[0-9a-f]{64}$/;

type Json = Record<string, unknown>;

/** Reads `GET /version`. The API version is dbup's own, moved into the range the engine accepts. */
export function parseVersion(value: unknown, engine: string): EngineVersion {
  const answer = object(value, engine, 'its version');
  const newest = apiVersion(answer.ApiVersion);
  if (newest === null) throw unusable(engine, 'its version');
  // docker 29 no longer answers 1.41: its oldest is what comes nearest.
  const oldest = apiVersion(answer.MinAPIVersion) ?? newest;
  let spoken = SPOKEN_API;
  if (compareApi(newest, spoken) < 0) spoken = newest;
  if (compareApi(oldest, spoken) > 0) spoken = oldest;
  const components = Array.isArray(answer.Components) ? (answer.Components as unknown[]) : [];
  const isPodman = components.some((item) => /^podman/i.test(text((item as Json | null)?.Name)));
  return { apiVersion: spoken, engineVersion: text(answer.Version), kind: isPodman ? 'podman' : 'docker' };
}

/** Reads `GET /images/<name>/json`. */
export function parseImage(value: unknown, engine: string): EngineImage {
  const answer = object(value, engine, 'an image');
  const rootFs = typeof answer.RootFS === 'object' && answer.RootFS !== null ? (answer.RootFS as Json) : {};
  const layers = strings(rootFs.Layers);
  if (layers.length > LIMITS.imageLayers || !layers.every((layer) => DIGEST.test(layer))) {
    throw unusable(engine, 'the layers of an image');
  }
  return {
    id: imageId(answer.Id, engine),
    repoTags: names(answer.RepoTags),
    repoDigests: names(answer.RepoDigests),
    rootFsLayers: layers,
    config: answer.Config ?? null,
    sizeBytes: typeof answer.Size === 'number' && answer.Size >= 0 ? answer.Size : 0,
    os: text(answer.Os),
    architecture: text(answer.Architecture),
  };
}

/** Reads `GET /images/json`. */
export function parseImageList(value: unknown, engine: string): ListedImage[] {
  if (!Array.isArray(value)) throw unusable(engine, 'its list of images');
  return value.map((item: unknown) => {
    const image = object(item, engine, 'its list of images');
    return { id: imageId(image.Id, engine), repoTags: names(image.RepoTags) };
  });
}

/** Whether `GET /info` tells of docker's containerd image store, which reads every layer of a load. */
export function usesContainerdStore(value: unknown): boolean {
  const status = typeof value === 'object' && value !== null ? (value as Json).DriverStatus : null;
  if (!Array.isArray(status)) return false;
  return status.some(
    (pair: unknown) => Array.isArray(pair) && pair[0] === 'driver-type' && /containerd/i.test(text(pair[1])),
  );
}

function imageId(value: unknown, engine: string): string {
  const id = text(value);
  // Old podman leaves the algorithm out.
  const full = /^[0-9a-f]{64}$/.test(id) ? `sha256:${id}` : id;
  if (!DIGEST.test(full)) throw unusable(engine, 'the id of an image');
  return full;
}

function names(value: unknown): string[] {
  // docker writes "<none>:<none>" for an image without a name.
  return strings(value).filter((name) => !name.startsWith('<none>') && !name.endsWith(':<none>'));
}

function strings(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : [];
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function object(value: unknown, engine: string, what: string): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw unusable(engine, what);
  return value as Json;
}

function unusable(engine: string, what: string): DbupError {
  return new DbupError('ENGINE_ERROR', `${engine} gave an answer that cannot be used: ${what}`, {
    hint: 'Check that the address is that of a Docker or Podman engine.',
  });
}

/** A version such as `1.41`, or null for anything else: it becomes part of request paths. */
function apiVersion(value: unknown): string | null {
  return typeof value === 'string' && /^\d{1,4}\.\d{1,4}$/.test(value) ? value : null;
}

function compareApi(a: string, b: string): number {
  const [aMajor = 0, aMinor = 0] = a.split('.').map(Number);
  const [bMajor = 0, bMinor = 0] = b.split('.').map(Number);
  return aMajor - bMajor || aMinor - bMinor;
}

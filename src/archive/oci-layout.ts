import { DbupError } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import { type ImageConfig, parseImageConfig } from '../oci/config.js';
import { type Descriptor, descriptorToJson } from '../oci/descriptor.js';
import { type Digest, digestFromHex, digestHex } from '../oci/digest.js';
import { parseIndex } from '../oci/image-index.js';
import { invalidDocument, oversizedDocument, readJsonDocument } from '../oci/json-document.js';
import { parseManifest } from '../oci/manifest.js';
import {
  isImageConfigMediaType,
  isIndexMediaType,
  isManifestMediaType,
  MEDIA_TYPES,
} from '../oci/media-types.js';
import type { Platform } from '../oci/platform.js';
import { fullReference, parseReference, type Reference } from '../oci/reference.js';

/** The members every OCI layout has. */
export const OCI_LAYOUT_NAME = 'oci-layout';
export const OCI_INDEX_NAME = 'index.json';

const LAYOUT_VERSION = '1.0.0';
/** The annotations that name an image: OCI's, and containerd's. */
export const REF_NAME = 'org.opencontainers.image.ref.name';
export const CONTAINERD_NAME = 'io.containerd.image.name';
/** BuildKit's mark on what is about an image instead of being one. */
const REFERENCE_TYPE = 'vnd.docker.reference.type';
const BLOB_PATH_PATTERN = /^(?:\.\/)?blobs\/sha256\/([0-9a-f]{64})$/;

/** Checks the file `oci-layout`. @throws DbupError INPUT_INVALID for another version than 1.0.0 */
export function parseOciLayoutFile(
  bytes: Uint8Array,
  where: string = OCI_LAYOUT_NAME,
): { imageLayoutVersion: string } {
  const version = readJsonDocument(bytes, where).field('imageLayoutVersion');
  if (version.text() !== LAYOUT_VERSION) {
    throw version.invalid(
      `is not ${LAYOUT_VERSION}`,
      'This layout is of a later specification; update dbup.',
    );
  }
  return { imageLayoutVersion: LAYOUT_VERSION };
}

/** A top-level entry of a layout's index. */
export interface LayoutImage {
  descriptor: Descriptor;
  /** As annotated: containerd's full name, or else OCI's ref name, which may be no more than a tag. */
  name: string | null;
  /** The name normalised, where it is a whole reference with repository and tag. */
  reference: string | null;
  /** The entry as it stands in the index, as JSON; left out where it says no more than digest and names. */
  entryJson?: string;
}

/** A longer entry is not kept as it stands. */
const ENTRY_CHARACTERS = 64 * 1024;

/** Lists the images of a layout's index.json, in its order. @throws DbupError INPUT_INVALID, INPUT_TOO_LARGE */
export function listLayoutImages(indexBytes: Uint8Array, where: string = OCI_INDEX_NAME): LayoutImage[] {
  const descriptors = parseIndex(indexBytes, where).manifests;
  const { manifests = [] } = JSON.parse(new TextDecoder().decode(indexBytes)) as { manifests?: object[] };
  return descriptors.map((descriptor, i) => {
    const name = descriptor.annotations?.[CONTAINERD_NAME] || descriptor.annotations?.[REF_NAME] || null;
    const entryJson = saysMore(manifests[i]!) ? JSON.stringify(manifests[i]) : '';
    return {
      descriptor,
      name,
      reference: name === null ? null : wholeReference(name),
      ...(entryJson !== '' && entryJson.length <= ENTRY_CHARACTERS && { entryJson }),
    };
  });
}

/** True for an entry with more than what makes it one and what it is called. */
function saysMore(entry: object): boolean {
  const { annotations, ...rest } = entry as { annotations?: object | null };
  const names: readonly string[] = [CONTAINERD_NAME, REF_NAME];
  return (
    Object.keys(rest).some((key) => !['mediaType', 'digest', 'size'].includes(key)) ||
    Object.keys(annotations ?? {}).some((key) => !names.includes(key))
  );
}

/** A bare word may be a tag as well as a repository, so only a name with a tag counts. */
function wholeReference(name: string): string | null {
  if (!name.slice(name.lastIndexOf('/') + 1).includes(':')) return null;
  try {
    return parseReference(name).text;
  } catch (error) {
    if (error instanceof DbupError && error.code === 'REFERENCE_INVALID') return null;
    throw error;
  }
}

/** Where a layout keeps a content: `blobs/sha256/<hex>`. */
export function blobPath(digest: Digest): string {
  return `blobs/sha256/${digestHex(digest)}`;
}

/** The digest a member of a layout claims by its path; null for any other path. */
export function parseBlobPath(path: string): Digest | null {
  const hex = BLOB_PATH_PATTERN.exec(path)?.[1];
  return hex === undefined ? null : digestFromHex(hex);
}

/** One manifest of a tree and what it names. */
export interface TreeImage {
  manifest: Descriptor;
  config: Descriptor;
  /** The config's content; null if it is absent, or of another kind than an image's (a chart, a signature). */
  imageConfig: ImageConfig | null;
  /** From the index that lists the image, or else from its config. */
  platform: Platform | null;
  /** From the bottom layer to the top one. Their number need not be that of the config's diffIDs. */
  layers: Descriptor[];
  /** True for a statement about another image of the same index (SBOM, provenance). */
  attestation: boolean;
}

/** Everything reachable from one descriptor; each list names a digest once, in the order first met. */
export interface ImageTree {
  /** Indexes, manifests and configs that are there. */
  documents: Descriptor[];
  /** What manifests list as layers, whether there or not. */
  layers: Descriptor[];
  images: TreeImage[];
  /** Documents that are not there: platforms that were not pulled. */
  absent: Descriptor[];
  /** Contents dbup does not read: of unknown media types in an index, and configs that are no image's. */
  opaque: Descriptor[];
}

/**
 * Walks an image from its top document down.
 *
 * `readDocument` returns the bytes of a document, or null if the source does not hold it; it promises that
 * they have the descriptor's digest and are not changed meanwhile. Each document is asked for once.
 *
 * @throws DbupError INPUT_INVALID if a document is malformed or not as long as its descriptor says;
 * INPUT_TOO_LARGE beyond LIMITS.imageIndexDepth, archiveImages, snapshotBlobs or imageJsonTotalBytes
 */
export function walkImageTree(
  root: Descriptor,
  readDocument: (descriptor: Descriptor) => Uint8Array | null,
): ImageTree {
  return new TreeWalk(readDocument).walk(root);
}

class TreeWalk {
  readonly #readDocument: (descriptor: Descriptor) => Uint8Array | null;
  readonly #images: TreeImage[] = [];
  readonly #documents = new Map<Digest, Descriptor>();
  readonly #layers = new Map<Digest, Descriptor>();
  readonly #absent = new Map<Digest, Descriptor>();
  readonly #opaque = new Map<Digest, Descriptor>();
  readonly #configs = new Map<Digest, ImageConfig>();
  readonly #sizes = new Map<Digest, number>();
  #documentBytes = 0;

  constructor(readDocument: (descriptor: Descriptor) => Uint8Array | null) {
    this.#readDocument = readDocument;
  }

  walk(root: Descriptor): ImageTree {
    this.#visit(root, 0);
    return {
      documents: [...this.#documents.values()],
      layers: [...this.#layers.values()],
      images: this.#images,
      absent: [...this.#absent.values()],
      opaque: [...this.#opaque.values()],
    };
  }

  #visit(descriptor: Descriptor, depth: number): void {
    this.#note(descriptor);
    if (!isIndexMediaType(descriptor.mediaType) && !isManifestMediaType(descriptor.mediaType)) {
      this.#opaque.set(descriptor.digest, this.#opaque.get(descriptor.digest) ?? descriptor);
      return;
    }
    if (depth > LIMITS.imageIndexDepth) {
      throw oversizedDocument(
        descriptor.digest,
        '',
        `lies under more than ${LIMITS.imageIndexDepth} indexes`,
      );
    }
    const bytes = this.#read(descriptor);
    if (bytes === null) return;
    if (isManifestMediaType(descriptor.mediaType)) {
      this.#addImage(descriptor, bytes);
      return;
    }
    for (const child of parseIndex(bytes, descriptor.digest).manifests) this.#visit(child, depth + 1);
  }

  /** The bytes of a document met for the first time; null if it is absent or was read before. */
  #read(descriptor: Descriptor): Uint8Array | null {
    const { digest } = descriptor;
    if (this.#documents.has(digest) || this.#absent.has(digest)) return null;
    const bytes = this.#readDocument(descriptor);
    (bytes === null ? this.#absent : this.#documents).set(digest, descriptor);
    if (bytes === null) return null;
    if (bytes.length !== descriptor.sizeBytes) {
      throw invalidDocument(
        digest,
        '',
        `has ${bytes.length} bytes; its descriptor says ${descriptor.sizeBytes}`,
      );
    }
    this.#documentBytes += bytes.length;
    if (this.#documentBytes > LIMITS.imageJsonTotalBytes) {
      throw oversizedDocument(
        digest,
        '',
        `makes more than ${LIMITS.imageJsonTotalBytes} bytes of documents in one image`,
      );
    }
    return bytes;
  }

  #addImage(descriptor: Descriptor, bytes: Uint8Array): void {
    const manifest = parseManifest(bytes, descriptor.digest);
    for (const layer of manifest.layers) {
      this.#note(layer);
      this.#layers.set(layer.digest, this.#layers.get(layer.digest) ?? layer);
    }
    const imageConfig = this.#readConfig(manifest.config);
    this.#images.push({
      manifest: descriptor,
      config: manifest.config,
      imageConfig,
      platform: descriptor.platform ?? (imageConfig === null ? null : platformOf(imageConfig)),
      layers: manifest.layers,
      attestation: isAttestation(descriptor, manifest.layers),
    });
    if (this.#images.length > LIMITS.archiveImages) {
      throw oversizedDocument(
        descriptor.digest,
        '',
        `is one of more than ${LIMITS.archiveImages} manifests in one image`,
      );
    }
  }

  /** Images that differ in their manifests only (recompressed layers) share a config. */
  #readConfig(config: Descriptor): ImageConfig | null {
    this.#note(config);
    if (!isImageConfigMediaType(config.mediaType)) {
      this.#opaque.set(config.digest, this.#opaque.get(config.digest) ?? config);
      return null;
    }
    const bytes = this.#read(config);
    if (bytes !== null) this.#configs.set(config.digest, parseImageConfig(bytes, config.digest));
    return this.#configs.get(config.digest) ?? null;
  }

  #note(descriptor: Descriptor): void {
    const known = this.#sizes.get(descriptor.digest);
    if (known !== undefined && known !== descriptor.sizeBytes) {
      throw invalidDocument(
        descriptor.digest,
        '',
        `is said to have ${known} bytes and ${descriptor.sizeBytes} bytes`,
      );
    }
    this.#sizes.set(descriptor.digest, descriptor.sizeBytes);
    if (this.#sizes.size > LIMITS.snapshotBlobs) {
      throw oversizedDocument(
        descriptor.digest,
        '',
        `is one of more than ${LIMITS.snapshotBlobs} contents of one image`,
      );
    }
  }
}

function platformOf(config: ImageConfig): Platform {
  const { os, architecture, variant, osVersion } = config;
  return {
    os,
    architecture,
    ...(variant !== undefined && { variant }),
    ...(osVersion !== undefined && { osVersion }),
  };
}

/** By BuildKit's annotation, or where a tool dropped it, by the in-toto layers of a platformless manifest. */
function isAttestation(manifest: Descriptor, layers: readonly Descriptor[]): boolean {
  if (manifest.annotations?.[REFERENCE_TYPE] !== undefined) return true;
  const isPlatformless = manifest.platform?.os === 'unknown' && manifest.platform.architecture === 'unknown';
  return (
    isPlatformless && layers.length > 0 && layers.every((layer) => layer.mediaType === MEDIA_TYPES.inToto)
  );
}

/** The bytes of a new layout's `oci-layout`. */
export function ociLayoutFileBytes(): Uint8Array {
  return encode({ imageLayoutVersion: LAYOUT_VERSION });
}

/** An index that lists `entries` in their order. Equal entries give equal bytes, which the caller owns. */
export function buildIndex(entries: readonly Descriptor[]): Uint8Array {
  return encode({
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.ociIndex,
    manifests: entries.map(descriptorToJson),
  });
}

/** An OCI manifest of a config and its layers, bottom first. Equal arguments give equal bytes. */
export function buildManifestFor(config: Descriptor, layers: readonly Descriptor[]): Uint8Array {
  return encode({
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.ociManifest,
    config: descriptorToJson(config),
    layers: layers.map(descriptorToJson),
  });
}

/** The annotations by which docker, containerd and podman find an image's name in a layout: those docker writes. */
export function nameAnnotations(reference: Reference): Record<string, string> {
  return { [CONTAINERD_NAME]: fullReference(reference), [REF_NAME]: reference.tag };
}

function encode(document: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(document));
}

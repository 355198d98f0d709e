import { groupCompanions } from '../archive/layout-companions.js';
import { type LayoutEntry, layoutEntry, layoutEntryOf } from '../archive/layout-entry.js';
import { unwantedManifests } from '../archive/layout-platforms.js';
import { blobPath, buildManifestFor, type LayoutImage, walkImageTree } from '../archive/oci-layout.js';
import { DbupError } from '../core/errors.js';
import type { SnapshotImage, SnapshotRoot } from '../format/snapshot.js';
import { sha256Hex } from '../hash/sha256.js';
import type { Descriptor } from '../oci/descriptor.js';
import { type Digest, digestFromHex, parseDigest } from '../oci/digest.js';
import {
  isImageConfigMediaType,
  isIndexMediaType,
  isManifestMediaType,
  MEDIA_TYPES,
} from '../oci/media-types.js';
import { type Platform, parsePlatform } from '../oci/platform.js';
import type { ImageReader } from './image-reader.js';

/** A file of an OCI layout: a blob of the snapshot, or bytes made here. */
export type LayoutFile = { name: string; sizeBytes: number } & ({ digest: Digest } | { bytes: Uint8Array });

/** What an OCI layout of a snapshot consists of. */
export interface LayoutPlan {
  /** Blobs first, each once. */
  blobs: LayoutFile[];
  /** The entries for the layout's index: the image, and what is about it. */
  entries: LayoutEntry[];
  /** The images in it that can be run. */
  images: SnapshotImage[];
  /** What the snapshot has that is about the image and is not in it. */
  companionsLeftOut: Required<SnapshotRoot>[];
}

/** The plan without what is about the image: an engine would take it for images. */
export function withoutCompanions(plan: LayoutPlan, reader: ImageReader): LayoutPlan {
  const { companions = [] } = reader.snapshot;
  return { ...plan, entries: plan.entries.slice(0, 1), companionsLeftOut: companions };
}

/**
 * Plans an OCI layout. An image that came from a layout keeps every byte and digest; of its platforms one makes a
 * layout of that one's manifest, several one of the whole index, which names the others. An image from a
 * docker-archive, which has no manifest of its own, is given one that names its layers.
 * @param names annotations that name the image; none where it has no name
 * @throws DbupError USAGE, SNAPSHOT_NOT_FOUND for a platform it is not for
 */
export async function planLayout(
  reader: ImageReader,
  names: Record<string, string>,
  platforms: readonly string[] = [],
): Promise<LayoutPlan> {
  const { root } = reader.snapshot;
  const images = reader.images(platforms);
  if (!root) return planManifest(reader, reader.image(platforms[0]), names);
  if (platforms.length === 0) {
    const companions = reader.snapshot.companions ?? [];
    return {
      blobs: reader.snapshot.blobs.map(({ digest }) => layoutBlob(reader, digest)),
      entries: [entryOf(root, names), ...companions.map((one) => entryOf(one))],
      images,
      companionsLeftOut: [],
    };
  }
  return planPart(reader, root, images, platforms.map(parsePlatform), names);
}

async function planPart(
  reader: ImageReader,
  root: SnapshotRoot,
  images: SnapshotImage[],
  platforms: readonly Platform[],
  names: Record<string, string>,
): Promise<LayoutPlan> {
  const { companions = [] } = reader.snapshot;
  const documents = await readDocuments(reader);
  const read = ({ digest }: Descriptor): Uint8Array | null => documents.get(digest) ?? null;
  const top = descriptorOf(root);
  const unwanted = unwantedManifests(top, read, platforms, reader.snapshot.reference);
  const wanted = (one: Descriptor): Uint8Array | null => (unwanted.has(one.digest) ? null : read(one));
  const manifests = walkImageTree(top, wanted).images.filter((image) => !image.attestation);
  const [only] = manifests;
  const isWhole = platforms.length > 1 || manifests.length !== 1 || only!.manifest.digest === top.digest;
  const entry = isWhole ? entryOf(root, names) : layoutEntryOf({ ...only!.manifest, annotations: names });
  const image: LayoutImage = { descriptor: entry.descriptor, name: null, reference: null };
  const others = companions.map((one) => entryOf(one));
  const [group] = groupCompanions([image], others.map(asImage), wanted);
  const kept = new Set(group!.companions.map(({ descriptor }) => descriptor.digest));
  const taken = others.filter(({ descriptor }) => kept.has(descriptor.digest));
  const digests = new Set<Digest>();
  for (const { descriptor } of [entry, ...taken]) {
    const tree = walkImageTree(descriptor, wanted);
    for (const one of [...tree.documents, ...tree.layers, ...tree.opaque]) digests.add(one.digest);
  }
  return {
    blobs: [...digests].filter((one) => reader.hasBlob(one)).map((one) => layoutBlob(reader, one)),
    entries: [entry, ...taken.map(({ descriptor, json }) => ({ descriptor, json }))],
    images,
    companionsLeftOut: companions.filter(({ digest }) => !kept.has(parseDigest(digest))),
  };
}

function asImage({ descriptor }: LayoutEntry): LayoutImage {
  const { annotations = {} } = descriptor;
  const name = annotations['io.containerd.image.name'] ?? annotations['org.opencontainers.image.ref.name'];
  return { descriptor, name: name ?? null, reference: null };
}

/** Indexes, manifests and configs, by digest. */
export async function readDocuments(reader: ImageReader): Promise<Map<string, Uint8Array>> {
  const documents = new Map<string, Uint8Array>();
  for (const { digest, mediaType } of reader.snapshot.blobs) {
    if (isIndexMediaType(mediaType) || isManifestMediaType(mediaType) || isImageConfigMediaType(mediaType))
      documents.set(digest, await reader.document(digest));
  }
  return documents;
}

function planManifest(reader: ImageReader, image: SnapshotImage, names: Record<string, string>): LayoutPlan {
  const config = descriptor(reader, MEDIA_TYPES.ociConfig, image.configDigest);
  const layers = image.layers.map(({ digest, diffId }) =>
    descriptor(reader, digest === diffId ? MEDIA_TYPES.ociLayerTar : compressedType(reader, digest), digest),
  );
  const manifest = buildManifestFor(config, layers);
  const digest = digestFromHex(sha256Hex(manifest));
  const digests = new Set([config.digest, ...layers.map((layer) => layer.digest)]);
  return {
    blobs: [
      ...[...digests].map((blob) => layoutBlob(reader, blob)),
      { name: blobPath(digest), sizeBytes: manifest.length, bytes: manifest },
    ],
    entries: [
      layoutEntryOf({
        mediaType: MEDIA_TYPES.ociManifest,
        digest,
        sizeBytes: manifest.length,
        annotations: names,
      }),
    ],
    images: [image],
    companionsLeftOut: [],
  };
}

function compressedType(reader: ImageReader, digest: string): string {
  const isZstd = reader.mediaType(digest).endsWith('zstd');
  return isZstd ? MEDIA_TYPES.ociLayerTarZstd : MEDIA_TYPES.ociLayerTarGzip;
}

/** The entry as the source's index had it; with other names, if there are any to give. */
function entryOf(root: SnapshotRoot, names?: Record<string, string>): LayoutEntry {
  if (root.entryJson === undefined) return layoutEntryOf({ ...descriptorOf(root), annotations: names ?? {} });
  const entry = layoutEntry(root.entryJson, names);
  if (entry.descriptor.digest === root.digest) return entry;
  throw new DbupError('POOL_DAMAGED', `the entry of ${root.digest} is about ${entry.descriptor.digest}`, {
    hint: 'Run `dbup verify`.',
  });
}

/** The descriptor of a snapshot's top document, or of a companion's. */
export function descriptorOf({ digest, mediaType, sizeBytes }: SnapshotRoot): Descriptor {
  return { mediaType, digest: parseDigest(digest), sizeBytes };
}

function layoutBlob(reader: ImageReader, digest: string): LayoutFile {
  const parsed = parseDigest(digest);
  return { name: blobPath(parsed), sizeBytes: reader.blobBytes(digest), digest: parsed };
}

function descriptor(reader: ImageReader, mediaType: string, digest: string): Descriptor {
  return { mediaType, digest: parseDigest(digest), sizeBytes: reader.blobBytes(digest) };
}

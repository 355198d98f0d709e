import { LIMITS } from '../core/limits.js';
import { type Descriptor, readDescriptor } from './descriptor.js';
import { readJsonDocument } from './json-document.js';
import { isManifestMediaType, MEDIA_TYPES } from './media-types.js';

/** What dbup reads of an image manifest. The manifest itself is its raw bytes, which the caller keeps. */
export interface Manifest {
  /** Of the document; OCI's where the document does not say. */
  mediaType: string;
  config: Descriptor;
  /** From the bottom layer to the top one. */
  layers: Descriptor[];
  /** Set on what is no runnable image: a signature, a chart, an attestation. */
  artifactType?: string;
  /** The manifest this one is about. */
  subject?: Descriptor;
  annotations?: Readonly<Record<string, string>>;
}

/**
 * Reads an OCI or Docker (schema 2) image manifest; `where` names it in errors.
 * A document that could also be read as an index is refused, as CVE-2021-41190 asks: two tools would
 * take it for two different images.
 *
 * @throws DbupError INPUT_INVALID, INPUT_TOO_LARGE
 */
export function parseManifest(bytes: Uint8Array, where: string): Manifest {
  const document = readJsonDocument(bytes, where);
  if (!document.field('manifests').isAbsent)
    throw document.invalid('is an index where an image manifest is expected');
  if (!document.field('fsLayers').isAbsent) {
    throw document.invalid(
      'is a manifest of schema 1, which dbup does not support',
      'Pull and push the image again with a tool of 2017 or later.',
    );
  }
  const mediaType = document.field('mediaType').optionalText() ?? MEDIA_TYPES.ociManifest;
  if (!isManifestMediaType(mediaType))
    throw document.field('mediaType').invalid('is not that of an image manifest');
  const artifactType = document.field('artifactType').optionalText();
  const subject = document.field('subject');
  const annotations = document.field('annotations');
  return {
    mediaType,
    config: readDescriptor(document.field('config')),
    layers: document.field('layers').map(readDescriptor, LIMITS.imageLayers),
    ...(artifactType !== undefined && { artifactType }),
    ...(!subject.isAbsent && { subject: readDescriptor(subject) }),
    ...(!annotations.isAbsent && { annotations: annotations.textMap() }),
  };
}

import { LIMITS } from '../core/limits.js';
import { type Descriptor, readDescriptor } from './descriptor.js';
import { readJsonDocument } from './json-document.js';
import { isIndexMediaType, MEDIA_TYPES } from './media-types.js';

/** What dbup reads of an index or manifest list. The index itself is its raw bytes, which the caller keeps. */
export interface ImageIndex {
  /** Of the document; OCI's where the document does not say. */
  mediaType: string;
  manifests: Descriptor[];
  annotations?: Readonly<Record<string, string>>;
}

/**
 * Reads an OCI index or a Docker manifest list; `where` names it in errors.
 * A document that could also be read as a manifest is refused (CVE-2021-41190).
 *
 * @throws DbupError INPUT_INVALID, INPUT_TOO_LARGE
 */
export function parseIndex(bytes: Uint8Array, where: string): ImageIndex {
  const document = readJsonDocument(bytes, where);
  if (!document.field('config').isAbsent || !document.field('layers').isAbsent) {
    throw document.invalid('is an image manifest where an index is expected');
  }
  const mediaType = document.field('mediaType').optionalText() ?? MEDIA_TYPES.ociIndex;
  if (!isIndexMediaType(mediaType)) throw document.field('mediaType').invalid('is not that of an index');
  const annotations = document.field('annotations');
  return {
    mediaType,
    manifests: document.field('manifests').map(readDescriptor, LIMITS.archiveImages),
    ...(!annotations.isAbsent && { annotations: annotations.textMap() }),
  };
}

import { type Descriptor, descriptorToJson, readDescriptor } from '../oci/descriptor.js';
import { readJsonDocument } from '../oci/json-document.js';
import { MEDIA_TYPES } from '../oci/media-types.js';
import { CONTAINERD_NAME, REF_NAME } from './oci-layout.js';

/** An entry of a layout's index, and the object that stands there for it. */
export interface LayoutEntry {
  descriptor: Descriptor;
  json: Readonly<Record<string, unknown>>;
}

/** The entry of a descriptor that says no more than dbup reads. */
export function layoutEntryOf(descriptor: Descriptor): LayoutEntry {
  return { descriptor, json: descriptorToJson(descriptor) };
}

/**
 * An entry as an index had it, fields that dbup does not know included.
 * @param names annotations to stand in the place of those that name the image, which stay where none are given
 * @throws DbupError INPUT_INVALID, INPUT_TOO_LARGE
 */
export function layoutEntry(entryJson: string, names?: Readonly<Record<string, string>>): LayoutEntry {
  const bytes = new TextEncoder().encode(entryJson);
  const descriptor = readDescriptor(readJsonDocument(bytes, 'the entry of an index'));
  const json = JSON.parse(entryJson) as Record<string, unknown>;
  if (!names) return { descriptor, json };
  const { [CONTAINERD_NAME]: _, [REF_NAME]: __, ...annotations } = descriptor.annotations ?? {};
  const all = { ...names, ...annotations };
  const { annotations: ___, ...rest } = json;
  const isBare = Object.keys(all).length === 0;
  return {
    descriptor: { ...descriptor, annotations: all },
    json: isBare ? rest : { ...rest, annotations: all },
  };
}

/** An index that lists `entries` in their order. */
export function buildIndexOf(entries: readonly LayoutEntry[]): Uint8Array {
  return Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA_TYPES.ociIndex,
      manifests: entries.map(({ json }) => json),
    }),
  );
}

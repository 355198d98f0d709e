import { type Digest, isDigest, parseDigest } from './digest.js';
import type { JsonNode } from './json-document.js';
import { type Platform, readPlatform } from './platform.js';

/** What OCI says of a content before one reads it. */
export interface Descriptor {
  mediaType: string;
  digest: Digest;
  sizeBytes: number;
  platform?: Platform;
  annotations?: Readonly<Record<string, string>>;
  artifactType?: string;
}

/** Reads a descriptor. @throws DbupError INPUT_INVALID naming the document and the field */
export function readDescriptor(node: JsonNode): Descriptor {
  const platform = node.field('platform');
  const annotations = node.field('annotations');
  const artifactType = node.field('artifactType').optionalText();
  return {
    mediaType: node.field('mediaType').text(),
    digest: readDigest(node.field('digest')),
    sizeBytes: node.field('size').count(),
    ...(!platform.isAbsent && { platform: readPlatform(platform) }),
    ...(!annotations.isAbsent && { annotations: annotations.textMap() }),
    ...(artifactType !== undefined && { artifactType }),
  };
}

/** Reads a digest field. @throws DbupError INPUT_INVALID */
export function readDigest(node: JsonNode): Digest {
  const text = node.text();
  return isDigest(text) ? text : parseDigest(text, `${node.where}: ${node.path}`);
}

/**
 * The descriptor as the plain object OCI's JSON holds, in the field order of the Go tools, annotations
 * sorted by name: equal descriptors give equal bytes.
 */
export function descriptorToJson(descriptor: Descriptor): Record<string, unknown> {
  const { annotations, platform, artifactType } = descriptor;
  const names = Object.keys(annotations ?? {}).sort();
  return {
    mediaType: descriptor.mediaType,
    digest: descriptor.digest,
    size: descriptor.sizeBytes,
    ...(names.length > 0 && {
      annotations: Object.fromEntries(names.map((name) => [name, annotations?.[name]])),
    }),
    ...(platform && {
      platform: {
        architecture: platform.architecture,
        os: platform.os,
        ...(platform.osVersion !== undefined && { 'os.version': platform.osVersion }),
        ...(platform.variant !== undefined && { variant: platform.variant }),
      },
    }),
    ...(artifactType !== undefined && { artifactType }),
  };
}

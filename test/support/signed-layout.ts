import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { configOf, type Files, type SampleImage, zstd } from './archive-layouts.js';
import { sha256Of } from './images.js';
import { ascii } from './tar-builder.js';

const OCI = 'application/vnd.oci.image';

/** An entry of an index, as JSON has it. */
export interface Entry {
  mediaType: string;
  digest: string;
  size: number;
  annotations?: Record<string, string>;
  artifactType?: string;
  platform?: Record<string, string>;
}

/** Makes OCI layouts by hand: content first, and then what names it. */
export class LayoutBuilder {
  readonly files: Files = new Map();
  readonly entries: Entry[] = [];

  put(mediaType: string, bytes: Uint8Array, more: Partial<Entry> = {}): Entry {
    this.files.set(`blobs/sha256/${sha256Of(bytes)}`, bytes);
    return { mediaType, digest: `sha256:${sha256Of(bytes)}`, size: bytes.length, ...more };
  }

  json(mediaType: string, document: object, more: Partial<Entry> = {}): Entry {
    return this.put(mediaType, ascii(JSON.stringify({ schemaVersion: 2, mediaType, ...document })), more);
  }

  /** An image with zstd layers: no encoder is looked for, which takes a while. */
  image(image: SampleImage, more: Partial<Entry> = {}): Entry {
    const config = this.put(`${OCI}.config.v1+json`, configOf(image));
    const layers = image.layers.map((layer) => this.put(`${OCI}.layer.v1.tar+zstd`, zstd(layer)));
    return this.json(`${OCI}.manifest.v1+json`, { config, layers }, more);
  }

  index(manifests: readonly Entry[], more: Partial<Entry> = {}): Entry {
    return this.json(`${OCI}.index.v1+json`, { manifests }, more);
  }

  /** As cosign signs: an image of statements, named by the digest of what it signs. */
  cosign(signed: Entry, more: Partial<Entry> = {}): Entry {
    const statement = this.put(
      'application/vnd.dev.cosign.simplesigning.v1+json',
      ascii(JSON.stringify({ critical: { image: { 'docker-manifest-digest': signed.digest } } })),
    );
    const rootfs = { type: 'layers', diff_ids: [statement.digest] };
    const config = this.put(
      `${OCI}.config.v1+json`,
      ascii(JSON.stringify({ architecture: '', os: '', rootfs })),
    );
    const name = `${signed.digest.replace(':', '-')}.sig`;
    const annotations = { 'org.opencontainers.image.ref.name': name };
    return this.json(`${OCI}.manifest.v1+json`, { config, layers: [statement] }, { annotations, ...more });
  }

  /** An artifact of OCI 1.1 about another content. */
  referrer(subject: Entry, body: string): Entry {
    const { mediaType, digest, size } = subject;
    const artifactType = 'application/vnd.example.sbom';
    const config = this.put('application/vnd.oci.empty.v1+json', ascii('{}'));
    const layers = [this.put('application/spdx+json', ascii(body))];
    const document = { artifactType, config, layers, subject: { mediaType, digest, size } };
    return this.json(`${OCI}.manifest.v1+json`, document, { artifactType });
  }

  /** All files, `index.json` listing the entries added. */
  layout(): Files {
    return new Map([
      ...this.files,
      ['oci-layout', ascii('{"imageLayoutVersion":"1.0.0"}')],
      ['index.json', ascii(JSON.stringify({ schemaVersion: 2, manifests: this.entries }))],
    ]);
  }
}

export function named(entry: Entry, name: string): Entry {
  return {
    ...entry,
    annotations: { ...entry.annotations, 'org.opencontainers.image.ref.name': name },
  };
}

/**
 * An image for two platforms with all that can be about it: cosign's tags for the index and for one platform,
 * referrers of the index, of a platform and of a referrer, and the index of referrers that registries without them have.
 */
export function signedLayout(platforms: Record<string, SampleImage>): {
  builder: LayoutBuilder;
  root: Entry;
  manifests: Map<string, Entry>;
} {
  const builder = new LayoutBuilder();
  const manifests = new Map(
    Object.entries(platforms).map(([platform, image]) => {
      const [os = '', architecture = '', variant] = platform.split('/');
      const described = { os, architecture, ...(variant !== undefined && { variant }) };
      return [platform, builder.image(image, { platform: described })];
    }),
  );
  const root = builder.index([...manifests.values()]);
  const [first] = [...manifests.values()];
  const about = builder.referrer(root, '{"about":"index"}');
  const { artifactType, ...fallback } = builder.index([about]);
  builder.entries.push(
    named(root, '1.0'),
    builder.cosign(root),
    builder.cosign(first!),
    about,
    builder.referrer(first!, '{"about":"platform"}'),
    builder.referrer(about, '{"about":"referrer"}'),
    named(fallback, root.digest.replace(':', '-')),
  );
  return { builder, root, manifests };
}

/** Writes a layout's files below `directory`. */
export async function writeLayout(directory: string, files: Files): Promise<string> {
  for (const [name, bytes] of files) {
    await mkdir(dirname(join(directory, name)), { recursive: true });
    await writeFile(join(directory, name), bytes);
  }
  return directory;
}

export async function entriesIn(directory: string): Promise<Entry[]> {
  const index = JSON.parse(await readFile(join(directory, 'index.json'), 'utf8')) as { manifests: Entry[] };
  return index.manifests;
}

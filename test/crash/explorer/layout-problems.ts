import { sha256Of } from '../../support/images.js';
import type { Tree } from './tree.js';

interface Descriptor {
  digest: string;
  annotations?: Record<string, string>;
}

/** Why an OCI layout does not hold all these images, each of them whole. */
export function layoutProblems(layout: Tree, tags: readonly string[]): string[] {
  const problems: string[] = [];
  const read = (digest: string): Uint8Array | null => {
    const bytes = layout.get(`blobs/sha256/${digest.slice('sha256:'.length)}`);
    if (bytes && `sha256:${sha256Of(bytes)}` === digest) return bytes;
    problems.push(`blob ${digest} is missing or wrong`);
    return null;
  };
  const parse = (bytes: Uint8Array | null | undefined): unknown =>
    JSON.parse(Buffer.from(bytes ?? []).toString() || '{}');
  const { manifests = [] } = parse(layout.get('index.json')) as { manifests?: Descriptor[] };
  for (const tag of tags) {
    const found = manifests.find(
      ({ annotations }) => annotations?.['org.opencontainers.image.ref.name'] === tag,
    );
    if (!found) problems.push(`the index has no ${tag}`);
    const { config, layers = [] } = parse(found ? read(found.digest) : null) as {
      config?: Descriptor;
      layers?: Descriptor[];
    };
    for (const { digest } of [...(config ? [config] : []), ...layers]) read(digest);
  }
  return problems;
}

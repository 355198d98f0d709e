import type { SnapshotImage } from '../format/snapshot.js';
import type { ImageReader } from './image-reader.js';
import type { LayoutPlan } from './plan-layout.js';

/** What an output has otherwise than what was saved, or not at all. Image ids and diffIDs are never among it. */
export interface Difference {
  /** `manifest-digest`: not kept, or made; the others: left out. `absent`: not in the source already. */
  kind: 'manifest-digest' | 'platforms' | 'attestations' | 'companions' | 'absent';
  /** In words. */
  message: string;
  /** The digests or the platforms it is about. */
  items: string[];
}

/** Of a docker-archive, or what an engine's classic store takes: one image with plain layers, and no manifest. */
export function archiveDifferences(reader: ImageReader, image: SnapshotImage): Difference[] {
  const { snapshot } = reader;
  const { root, companions = [] } = snapshot;
  const lost = [...new Set([root?.digest, image.manifestDigest])].filter((digest) => digest !== undefined);
  return [
    ...(lost.length === 0
      ? []
      : [
          {
            kind: 'manifest-digest' as const,
            message: `a docker-archive has plain layers and no manifest: ${lost.join(' and ')} cannot be kept (image id and diffIDs are; oci: and oci-archive: keep all)`,
            items: lost,
          },
        ]),
    ...platformsLeftOut(reader, [image]),
    ...attestationsLeftOut(snapshot.images.filter((one) => !reader.runnable.includes(one))),
    ...companionsLeftOut(companions.map(({ digest }) => digest)),
  ];
}

/** Of an OCI layout. */
export function layoutDifferences(reader: ImageReader, plan: LayoutPlan): Difference[] {
  const { root, images, absent } = reader.snapshot;
  const top = plan.entries[0]!.descriptor.digest;
  const written = new Set(plan.blobs.map(({ name }) => `sha256:${name.slice(-64)}`));
  const attestations = images.filter((one) => !reader.runnable.includes(one));
  return [
    ...(root === undefined
      ? [
          {
            kind: 'manifest-digest' as const,
            message: `the image came from a docker-archive, which has no manifest; ${top} was made for it`,
            items: [top],
          },
        ]
      : []),
    ...(root !== undefined && root.digest !== top
      ? [
          {
            kind: 'manifest-digest' as const,
            message: `one platform is written by its own manifest ${top}; the index ${root.digest} is left out`,
            items: [root.digest],
          },
        ]
      : []),
    ...platformsLeftOut(reader, plan.images),
    ...attestationsLeftOut(attestations.filter((one) => !written.has(one.configDigest))),
    ...companionsLeftOut(plan.companionsLeftOut.map(({ digest }) => digest)),
    ...(absent.length > 0 && root?.digest === top
      ? [
          {
            kind: 'absent' as const,
            message: `${absent.length} of the contents that the image names were not in its source, and are not in the output (\`dbup show\` lists them)`,
            items: absent,
          },
        ]
      : []),
  ];
}

function platformsLeftOut(reader: ImageReader, taken: readonly SnapshotImage[]): Difference[] {
  const rest = reader.runnable.filter((image) => !taken.includes(image)).map(({ platform }) => platform);
  if (rest.length === 0) return [];
  const here = taken.map(({ platform }) => platform).join(', ');
  const message = `of several platforms ${here} was taken; left out: ${rest.join(', ')} (choose with --platform)`;
  return [{ kind: 'platforms', message, items: rest }];
}

function attestationsLeftOut(images: readonly SnapshotImage[]): Difference[] {
  if (images.length === 0) return [];
  const items = images.map(({ manifestDigest, configDigest }) => manifestDigest ?? configDigest);
  return [{ kind: 'attestations', message: `attestations left out: ${items.join(', ')}`, items }];
}

function companionsLeftOut(items: string[]): Difference[] {
  if (items.length === 0) return [];
  const message = `signatures and other artifacts about the image left out: ${items.join(', ')}`;
  return [{ kind: 'companions', message, items }];
}

import { printable } from '../image/engine/printable.js';
import type { LayerForm } from '../operations/layer-form.js';
import type { OpenedStreams } from '../operations/opened-streams.js';
import type { PlatformImage, VersionDetail } from '../operations/show.js';
import { formatBytes, formatCount, formatTime, shortId } from '../ui/format-units.js';
import { Verbatim } from '../ui/json-text.js';
import { renderFields, renderTable } from '../ui/table.js';
import { argumentAt, defineCommand, type Outcome } from './command.js';
import { describeOpened } from './describe-opened.js';

export const showCommand = defineCommand<object, string>({
  name: 'show',
  summary: 'show one version: its layers, config and platforms',
  arguments: [
    { name: '<ref>', does: 'app:1.0, app:1.0~1, app:1.0@SNAPSHOT or sha256:ID', completes: 'reference' },
  ],
  examples: [
    { command: 'dbup show app:1.0', does: 'the current version' },
    { command: 'dbup show app:1.0~2', does: 'two saves before it' },
    { command: 'dbup show sha256:3f1ac2 --json', does: 'the version with that image id' },
  ],
  access: 'read',
  parse: (args) => argumentAt(args, 0),
  async run(address, { pool, context }): Promise<Outcome> {
    const { showVersion } = await import('../operations/show.js');
    const version = await showVersion(pool, address, context);
    const lines = linesOf(version);
    return { json: withLabelsAsTheyAre(version), lines, quietLines: lines };
  },
});

function linesOf(version: VersionDetail): string[] {
  const { archive, root } = version;
  const lines = renderFields([
    ['Version', version.address],
    ['Snapshot', version.snapshotId],
    ['Saved', `${formatTime(version.createdAt)} on ${version.host} from ${version.source}`],
    ...(version.rollbackOf === undefined ? [] : [['Rollback to', version.rollbackOf] as const]),
    ['Image ID', version.imageId],
    ['Size', `${formatBytes(version.imageBytes)}, ${formatBytes(version.newBytes)} of them new to the pool`],
    ...(root ? [['Manifest', `${root.digest} (${root.mediaType})`] as const] : []),
    ...(archive ? [['Archive', describeArchive(archive)] as const] : []),
    ['In the pool', version.complete ? 'complete' : describeIncomplete(version)],
  ]);
  for (const image of version.images) lines.push('', ...imageLines(image));
  if (version.companions.length > 0) lines.push('', 'With it:', ...version.companions.map(companionLine));
  if (version.absent.length > 0) {
    const platforms = version.absentPlatforms.map(printable).join(', ');
    lines.push('', platforms === '' ? 'Not saved, as it was not there:' : `Not saved: ${platforms}`);
    lines.push(...version.absent.map((digest) => `  ${printable(digest)}`));
  }
  return lines;
}

function companionLine({
  digest,
  name,
  artifactType,
  mediaType,
}: VersionDetail['companions'][number]): string {
  return `  ${printable(name ?? digest)} (${printable(artifactType ?? mediaType)})`;
}

function describeArchive({ dialect, sizeBytes, imageCount }: NonNullable<VersionDetail['archive']>): string {
  return `${dialect} of ${formatCount(imageCount, 'image')}, ${formatBytes(sizeBytes)}`;
}

function describeIncomplete({ missingChunks }: VersionDetail): string {
  if (missingChunks === 0) return 'damaged; `dbup verify` says where';
  return `INCOMPLETE: at least ${formatCount(missingChunks, 'chunk')} missing; sync again`;
}

function imageLines({ platform, configDigest, manifestDigest, layers, config }: PlatformImage): string[] {
  const table = renderTable(
    [
      { title: 'LAYER' },
      { title: 'SIZE', align: 'right' },
      { title: 'DIFF ID' },
      { title: 'TYPE' },
      { title: 'HELD' },
    ],
    layers.map(({ digest, diffId, sizeBytes, mediaType, opened, ...form }, at) => [
      `${at + 1} ${shortId(digest)}`,
      formatBytes(sizeBytes),
      shortId(diffId),
      mediaType,
      `${describeForm(form)}${describeOpenedIn(opened)}`,
    ]),
  );
  const fields = renderFields([
    ['Platform', platform],
    ['Config', configDigest],
    ...(manifestDigest === undefined ? [] : [['Manifest', manifestDigest] as const]),
    ...configFields(config),
  ]);
  return [...fields, `Layers: ${layers.length}`, ...table.map((line) => `  ${line}`)];
}

function describeOpenedIn(opened: OpenedStreams | null): string {
  return opened && opened.streams > 0 ? `; ${describeOpened(opened)}` : '';
}

function describeForm({ form, encoder, correctionBytes = 0, reason }: LayerForm): string {
  if (form === 'plain') return form;
  if (form === 'corrected') return `open, as ${encoder} with ${formatBytes(correctionBytes)} of corrections`;
  return form === 'exact' ? `open, exact by ${encoder}` : `as it came: ${reason}`;
}

/** What is set; an image sets little of it. */
function configFields(config: PlatformImage['config']): (readonly [string, string])[] {
  if (config === null) return [];
  const fields: (readonly [string, string])[] = [
    ['Created', config.created ?? ''],
    ['Entrypoint', asCommand(config.entrypoint)],
    ['Command', asCommand(config.cmd)],
    ['User', config.user],
    ['Directory', config.workingDir],
    ['Ports', config.exposedPorts.join(', ')],
    ...config.env.map((variable): readonly [string, string] => ['Env', variable]),
    ...Object.entries(config.labels).map(([key, value]): readonly [string, string] => [
      'Label',
      `${key}=${value}`,
    ]),
  ];
  return fields.filter(([, value]) => value !== '');
}

function asCommand(words: readonly string[]): string {
  return words.length === 0 ? '' : JSON.stringify(words);
}

/** Keys of labels are the image's, not ours to respell. */
function withLabelsAsTheyAre(version: VersionDetail): object {
  const images = version.images.map((image) => ({
    ...image,
    config: image.config && { ...image.config, labels: new Verbatim(image.config.labels) },
  }));
  return { ...version, images };
}

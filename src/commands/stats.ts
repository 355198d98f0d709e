import type { LayerForms } from '../operations/layer-form.js';
import type { OpenedStreams } from '../operations/opened-streams.js';
import type { KindBytes } from '../operations/pool-bytes.js';
import type { PoolStats, StatsResult, VersionStats } from '../operations/stats.js';
import { formatBytes, formatCount } from '../ui/format-units.js';
import { renderFields } from '../ui/table.js';
import { defineCommand, type Outcome } from './command.js';
import { describeOpened } from './describe-opened.js';

export const statsCommand = defineCommand<object, string | undefined>({
  name: 'stats',
  summary: 'measure the pool, or what one version costs it',
  arguments: [{ name: '[ref]', does: 'a version', completes: 'reference' }],
  examples: [
    { command: 'dbup stats', does: 'dedup and compression of the whole pool' },
    { command: 'dbup stats app:1.0~3', does: 'what `dbup rm app:1.0~3` and `dbup gc` would free' },
    { command: 'dbup stats --json', does: 'for programs' },
  ],
  access: 'read',
  parse: (args) => args[0],
  async run(address, { pool, context }): Promise<Outcome> {
    const { stats } = await import('../operations/stats.js');
    const result = await stats(pool, address, context);
    const lines = linesOf(result);
    return { json: result, lines, quietLines: lines };
  },
});

function linesOf({ pool, version }: StatsResult): string[] {
  return version ? versionLines(version) : poolLines(pool);
}

function poolLines(pool: PoolStats): string[] {
  return [
    ...renderFields([
      ['Versions', `${pool.snapshots} of ${formatCount(pool.references, 'reference')}`],
      ['Saved', `${formatBytes(pool.imageBytesTotal)}, every version counted whole`],
      ['Distinct', `${formatBytes(pool.plainBytes)} in ${formatCount(pool.chunks, 'chunk')}`],
      ['Stored', `${formatBytes(pool.packBytes)} in ${formatCount(pool.packs, 'pack')}`],
      ['Dedup', `${formatRatio(pool.dedupRatio)} (saved / distinct)`],
      ['Compression', `${formatRatio(pool.compressionRatio)} (distinct / stored)`],
      ['Layers', describeLayers(pool.layers)],
      ...openedField(pool.opened),
      [
        'Garbage',
        pool.garbageBytes === null
          ? 'unknown: `dbup verify` says what is damaged'
          : formatBytes(pool.garbageBytes),
      ],
      ['Catalog', pool.catalogPath ?? 'in memory only'],
    ]),
    '',
    ...byteLines(pool),
  ];
}

/** Where every byte is; the sizes add up to the last line. */
function byteLines({ bytes, byKind, deltas }: PoolStats): string[] {
  const plain = (kind: KindBytes): string => {
    const storedBytes = kind.storedBytes - kind.deltaStoredBytes;
    const plainBytes = kind.plainBytes - kind.deltaPlainBytes;
    return storedBytes === 0
      ? '0 B'
      : `${formatBytes(storedBytes)} of ${formatBytes(plainBytes)}, ${formatRatio(plainBytes / storedBytes)}`;
  };
  const depths = deltas.map(({ depth, blocks }) => `${blocks} of depth ${depth}`).join(', ');
  const deltaPlainBytes = deltas.reduce((sum, { plainBytes }) => sum + plainBytes, 0);
  const delta = `${formatBytes(bytes.deltaBytes)} of ${formatBytes(deltaPlainBytes)}, ${formatRatio(deltaPlainBytes / bytes.deltaBytes)}; ${depths}`;
  const footerBytes = bytes.footerEntryBytes + bytes.frameBytes + bytes.baseIdBytes + bytes.sketchBytes;
  const within = `base ids ${formatBytes(bytes.baseIdBytes)}, sketches ${formatBytes(bytes.sketchBytes)}`;
  return renderFields([
    ['File data', plain(byKind.data)],
    ['Deltas', deltas.length === 0 ? '0 B' : delta],
    ['Skeletons', plain(byKind.skeleton)],
    ['Recipes', plain(byKind.recipe)],
    ...(bytes.otherBytes > 0 ? [['Other blocks', formatBytes(bytes.otherBytes)] as const] : []),
    ['Footers', `${formatBytes(footerBytes)}; ${within}`],
    ['Snapshots', formatBytes(bytes.snapshotBytes)],
    ...(bytes.parityBytes > 0 ? [['Parity', formatBytes(bytes.parityBytes)] as const] : []),
    ['Descriptor', formatBytes(bytes.descriptorBytes)],
    ...(bytes.unusableBytes > 0 ? [['Unusable', formatBytes(bytes.unusableBytes)] as const] : []),
    ['In all', formatBytes(bytes.totalBytes)],
  ]);
}

function versionLines(version: VersionStats): string[] {
  return renderFields([
    ['Version', version.address],
    ['Snapshot', version.snapshotId],
    ['Saved', formatBytes(version.imageBytes)],
    ['Distinct', formatBytes(version.plainBytes)],
    ['Stored', formatBytes(version.storedBytes)],
    ['Layers', describeLayers(version.layers)],
    ...openedField(version.opened),
    ['Shared', `${formatBytes(version.sharedBytes)} with other versions`],
    ['Unique', `${formatBytes(version.uniqueBytes)}, which \`dbup rm\` and \`dbup gc\` would free`],
    ...(version.missingChunks > 0
      ? [['Missing', `${formatCount(version.missingChunks, 'chunk')}; sync again`] as const]
      : []),
  ]);
}

function openedField(opened: OpenedStreams | null): (readonly [string, string])[] {
  if (opened === null) return [['In layers', 'unknown: `dbup verify` says what is damaged']];
  return opened.streams > 0 ? [['In layers', describeOpened(opened)]] : [];
}

function describeLayers(forms: LayerForms): string {
  const { plain, exact, corrected, correctionBytes, verbatim, encoders, reasons } = forms;
  const by = encoders.map(({ encoder, layers }) => `${layers} by ${encoder}`).join(', ');
  const open = [
    ...(exact > 0 ? [`${exact} exact`] : []),
    ...(corrected > 0 ? [`${corrected} with ${formatBytes(correctionBytes)} of corrections`] : []),
  ].join(' and ');
  const why = reasons.map(({ reason, layers }) => `${layers}: ${reason}`).join('; ');
  return [
    `${plain} plain`,
    ...(open !== '' ? [`compressed ones held open: ${open} (${by})`] : []),
    ...(verbatim > 0 ? [`${verbatim} held compressed (${why})`] : []),
  ].join(', ');
}

function formatRatio(ratio: number): string {
  return Number.isFinite(ratio) && ratio > 0 ? `${ratio.toFixed(2)}x` : '-';
}

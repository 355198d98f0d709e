import { readFileSync, writeFileSync } from 'node:fs';
import { conditions, megabytes, table, writeMarked } from './bench.mjs';

/**
 * Puts the results of compare.sh into a document, between the marks `<!-- corpus -->` and `<!-- /corpus -->`, and as
 * lines of JSON into a file. Usage: compare-tables.mjs RESULTS.tsv LINES.jsonl DOCUMENT.md (or none)
 */
const [resultsPath, linesPath, documentPath] = process.argv.slice(2);
const rows = readFileSync(resultsPath, 'utf8')
  .trim()
  .split('\n')
  .map((line) => line.split('\t'))
  .map(([tool, round, what, image, bytes, wall, cpu, rss]) => ({
    tool,
    round: Number(round),
    what,
    image,
    bytes: Number(bytes),
    wall: Number(wall),
    cpu: Number(cpu),
    rssBytes: Number(rss) * 1024,
  }));

const LABELS = {
  dbup: 'dbup',
  'dbup-max': 'dbup `--level max`',
  'borg-64k': 'borg, 64 KiB chunks',
  borg: 'borg, default chunks',
  bup: 'bup',
  restic: 'restic',
  casync: 'casync',
  zbackup: 'zbackup (LZMA)',
  'zstd-patch': '`zstd -12 --long=27 --patch-from` the image before',
  'skopeo-oci': 'OCI layout by skopeo',
  gzip: '`gzip -6` of each tar',
};
const sizes = rows.filter(({ what }) => what === 'size');
const images = sizes.map(({ image }) => image);
const tools = [...new Set(rows.filter(({ what }) => what === 'store').map(({ tool }) => tool))];
const missing = rows.filter(({ what }) => what === 'missing').map(({ tool }) => LABELS[tool]);
const rounds = Math.max(...rows.map(({ round }) => round));

const lines = [
  `${conditions()} ${rounds === 1 ? 'One round.' : `Medians of ${rounds} rounds, and from the least to the most seconds.`}`,
  ...(missing.length > 0 ? [`Not installed and left out: ${missing.join(', ')}.`] : []),
  '',
  '### Bytes each image added, MB',
  '',
  ...table(
    ['', ...images, 'all'],
    [
      [
        'the tars themselves',
        ...sizes.map(({ bytes }) => megabytes(bytes)),
        megabytes(total(sizes.map((row) => row.bytes))),
      ],
      ...tools.map((tool) => {
        const added = images.map((image) => median(tool, 'store', image, 'bytes'));
        return [name(tool), ...added.map(megabytes), megabytes(total(added))];
      }),
    ],
  ),
  '',
  '### Time to store, seconds on the clock (CPU seconds)',
  '',
  ...table(
    ['', ...images, 'peak memory, MB'],
    tools.map((tool) => [
      name(tool),
      ...images.map((image) => time(tool, 'store', image)),
      megabytes(Math.max(...images.map((image) => median(tool, 'store', image, 'rssBytes')))),
    ]),
  ),
  '',
  `### Getting ${images.at(-1)} back`,
  '',
  ...table(
    ['', 'seconds (CPU)', 'peak memory, MB'],
    tools.map((tool) => [
      name(tool),
      time(tool, 'load', images.at(-1)),
      megabytes(median(tool, 'load', images.at(-1), 'rssBytes')),
    ]),
  ),
];
const described = rows.map((row) => ({ ...row, label: LABELS[row.tool] ?? row.tool }));
writeFileSync(linesPath, described.map((row) => `${JSON.stringify(row)}\n`).join(''));
if (documentPath !== 'none') writeMarked(documentPath, 'corpus', lines);
else console.log(lines.join('\n'));

function name(tool) {
  const version = rows.find((row) => row.tool === tool && row.what === 'version')?.image;
  return version ? `${LABELS[tool]} (${version})` : LABELS[tool];
}

function values(tool, what, image, key) {
  return rows
    .filter((row) => row.tool === tool && row.what === what && row.image === image)
    .map((row) => row[key])
    .sort((a, b) => a - b);
}

function median(tool, what, image, key) {
  const sorted = values(tool, what, image, key);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

function time(tool, what, image) {
  const wall = values(tool, what, image, 'wall');
  const cpu = median(tool, what, image, 'cpu').toFixed(1);
  const spread = wall.length > 1 ? `, ${wall[0].toFixed(1)}–${wall.at(-1).toFixed(1)}` : '';
  return `${median(tool, what, image, 'wall').toFixed(1)}${spread} (${cpu})`;
}

function total(numbers) {
  return numbers.reduce((sum, value) => sum + value, 0);
}

import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';

/**
 * Puts the results of compare.sh into a document, between the marks `<!-- corpus -->` and `<!-- /corpus -->`.
 * Usage: compare-tables.mjs RESULTS.tsv DOCUMENT.md
 */
const [resultsPath, documentPath] = process.argv.slice(2);
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
  'borg-64k': 'borg, 64 KiB chunks',
  borg: 'borg, default chunks',
  bup: 'bup',
  restic: 'restic',
  'zstd-patch': '`zstd --patch-from` the image before',
  'skopeo-oci': 'OCI layout by skopeo',
  gzip: '`gzip -6` of each tar',
};
const sizes = rows.filter(({ what }) => what === 'size');
const images = sizes.map(({ image }) => image);
const tools = [...new Set(rows.filter(({ what }) => what === 'store').map(({ tool }) => tool))];
const missing = rows.filter(({ what }) => what === 'missing').map(({ tool }) => LABELS[tool]);
const rounds = Math.max(...rows.map(({ round }) => round));

const lines = [
  `Measured on ${day()}, ${cpus().length} × ${cpus()[0]?.model.trim()}, Node ${process.version}, ${rounds === 1 ? 'one round' : `medians of ${rounds} rounds`}.`,
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
const document = readFileSync(documentPath, 'utf8');
const marked = /<!-- corpus -->[\s\S]*<!-- \/corpus -->/;
if (!marked.test(document)) throw new Error(`${documentPath} has no marks for the tables`);
writeFileSync(
  documentPath,
  document.replace(marked, () => `<!-- corpus -->\n\n${lines.join('\n')}\n\n<!-- /corpus -->`),
);

function name(tool) {
  const version = rows.find((row) => row.tool === tool && row.what === 'version')?.image;
  return version ? `${LABELS[tool]} (${version})` : LABELS[tool];
}

function median(tool, what, image, key) {
  const values = rows
    .filter((row) => row.tool === tool && row.what === what && row.image === image)
    .map((row) => row[key])
    .sort((a, b) => a - b);
  const middle = values.length >> 1;
  return values.length % 2 === 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

function time(tool, what, image) {
  return `${median(tool, what, image, 'wall').toFixed(1)} (${median(tool, what, image, 'cpu').toFixed(1)})`;
}

function total(values) {
  return values.reduce((sum, value) => sum + value, 0);
}

function megabytes(bytes) {
  return (bytes / 1e6).toFixed(bytes < 1e8 ? 1 : 0);
}

function table(head, body) {
  const rule = head.map((_, at) => (at === 0 ? '---' : '--:'));
  return [head, rule, ...body].map((cells) => `| ${cells.join(' | ')} |`);
}

function day() {
  return execFileSync('date', ['-u', '+%Y-%m-%d'], { encoding: 'utf8' }).trim();
}

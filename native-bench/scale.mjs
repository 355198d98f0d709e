// How cost grows: releases of one application saved one after the other, and images of growing size.
//
//   node native-bench/scale.mjs [--releases 64] [--gigabytes 1,2,5,10,20] [--corpus DIRECTORY] [--write]
//
// An image of so many GB is made while it is read, from standard input; each goes to a pool of its own. Lines of JSON
// go to out/releases.jsonl and out/sizes.jsonl; --write puts the tables into docs/benchmarks.md. `none` in place of a
// number leaves that part out. WORK names where pools are kept meanwhile: a third of the largest image.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import {
  benchmarksPath,
  conditions,
  dbup,
  defaultCorpus,
  measure,
  median,
  megabytes,
  numbers,
  poolBytes,
  recorder,
  table,
  warm,
  workDirectory,
  writeMarked,
} from './bench.mjs';
import { applicationSource, LargeImage, largeBase, Releases } from './made-images.mjs';

/** Saves `count` releases; calls `each` with what one cost. */
export async function saveReleases(count, corpus, work, each) {
  const releases = new Releases(applicationSource(corpus, work));
  const tar = join(work, 'release.tar');
  const rows = [];
  for (let release = 1; release <= count; release++) {
    const { sizeBytes } = await releases.write(tar, work);
    const before = poolBytes(work);
    warm(tar);
    const cost = await measure(dbup(work, 'save', '-i', tar, '--as', 'releases'));
    const row = { release, tarBytes: sizeBytes, addedBytes: poolBytes(work) - before, ...cost };
    each(row);
    rows.push(row);
  }
  for (const name of ['pool', 'cache', 'release.tar'])
    rmSync(join(work, name), { recursive: true, force: true });
  return rows;
}

/** What the last release cost by what the fourth did; the second ratio is of medians of eight around them. */
export function growth(rows) {
  const fourth = rows[Math.min(3, rows.length - 1)];
  const last = rows.at(-1);
  const early = rows.slice(1, 9);
  const late = rows.slice(-8);
  const ratios = (key) => ({
    ratio: last[key] / fourth[key],
    ofMedians: median(late.map((row) => row[key])) / median(early.map((row) => row[key])),
  });
  return {
    bytes: ratios('addedBytes'),
    wall: ratios('wallSeconds'),
    cpu: ratios('cpuSeconds'),
    memory: ratios('peakBytes'),
  };
}

/** Saves an image of that size from a stream, in a pool of its own. */
export async function saveLarge(base, sizeBytes, work) {
  const image = new LargeImage(base, sizeBytes);
  const cost = await measure(dbup(work, 'save', '-i', '-', '--as', 'large'), { input: image.archive() });
  const row = { imageBytes: image.sizeBytes, poolBytes: poolBytes(work), ...cost };
  for (const name of ['pool', 'cache']) rmSync(join(work, name), { recursive: true, force: true });
  return row;
}

function releasesTable(rows) {
  const isShown = ({ release }) => Number.isInteger(Math.log2(release)) || release === rows.length;
  const ratios = Object.entries(growth(rows)).map(
    ([what, { ratio, ofMedians }]) => `${what} ${ratio.toFixed(2)} (${ofMedians.toFixed(2)})`,
  );
  return [
    conditions(),
    '',
    ...table(
      ['release', 'its tar, MB', 'added, MB', 'seconds (CPU)', 'peak memory, MB'],
      rows
        .filter(isShown)
        .map((row) => [
          row.release,
          megabytes(row.tarBytes),
          megabytes(row.addedBytes),
          seconds(row),
          megabytes(row.peakBytes),
        ]),
    ),
    '',
    `Release ${rows.length} by release ${Math.min(4, rows.length)} (in brackets: medians of the last eight by those of releases 2 to 9): ${ratios.join(', ')}.`,
  ];
}

function sizesTable(rows) {
  return [
    conditions(),
    '',
    ...table(
      ['image, MB', 'pool, MB', 'CPU seconds', 'MB a CPU second', 'peak memory, MB'],
      rows.map((row) => [
        megabytes(row.imageBytes),
        megabytes(row.poolBytes),
        row.cpuSeconds.toFixed(1),
        Math.round(row.imageBytes / row.cpuSeconds / 1e6),
        megabytes(row.peakBytes),
      ]),
    ),
  ];
}

function seconds({ wallSeconds, cpuSeconds }) {
  return `${wallSeconds.toFixed(2)} (${cpuSeconds.toFixed(2)})`;
}

function publish(name, lines, isWritten) {
  console.log(lines.join('\n'));
  if (isWritten) writeMarked(benchmarksPath, name, lines);
}

async function main() {
  const { values: options } = parseArgs({
    options: {
      releases: { type: 'string', default: '64' },
      gigabytes: { type: 'string', default: '1,2,5,10,20' },
      corpus: { type: 'string', default: defaultCorpus },
      write: { type: 'boolean', default: false },
    },
  });
  const work = workDirectory();
  if (options.releases !== 'none') {
    const record = recorder('releases');
    const rows = await saveReleases(numbers(options.releases)[0], options.corpus, work, (row) => {
      record(row);
      console.error(
        `release ${row.release}: ${megabytes(row.addedBytes)} MB, ${seconds(row)} s, ${megabytes(row.peakBytes)} MB`,
      );
    });
    publish('releases', releasesTable(rows), options.write);
  }
  if (options.gigabytes !== 'none') {
    const record = recorder('sizes');
    const base = largeBase(options.corpus);
    const rows = [];
    for (const gigabytes of numbers(options.gigabytes)) {
      const row = await saveLarge(base, gigabytes * 1e9, work);
      record(row);
      rows.push(row);
      console.error(`${gigabytes} GB: ${seconds(row)} s, peak ${megabytes(row.peakBytes)} MB`);
    }
    publish('sizes', sizesTable(rows), options.write);
  }
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) await main();

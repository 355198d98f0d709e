import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { dbup, measure, megabytes, poolBytes, recorded, root } from './bench.mjs';
import { writeTar } from './made-images.mjs';
import { packImage } from './pack-image.mjs';
import { growth, saveReleases } from './scale.mjs';
import { touchTar } from './tar.mjs';

/** The bars of size. Each takes the run's setting and gives rows: what, value, atMost or atLeast, note; or why not. */
const PAIR = ['debian-1', 'debian-2'];
const SERIES = ['debian-1', 'debian-2', 'app-1', 'app-2', 'app-3'];
const PAIR_TOOLS = ['dbup', 'bup', 'borg-64k', 'borg', 'restic', 'zstd-patch'];
const TOUCHED_SECONDS = 1_720_000_000;
const runs = new Map();

/** What compare.sh measured on these images, run once for all bars that ask. */
function compare(name, { corpus, work }, tools, images, rounds) {
  if (!runs.has(name)) {
    execFileSync('bash', [join(root, 'native-bench/compare.sh'), corpus], {
      stdio: ['ignore', 2, 2],
      env: {
        ...process.env,
        DOCUMENT: 'none',
        RESULT: name,
        TOOLS: tools.join(' '),
        IMAGES: images.join(' '),
        ROUNDS: String(rounds),
        TMPDIR: work,
        WORK: '',
      },
    });
    runs.set(name, recorded(name));
  }
  return runs.get(name);
}

const comparePair = (setting) => compare('bars-pair', setting, PAIR_TOOLS, PAIR, setting.rounds);

function compareSeries(setting) {
  const tools = ['dbup', 'dbup-max', 'bup', ...(setting.isSlow ? ['zbackup'] : [])];
  return compare('bars-series', setting, tools, SERIES, 1);
}

/** The values of a tool's stores of an image; none when the tool is missing. */
function stored(rows, tool, image, key) {
  return rows
    .filter((row) => row.tool === tool && row.what === 'store' && row.image === image)
    .map((row) => row[key]);
}

function middle(values) {
  return [...values].sort((a, b) => a - b)[values.length >> 1];
}

function againstPeer(rows, image, key, tool, peer, row) {
  const [ours, theirs] = [tool, peer].map((name) => middle(stored(rows, name, image, key)));
  if (ours === undefined || theirs === undefined)
    return { ...row, left: `${theirs === undefined ? peer : tool} is missing` };
  const isBytes = key === 'bytes';
  const shown = isBytes ? megabytes : (seconds) => seconds.toFixed(2);
  // Sizes are ours by theirs; of times the speed is told, theirs by ours.
  return {
    ...row,
    value: isBytes ? ours / theirs : theirs / ours,
    unit: ' ×',
    note: `${shown(ours)} and ${shown(theirs)} ${isBytes ? 'MB' : 's'}`,
  };
}

async function secondBase(setting) {
  const rows = comparePair(setting);
  const of = (peer, row) => againstPeer(rows, PAIR[1], 'bytes', 'dbup', peer, row);
  return [
    of('bup', { what: 'second base, bytes added, by bup', atMost: 0.25 }),
    of('zstd-patch', { what: 'second base, bytes added, by `zstd -12 --patch-from`', atMost: 1 }),
  ];
}

async function secondVersion(setting) {
  const rows = comparePair(setting);
  return ['bup', 'borg-64k', 'borg', 'restic'].map((peer) =>
    againstPeer(rows, PAIR[1], 'wall', 'dbup', peer, {
      what: `save of the second version, speed by ${peer}`,
      atLeast: 1,
    }),
  );
}

function total(rows, tool) {
  const sizes = SERIES.flatMap((image) => stored(rows, tool, image, 'bytes'));
  return sizes.length === SERIES.length ? sizes.reduce((sum, bytes) => sum + bytes, 0) : undefined;
}

function seriesBar(tool, limits) {
  return async (setting) => {
    const rows = compareSeries(setting);
    const ours = total(rows, tool);
    return Object.entries(limits).map(([peer, atMost]) => {
      const what = `five images, ${tool} by ${peer}`;
      const theirs = total(rows, peer);
      if (ours === undefined || theirs === undefined)
        return { what, left: peer === 'zbackup' && !setting.isSlow ? 'slow: --slow' : `${peer} is missing` };
      const note = `${megabytes(ours)} and ${megabytes(theirs)} MB`;
      return { what, value: ours / theirs, unit: ' ×', atMost, note };
    });
  };
}

/** Saves two images one after the other; the bytes the second added. */
async function secondBytes(work, tars) {
  let before = 0;
  for (const [i, tar] of tars.entries()) {
    before = poolBytes(work);
    await measure(dbup(work, 'save', '-i', tar, '--as', `image:${i}`));
  }
  const added = poolBytes(work) - before;
  for (const name of ['pool', 'cache']) rmSync(join(work, name), { recursive: true, force: true });
  return added;
}

async function pack(work, name, layers) {
  const out = join(work, `${name}.tar`);
  await packImage({ out, tag: `bars:${name}`, layers, architecture: 'amd64', cmd: ['/bin/sh'] });
  return out;
}

async function nodeRelease({ corpus, work, nodes }) {
  const layers = [1, 2].map((number) => join(corpus, `build/node-${number}.tar`));
  if (nodes[0] && nodes[1]) {
    for (const i of [0, 1]) {
      layers[i] = join(work, `node-${i}.layer`);
      writeTar(layers[i], new Map([['usr/local/bin/node', readFileSync(nodes[i])]]), TOUCHED_SECONDS + i);
    }
  }
  const tars = [await pack(work, 'node-1', [layers[0]]), await pack(work, 'node-2', [layers[1]])];
  const added = await secondBytes(work, tars);
  const size = statSync(tars[1]).size;
  for (const tar of tars) rmSync(tar);
  const note = `${megabytes(added)} of ${megabytes(size)} MB${nodes[1] ? '' : '; layers of the corpus'}`;
  return [
    {
      what: 'new release of the node binary in an image',
      value: (100 * added) / size,
      unit: ' %',
      atMost: 4.5,
      note,
    },
  ];
}

async function touched({ corpus, work }) {
  const layer = join(corpus, 'build/base-1.tar');
  const other = join(work, 'touched.layer');
  touchTar(layer, other, TOUCHED_SECONDS);
  const tars = [await pack(work, 'plain', [layer]), await pack(work, 'touched', [other])];
  const added = await secondBytes(work, tars);
  const size = statSync(tars[1]).size;
  for (const path of [other, ...tars]) rmSync(path);
  return [
    {
      what: 'image with all mtimes changed, bytes added',
      value: (100 * added) / size,
      unit: ' %',
      atMost: 0.2,
      note: `${megabytes(added)} of ${megabytes(size)} MB`,
    },
  ];
}

async function releaseGrowth({ corpus, work, releases }) {
  if (releases < 4) return [{ what: 'cost of the last release by the fourth', left: '--releases below 4' }];
  const rows = await saveReleases(releases, corpus, work, ({ release }) => {
    if (release % 8 === 0) console.error(`  release ${release}`);
  });
  const { bytes, wall, cpu } = growth(rows);
  return Object.entries({ bytes, 'wall seconds': wall, 'CPU seconds': cpu }).map(
    ([key, { ratio, ofMedians }]) => ({
      what: `release ${releases} by release 4, ${key}`,
      value: ratio,
      unit: ' ×',
      atMost: 1.2,
      note: `of medians around them ${ofMedians.toFixed(2)}`,
    }),
  );
}

export const bytesBars = {
  'second-base': secondBase,
  'second-version': secondVersion,
  series: seriesBar('dbup', { bup: 0.55, zbackup: 1 }),
  'series-max': seriesBar('dbup-max', { bup: 0.45 }),
  node: nodeRelease,
  touched,
  growth: releaseGrowth,
};

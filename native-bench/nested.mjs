// Measures what a new release of a jar, wheel or other compressed file in an image adds to the pool, with compressed
// files in layers opened and left closed:
//
//   node native-bench/nested.mjs OLD NEW [OLD NEW ...] [--write]
//
// OLD and NEW are two releases of a file, or two directories of files. Each is put below /app of an image with nothing
// else in it; both images are saved into one pool, loaded again and compared. Packages have them: npm's
// google-closure-compiler-java and selenium-server hold jars, `pip download` gives wheels.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import {
  benchmarksPath,
  conditions,
  dbup,
  directoryBytes,
  measure,
  megabytes,
  poolBytes,
  recorder,
  table,
  workDirectory,
  writeMarked,
} from './bench.mjs';
import { packImage } from './pack-image.mjs';

const { values: options, positionals } = parseArgs({
  options: { write: { type: 'boolean', default: false } },
  allowPositionals: true,
});
if (positionals.length === 0 || positionals.length % 2 !== 0)
  throw new Error('usage: nested.mjs OLD NEW [OLD NEW ...] [--write]');

const work = workDirectory();
const record = recorder('nested');
const rows = [];
for (let at = 0; at < positionals.length; at += 2) {
  const [older, newer] = positionals.slice(at, at + 2);
  const archives = [await imageOf(older, 1), await imageOf(newer, 2)];
  const costs = {};
  for (const how of ['closed', 'open']) costs[how] = await saveAndLoad(archives, how);
  const { closed, open } = costs;
  const share = open.added[1] / closed.added[1];
  record({ older, newer, share, ...costs });
  rows.push([
    `${shortName(older)} → ${shortName(newer)}`,
    megabytes(sizeOf(newer)),
    `${megabytes(closed.added[0])} / ${megabytes(closed.added[1])}`,
    `${megabytes(open.added[0])} / ${megabytes(open.added[1])}`,
    share.toFixed(2),
    `${closed.saved[1].cpuSeconds.toFixed(1)} / ${open.saved[1].cpuSeconds.toFixed(1)}`,
    `${closed.loaded[1].cpuSeconds.toFixed(1)} / ${open.loaded[1].cpuSeconds.toFixed(1)}`,
    `${closed.loaded[1].wallSeconds.toFixed(1)} / ${open.loaded[1].wallSeconds.toFixed(1)}`,
    `${megabytes(open.saved[1].peakBytes)} / ${megabytes(open.loaded[1].peakBytes)}`,
  ]);
  console.error(rows.at(-1).join(' | '));
}
const head = [
  'release',
  'MB',
  'closed: first / second adds, MB',
  'open: first / second adds, MB',
  'second: open / closed',
  'save, CPU s: closed / open',
  'load, CPU s: closed / open',
  'load, s: closed / open',
  'peak, MB: save / load',
];
const lines = [conditions(), '', ...table(head, rows)];
console.log(lines.join('\n'));
if (options.write) writeMarked(benchmarksPath, 'nested', lines);

async function imageOf(path, number) {
  const files = join(work, `files-${number}`);
  rmSync(files, { recursive: true, force: true });
  mkdirSync(join(files, 'app'), { recursive: true });
  cpSync(path, join(files, 'app', basename(path)), { recursive: true, preserveTimestamps: true });
  const layer = join(work, `layer-${number}.tar`);
  execFileSync('tar', [
    '--sort=name',
    '--owner=0',
    '--group=0',
    '--numeric-owner',
    '-cf',
    layer,
    '-C',
    files,
    'app',
  ]);
  const out = join(work, `image-${number}.tar`);
  await packImage({ out, tag: 'nested:1', layers: [layer], architecture: 'amd64', cmd: ['/app'] });
  return out;
}

async function saveAndLoad(archives, how) {
  const directory = join(work, how);
  rmSync(directory, { recursive: true, force: true });
  const result = { added: [], saved: [], loaded: [] };
  for (const archive of archives) {
    const before = poolBytes(directory);
    result.saved.push(await measure(dbup(directory, 'save', '-i', archive, '--nested', how)));
    result.added.push(poolBytes(directory) - before);
  }
  for (const [i, archive] of archives.entries()) {
    const out = join(work, 'loaded.tar');
    rmSync(out, { force: true });
    const version = archives.length - 1 - i;
    const address = version === 0 ? 'nested:1' : `nested:1~${version}`;
    result.loaded.push(await measure(dbup(directory, 'load', address, '-o', out)));
    execFileSync('cmp', [out, archive]);
  }
  return result;
}

function sizeOf(path) {
  return statSync(path).isDirectory() ? directoryBytes(path) : readFileSync(path).length;
}

/** A wheel's name goes on with the platforms that it is for. */
function shortName(path) {
  return basename(path).replace(/-(cp|py)\d[^/]*(?=\.whl$)/, '');
}

// Size and time of `save` at each level, the tars one after the other into a pool of their own:
//
//   node native-bench/levels.mjs [--levels 1,2,…,max] [--rounds 1] [--corpus DIRECTORY] [--write] [--continue] [TAR…]
//
// Without tars, debian-1 of the corpus and app-1 after it. Lines of JSON go to out/levels.jsonl; --write puts the
// table into docs/benchmarks.md. With --continue, levels that are in that file and not asked for stay in the table: a long
// run may be made in slices.
import { rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import {
  benchmarksPath,
  conditions,
  dbup,
  defaultCorpus,
  measure,
  median,
  megabytes,
  poolBytes,
  recorded,
  recorder,
  table,
  warm,
  workDirectory,
  writeMarked,
} from './bench.mjs';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    levels: { type: 'string', default: '1,2,3,4,5,6,7,9,12,15,19,max' },
    rounds: { type: 'string', default: '1' },
    corpus: { type: 'string', default: defaultCorpus },
    write: { type: 'boolean', default: false },
    continue: { type: 'boolean', default: false },
  },
});
const tars =
  positionals.length > 0
    ? positionals
    : ['debian-1', 'app-1'].map((name) => join(options.corpus, `${name}.tar`));
const work = workDirectory();

async function saveAll(level) {
  const saves = [];
  for (const tar of tars) {
    const before = poolBytes(work);
    warm(tar);
    const cost = await measure(
      dbup(work, 'save', '-i', tar, '--as', basename(tar, '.tar'), '--level', level),
    );
    saves.push({ ...cost, addedBytes: poolBytes(work) - before });
  }
  for (const name of ['pool', 'cache']) rmSync(join(work, name), { recursive: true, force: true });
  return saves;
}

/** Medians of the rounds, for each tar. */
async function measureLevel(level) {
  const rounds = [];
  for (let round = 0; round < Number(options.rounds); round++) rounds.push(await saveAll(level));
  const images = tars.map((tar, i) => {
    const of = (key) => median(rounds.map((saves) => saves[i][key]));
    return {
      image: basename(tar, '.tar'),
      addedBytes: of('addedBytes'),
      wallSeconds: of('wallSeconds'),
      cpuSeconds: of('cpuSeconds'),
      peakBytes: of('peakBytes'),
    };
  });
  const sum = (key) => images.reduce((total, image) => total + image[key], 0);
  return {
    level,
    images,
    bytes: sum('addedBytes'),
    wallSeconds: sum('wallSeconds'),
    cpuSeconds: sum('cpuSeconds'),
    peakBytes: Math.max(...images.map(({ peakBytes }) => peakBytes)),
  };
}

const levels = options.levels.split(',').filter(Boolean);
const rows = options.continue ? recorded('levels').filter(({ level }) => !levels.includes(level)) : [];
const record = recorder('levels', rows);
for (const level of levels) {
  const row = await measureLevel(level);
  record(row);
  rows.push(row);
  console.error(`level ${level}: ${megabytes(row.bytes)} MB, ${row.wallSeconds.toFixed(1)} s`);
}
const place = ({ level }) => (level === 'max' ? Number.POSITIVE_INFINITY : Number(level));
rows.sort((a, b) => (place(a) < place(b) ? -1 : 1));
const names = tars.map((tar) => basename(tar, '.tar'));
const lines = [
  `${conditions()} ${options.rounds === '1' ? 'One round' : `Medians of ${options.rounds} rounds`}.`,
  '',
  ...table(
    ['level', ...names.flatMap((name) => [`${name}, MB`, 'seconds (CPU)']), 'all, MB', 'peak memory, MB'],
    rows.map((row) => [
      row.level,
      ...row.images.flatMap((image) => [
        megabytes(image.addedBytes),
        `${image.wallSeconds.toFixed(1)} (${image.cpuSeconds.toFixed(1)})`,
      ]),
      megabytes(row.bytes),
      megabytes(row.peakBytes),
    ]),
  ),
];
console.log(lines.join('\n'));
if (options.write) writeMarked(benchmarksPath, 'levels', lines);

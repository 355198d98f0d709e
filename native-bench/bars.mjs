// Measures the project's bars, each against its peer in the same run, and prints what, measured, bar, met or not:
//
//   node native-bench/bars.mjs [--only NAME,NAME] [--slow] [--rounds 3] [--corpus DIRECTORY] [--write] [--continue] [--list]
//       [--old-node FILE --new-node FILE]   two releases of one binary; without, the corpus's node-1 and node-2 layers
//       [--big-megabytes 5000]              the big image, made from the corpus
//       [--releases 64]                     for the growth of cost
//
// Peers that are missing are left out, and that is printed; zbackup (LZMA) runs with --slow alone. The engine is that
// of DOCKER_HOST, left out when it is not set. With --continue, bars of out/bars.jsonl that are not measured now stay in the
// table: a long run may be made in slices. It measures: the exit code is 0 whether bars are met or not.
import { parseArgs } from 'node:util';
import { bytesBars } from './bars-bytes.mjs';
import { engineBars } from './bars-engine.mjs';
import { gzipBars } from './bars-gzip.mjs';
import { speedBars } from './bars-speed.mjs';
import {
  benchmarksPath,
  conditions,
  defaultCorpus,
  recorded,
  recorder,
  table,
  workDirectory,
  writeMarked,
} from './bench.mjs';

const { values: options } = parseArgs({
  options: {
    only: { type: 'string' },
    slow: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '3' },
    corpus: { type: 'string', default: defaultCorpus },
    'old-node': { type: 'string' },
    'new-node': { type: 'string' },
    'big-megabytes': { type: 'string', default: '5000' },
    releases: { type: 'string', default: '64' },
    write: { type: 'boolean', default: false },
    continue: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
  },
});
const bars = { ...bytesBars, ...speedBars, ...gzipBars, ...engineBars };
const names = options.only?.split(',').filter(Boolean) ?? Object.keys(bars);
const unknown = names.filter((name) => !(name in bars));
if (unknown.length > 0)
  throw new Error(`no bar ${unknown.join(', ')}; there are ${Object.keys(bars).join(', ')}`);

if (options.list) console.log(Object.keys(bars).join('\n'));
else await run();

async function run() {
  const kept = options.continue ? recorded('bars').filter(({ name }) => !names.includes(name)) : [];
  const record = recorder('bars', kept);
  const setting = {
    corpus: options.corpus,
    work: workDirectory(),
    rounds: Number(options.rounds),
    isSlow: options.slow,
    nodes: [options['old-node'], options['new-node']],
    bigBytes: Number(options['big-megabytes']) * 1e6,
    releases: Number(options.releases),
  };
  const rows = kept.map(({ name, ...row }) => [name, ...cells(row)]);
  for (const name of names) {
    console.error(`bars: ${name}`);
    for (const row of await measureBar(name, setting)) {
      record({ name, ...row });
      rows.push([name, ...cells(row)]);
      console.error(`  ${cells(row).join(' | ')}`);
    }
  }
  rows.sort(([a], [b]) => Object.keys(bars).indexOf(a) - Object.keys(bars).indexOf(b));
  const lines = [conditions(), '', ...table(['', 'what', 'measured', 'bar', 'met'], rows)];
  console.log(lines.join('\n'));
  if (options.write) writeMarked(benchmarksPath, 'bars', lines);
}

/** A bar that cannot be measured here is a row that says why; the others go on. */
async function measureBar(name, setting) {
  try {
    return await bars[name](setting);
  } catch (error) {
    return [{ what: name, left: error.message.split('\n')[0] }];
  }
}

function cells({ what, value, unit = '', atMost, atLeast, note = '', left }) {
  if (left) return [what, `left out: ${left}`, '', ''];
  const bar = atMost === undefined ? `≥ ${atLeast}${unit}` : `≤ ${atMost}${unit}`;
  const isMet = atMost === undefined ? value >= atLeast : value <= atMost;
  const measured = `${Number(value.toPrecision(3))}${unit}${note && ` (${note})`}`;
  if (atMost === undefined && atLeast === undefined) return [what, measured, 'none', ''];
  return [what, measured, bar, isMet ? 'yes' : 'no'];
}

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { canBeTwoHosts, type ProcessFigures, playProcesses } from './play-processes.js';
import { type Figures, writeReport } from './report.js';
import { playSequence, runSequences } from './run-sequences.js';
import type { Step } from './steps.js';

const USAGE = `npm run test:model -- [--seed S] [--steps N] [--rounds N] [--play FILE] [--figures FILE] [--report]

  --seed S        another seed than 1: the same seed makes the same steps
  --steps N       so many steps, not 100000
  --rounds N      so many rounds of real processes, not 200; half of them as two hosts, where that can be had
  --play FILE     the steps of FILE, one JSON object a line, as a failure prints them
  --figures FILE  adds the figures of this run to those in FILE: a long run may be made in slices, each with a seed of its own
  --report        writes the figures to docs/reliability.md`;

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    steps: { type: 'string', default: '100000' },
    rounds: { type: 'string', default: '200' },
    play: { type: 'string' },
    figures: { type: 'string' },
    report: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
const seed = number('seed', values.seed);
if (values.help) process.stdout.write(`${USAGE}\n`);
else if (values.play !== undefined) await play(values.play);
else await run();

async function play(path: string): Promise<void> {
  const lines = readFileSync(path, 'utf8').split('\n');
  const steps = lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as Step);
  const tally = await playSequence(seed, steps);
  process.stdout.write(`${tally.total} steps, nothing is lost\n`);
}

async function run(): Promise<void> {
  process.stdout.write(`seed ${seed}\n`);
  const tally = await runSequences({
    seed,
    steps: number('steps', values.steps),
    progress: (line) => process.stdout.write(`${line}\n`),
  });
  const figures = earlier();
  const processes = await runProcesses(number('rounds', values.rounds));
  figures.push({ seed, ...tally, steps: Object.fromEntries(tally.steps), processes });
  process.stdout.write(
    `${tally.total} steps, ${tally.deaths} deaths, ${tally.loadsExact} loads compared: nothing is lost\n`,
  );
  if (values.figures !== undefined) writeFileSync(values.figures, `${JSON.stringify(figures)}\n`);
  if (values.report) writeReport(figures);
}

async function runProcesses(rounds: number): Promise<ProcessFigures[]> {
  const two = canBeTwoHosts();
  if (!two)
    process.stdout.write('no two hosts without common locks: that takes root, /dev/fuse and bindfs\n');
  const hosts = rounds < 2 ? [] : [false, ...(two ? [true] : [])];
  const runs = hosts.map((otherHost) => ({ seed, otherHost, rounds: rounds >> 1 }));
  const figures: ProcessFigures[] = [];
  for (const run of runs) {
    figures.push(await playProcesses(run));
    process.stdout.write(`${JSON.stringify(figures.at(-1))}\n`);
  }
  return figures;
}

function earlier(): Figures[] {
  if (values.figures === undefined || !existsSync(values.figures)) return [];
  const figures = JSON.parse(readFileSync(values.figures, 'utf8')) as Figures[];
  if (figures.some((slice) => slice.seed === seed))
    throw new Error(`${values.figures} has seed ${seed} already`);
  return figures;
}

function number(name: string, text: string): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(value)) return value;
  throw new Error(`--${name} wants a whole number`);
}

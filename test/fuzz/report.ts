import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { ALL_TARGETS } from './all-targets.js';
import type { TargetRun } from './run-target.js';

const PATH = 'docs/reliability.md';
const [START, END] = ['<!-- fuzz -->', '<!-- /fuzz -->'];

/** What one process came to. */
export interface ProcessRun {
  seed: number;
  runs: readonly TargetRun[];
  /** Where it met one, such as `reference, input 7`. */
  crashes: readonly string[];
  peakRssBytes: number;
}

/** Adds a process to a file of results, one JSON object a line: a long run is made in slices. */
export function appendResults(path: string, run: ProcessRun): void {
  appendFileSync(path, `${JSON.stringify(run)}\n`);
}

/** Replaces the fuzzing section of docs/reliability.md by the figures of a file of results. */
export function writeReport(resultsPath: string): void {
  const processes = readFileSync(resultsPath, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as ProcessRun);
  const runs = processes.flatMap((process) => process.runs);
  const inputs = runs.reduce((sum, run) => sum + run.inputs, 0);
  const peaks = processes.map(({ peakRssBytes }) => Math.round(peakRssBytes / 2 ** 20)).join(', ');
  const found = processes.flatMap((process) =>
    process.crashes.map((crash) => `${crash} of seed ${process.seed}`),
  );
  const crashes =
    found.length === 0
      ? 'no crash'
      : `${found.length} crash, mended since (${found.join('; ')}; fixtures/fuzz)`;
  const seeds = [...new Set(processes.map(({ seed }) => seed))].join(', ');
  const rows = ALL_TARGETS.filter(({ name }) => runs.some((run) => run.name === name)).map(
    ({ name, runs: reads }) =>
      row(
        name,
        reads,
        runs.filter((run) => run.name === name),
      ),
  );
  const section = [
    START,
    `\`npm run test:fuzz\`, seed ${seeds}: ${inputs.toLocaleString('en')} inputs, ${crashes}, no hang. Peak RSS, process by process: ${peaks} MiB.`,
    'A target counts an input as refused when it ended in one of the documented errors.',
    '',
    '| target | what reads it | inputs | accepted | refused | slowest, ms CPU |',
    '|---|---|--:|--:|--:|--:|',
    ...rows,
    END,
  ].join('\n');
  const text = readFileSync(PATH, 'utf8');
  const [start, end] = [text.indexOf(START), text.indexOf(END)];
  if (start < 0 || end < start) throw new Error(`${PATH} has no ${START} … ${END}`);
  writeFileSync(PATH, text.slice(0, start) + section + text.slice(end + END.length));
}

function row(name: string, reads: string, runs: readonly TargetRun[]): string {
  const sum = (of: (run: TargetRun) => number): number => runs.reduce((total, run) => total + of(run), 0);
  const slowest = runs.reduce((most, { slowestCpuMs }) => Math.max(most, slowestCpuMs), 0);
  const counts = [sum((run) => run.inputs), sum((run) => run.accepted), sum((run) => run.refused)];
  return `| \`${name}\` | ${reads} | ${counts.join(' | ')} | ${slowest.toFixed(1)} |`;
}

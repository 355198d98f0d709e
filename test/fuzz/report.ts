import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { ALL_TARGETS } from './all-targets.js';
import type { TargetRun } from './run-target.js';

const PATH = 'docs/reliability.md';
const [START, END] = ['<!-- fuzz -->', '<!-- /fuzz -->'];

/** Replaces the fuzzing section of docs/reliability.md by the figures of a run. */
export function writeReport({
  seed,
  runs,
  peakRssBytes,
}: {
  seed: number;
  runs: readonly TargetRun[];
  peakRssBytes: number;
}): void {
  const inputs = runs.reduce((sum, run) => sum + run.inputs, 0);
  const rows = runs.map(({ name, inputs, accepted, refused, slowestCpuMs }) => {
    const reads = ALL_TARGETS.find((target) => target.name === name)?.runs ?? '';
    return `| \`${name}\` | ${reads} | ${inputs} | ${accepted} | ${refused} | ${slowestCpuMs.toFixed(1)} |`;
  });
  const section = [
    START,
    `\`npm run test:fuzz -- --seed ${seed}\`: ${inputs} inputs, no crash, no hang, peak RSS ${Math.round(peakRssBytes / 2 ** 20)} MiB for the whole process.`,
    '',
    '| target | what reads it | inputs | accepted | refused | slowest, ms CPU |',
    '|---|---|--:|--:|--:|--:|',
    ...rows,
    END,
  ].join('\n');
  const text = existsSync(PATH)
    ? readFileSync(PATH, 'utf8')
    : `# Reliability\n\n## Fuzzing\n\n${START}\n${END}\n`;
  const [start, end] = [text.indexOf(START), text.indexOf(END)];
  if (start < 0 || end < start) throw new Error(`${PATH} has no ${START} … ${END}`);
  writeFileSync(PATH, text.slice(0, start) + section + text.slice(end + END.length));
}

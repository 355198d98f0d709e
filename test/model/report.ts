import { readFileSync, writeFileSync } from 'node:fs';
import type { ProcessFigures } from './play-processes.js';

const PATH = 'docs/reliability.md';
const [START, END] = ['<!-- model -->', '<!-- /model -->'];

/** What one run, or a slice of one, has done. */
export interface Figures {
  seed: number;
  /** How often each step was taken. */
  steps: Record<string, number>;
  sequences: number;
  deaths: number;
  loadsExact: number;
  loadsRefused: number;
  versionsListed: number;
  /** Of the real processes. */
  processes: ProcessFigures[];
}

/** Replaces the model test's section of docs/reliability.md by the figures of its slices. */
export function writeReport(slices: readonly Figures[]): void {
  const sum = (of: (slice: Figures) => number): number =>
    slices.reduce((total, slice) => total + of(slice), 0);
  const names = [...new Set(slices.flatMap(({ steps }) => Object.keys(steps)))].sort();
  const counts = names.map((name) => ({ name, count: sum(({ steps }) => steps[name] ?? 0) }));
  const total = counts.reduce((all, { count }) => all + count, 0);
  const section = [
    START,
    `\`npm run test:model\`, seeds ${slices.map(({ seed }) => seed).join(', ')}: ${total} steps in ${sum(({ sequences }) => sequences)} sequences on three pools, nothing lost.`,
    `In ${sum(({ deaths }) => deaths)} of them the process died at some call of the file system. ${sum(({ versionsListed }) => versionsListed)} listed`,
    `versions were those of the model; ${sum(({ loadsExact }) => loadsExact)} loads gave the exact bytes, ${sum(({ loadsRefused }) => loadsRefused)} of versions that a cut-off`,
    'copy or damage had hit were refused as incomplete or damaged, none gave other bytes.',
    '',
    `| ${counts.map(({ name }) => name).join(' | ')} |`,
    `|${counts.map(() => '--:').join('|')}|`,
    `| ${counts.map(({ count }) => count).join(' | ')} |`,
    '',
    ...processLines(slices.flatMap(({ processes }) => processes)),
    END,
  ].join('\n');
  const text = readFileSync(PATH, 'utf8');
  const [start, end] = [text.indexOf(START), text.indexOf(END)];
  if (start < 0 || end < start) throw new Error(`${PATH} has no ${START} … ${END}`);
  writeFileSync(PATH, text.slice(0, start) + section + text.slice(end + END.length));
}

function processLines(runs: readonly ProcessFigures[]): string[] {
  const row = (name: string, otherHost: boolean): string => {
    const some = runs.filter((run) => run.otherHost === otherHost);
    const sum = (of: (run: ProcessFigures) => number): number =>
      some.reduce((total, run) => total + of(run), 0);
    const cells = [
      ...[sum(({ rounds }) => rounds), sum(({ processes }) => processes), sum(({ killed }) => killed)],
      ...[sum(({ stopped }) => stopped), sum(({ turned }) => turned), sum(({ locked }) => locked)],
      ...[sum(({ changed }) => changed), sum(({ loadsExact }) => loadsExact)],
    ];
    return `| ${name} | ${cells.join(' | ')} |`;
  };
  return [
    'Real processes, four at once in each round; killed with SIGKILL, stopped until all others had ended, clocks turned by a day:',
    '',
    '| | rounds | processes | killed | stopped | clocks turned | found it locked | told that the pool had changed | loads compared |',
    '|---|--:|--:|--:|--:|--:|--:|--:|--:|',
    row('one host', false),
    row('two hosts whose locks do not reach each other', true),
  ];
}

import { mkdirSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { sha256Hex } from '../../src/hash/sha256.js';
import { ALL_TARGETS } from './all-targets.js';
import { appendResults, writeReport } from './report.js';
import { Crash, runTarget, type TargetRun } from './run-target.js';
import { Watchdog } from './watchdog.js';

/** What the whole process may take, all targets in it. */
const MOST_RSS_BYTES = 256 * 1024 * 1024;
const USAGE = `npm run test:fuzz -- [--seed S] [--target T] [--only I] [--inputs N] [--share P] [--results F] [--report] [--keep]

  --seed S     another seed than 1: the same seed makes the same inputs
  --target T   this target only, or these: T,U
  --only I     this input only, whatever came before it
  --from I     begin with this input
  --inputs N   so many inputs of each target, not as many as it says itself
  --share P    so many percent of the inputs
  --results F  adds the figures to this file, one line a process: a long run may be made in slices
  --report     writes the figures of that file to docs/reliability.md
  --keep       keeps the input of a crash in fixtures/fuzz, where npm test runs it for ever`;

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    target: { type: 'string' },
    only: { type: 'string' },
    from: { type: 'string', default: '0' },
    inputs: { type: 'string' },
    share: { type: 'string', default: '100' },
    results: { type: 'string' },
    report: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
const seed = number('seed', values.seed);
const wanted = values.target?.split(',');
const targets = ALL_TARGETS.filter(({ name }) => wanted === undefined || wanted.includes(name));
/** Where it is; empty at the end. */
let place = '';
process.on('exit', () => {
  if (place === '') return;
  writeSync(2, `hang: ${place}: a promise that nobody settles\n`);
  process.exitCode = 1;
});
process.exitCode = values.help || targets.length === 0 ? usage() : await fuzz();

async function fuzz(): Promise<number> {
  const watchdog = new Watchdog(targets.map(({ name }) => name));
  const runs: TargetRun[] = [];
  const crashes: string[] = [];
  process.stdout.write(`seed ${seed}\n`);
  for (const [at, target] of targets.entries()) {
    const all = values.inputs === undefined ? target.inputs : number('inputs', values.inputs);
    const only = values.only === undefined ? undefined : number('only', values.only);
    const count = only === undefined ? Math.ceil((all * number('share', values.share)) / 100) : 1;
    try {
      const run = await runTarget(target, {
        seed,
        count,
        first: only ?? number('from', values.from),
        onInput: (index) => {
          place = `${target.name}, input ${index}`;
          watchdog.at(at, index);
        },
      });
      runs.push(run);
      process.stdout.write(`${line(run)}\n`);
    } catch (error) {
      if (!(error instanceof Crash)) throw error;
      crashes.push(`${error.target}, input ${error.index}`);
      tell(error);
    } finally {
      await target.close?.();
    }
  }
  place = '';
  await watchdog.close();
  const inputs = runs.reduce((sum, run) => sum + run.inputs, 0);
  const peakRssBytes = process.resourceUsage().maxRSS * 1024;
  process.stdout.write(
    `${inputs} inputs, ${targets.length} targets, ${crashes.length} crashes, peak RSS ${Math.round(peakRssBytes / 2 ** 20)} MiB\n`,
  );
  const isTooLarge = peakRssBytes > MOST_RSS_BYTES;
  if (isTooLarge) process.stdout.write(`more than ${MOST_RSS_BYTES / 2 ** 20} MiB\n`);
  if (values.results !== undefined) {
    if (inputs > 0) appendResults(values.results, { seed, runs, crashes, peakRssBytes });
    if (values.report) writeReport(values.results);
  }
  return crashes.length > 0 || isTooLarge ? 1 : 0;
}

function line({ name, inputs, accepted, refused, slowestCpuMs }: TargetRun): string {
  const counts = `${String(inputs).padStart(8)} inputs ${String(accepted).padStart(8)} accepted ${String(refused).padStart(8)} refused`;
  const rssMiB = Math.round(process.resourceUsage().maxRSS / 1024);
  return `${name.padEnd(16)} ${counts}   slowest ${slowestCpuMs.toFixed(1)} ms CPU   RSS up to ${rssMiB} MiB`;
}

function tell(crash: Crash): void {
  const { target, index, bytes } = crash;
  const stack = crash.cause instanceof Error ? crash.cause.stack : String(crash.cause);
  process.stdout.write(`crash: ${crash.message}\n${stack}\n`);
  process.stdout.write(`again: npm run test:fuzz -- --seed ${seed} --target ${target} --only ${index}\n`);
  if (!values.keep) return;
  const directory = join('fixtures', 'fuzz', target);
  mkdirSync(directory, { recursive: true });
  const path = join(directory, `${sha256Hex(bytes).slice(0, 16)}.bin`);
  writeFileSync(path, bytes);
  process.stdout.write(`kept: ${path}\n`);
}

function number(name: string, text: string): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(value)) return value;
  throw new Error(`--${name} wants a whole number`);
}

function usage(): number {
  process.stdout.write(
    `${USAGE}\n\ntargets:\n${ALL_TARGETS.map(({ name, runs }) => `  ${name.padEnd(16)} ${runs}`).join('\n')}\n`,
  );
  return values.help ? 0 : 2;
}

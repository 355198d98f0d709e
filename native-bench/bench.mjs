import { execFileSync, spawn, spawnSync } from 'node:child_process';
import {
  appendFileSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What the measuring scripts share: a place to work in, a command's cost, the pool's size, tables and documents. */
const here = dirname(fileURLToPath(import.meta.url));
export const root = dirname(here);
export const cli = join(root, 'dist/cli.js');
export const outDirectory = join(here, 'out');
export const benchmarksPath = process.env.DOCUMENT ?? join(root, 'docs/benchmarks.md');
export const defaultCorpus = join(tmpdir(), 'dbup-corpus');

/** A directory that goes when the process ends, by a signal too. WORK names where it is made. */
export function workDirectory() {
  const parent = process.env.WORK ?? tmpdir();
  mkdirSync(parent, { recursive: true });
  const directory = mkdtempSync(join(parent, 'dbup-bench-'));
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1));
  return directory;
}

/**
 * Runs a command to its good end; throws otherwise. Costs are those of the command and what it waited for.
 * @param {string[]} command
 * @param {{ stdoutPath?: string, input?: AsyncIterable<Uint8Array> | Iterable<Uint8Array> }} [options] a piece of
 *   `input` is used no more when the next is asked for
 * @returns {Promise<{ wallSeconds: number, cpuSeconds: number, peakBytes: number }>}
 */
export async function measure(command, { stdoutPath, input } = {}) {
  const directory = mkdtempSync(join(tmpdir(), 'dbup-cost-'));
  const costPath = join(directory, 'cost');
  const stdout = stdoutPath ? openSync(stdoutPath, 'w') : 'ignore';
  try {
    const child = spawn('python3', [join(here, 'measure.py'), costPath, 'x', ...command], {
      stdio: [input ? 'pipe' : 'ignore', stdout, 'pipe'],
      env: { ...process.env, LC_ALL: 'C' },
    });
    let complaint = '';
    child.stderr.on('data', (text) => {
      complaint = (complaint + text).slice(-4000);
    });
    const ended = new Promise((resolve, reject) => child.on('error', reject).on('close', resolve));
    if (input) await feed(child.stdin, input);
    const status = await ended;
    if (status !== 0) throw new Error(`${command.join(' ')} fails: ${complaint}`);
    const [, wall, cpu, kibibytes] = readFileSync(costPath, 'utf8').trim().split('\t').map(Number);
    return { wallSeconds: wall, cpuSeconds: cpu, peakBytes: kibibytes * 1024 };
  } finally {
    if (stdoutPath) closeSync(stdout);
    rmSync(directory, { recursive: true, force: true });
  }
}

/** A command that ends early says why by its status, so that the broken pipe is not an error here. */
async function feed(stdin, pieces) {
  let broken = false;
  stdin.on('error', () => {
    broken = true;
  });
  for await (const piece of pieces) {
    if (broken) return;
    await new Promise((resolve) => stdin.write(piece, resolve));
  }
  stdin.end();
}

/** The words of a dbup command on a pool below `directory`, whose cache is there too. */
export function dbup(directory, ...words) {
  const places = ['--pool', join(directory, 'pool'), '--cache-dir', join(directory, 'cache')];
  return [process.execPath, cli, '--quiet', ...places, ...words];
}

export function directoryBytes(directory) {
  if (!existsSync(directory)) return 0;
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath ?? entry.path, entry.name)).size, 0);
}

export const poolBytes = (directory) => directoryBytes(join(directory, 'pool'));

/** Reads a file into the machine's memory, so that the disk is not what is measured. */
export function warm(path) {
  spawnSync('cat', [path], { stdio: 'ignore' });
}

export function has(program) {
  return spawnSync('sh', ['-c', 'command -v "$0"', program], { stdio: 'ignore' }).status === 0;
}

export function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

export function megabytes(bytes) {
  return (bytes / 1e6).toFixed(bytes < 1e6 ? 3 : bytes < 1e8 ? 1 : 0);
}

/** Numbers of a list such as `1,2,5`. */
export function numbers(list) {
  const values = list.split(',').map(Number);
  if (values.some((value) => !(value > 0))) throw new Error(`${list}: a list of numbers is wanted, as 1,2,5`);
  return values;
}

/** One line saying when and on what was measured. */
export function conditions() {
  const day = execFileSync('date', ['-u', '+%Y-%m-%d'], { encoding: 'utf8' }).trim();
  const load = readFileSync('/proc/loadavg', 'utf8').split(' ')[0];
  return `Measured on ${day}, ${cpus().length} × ${cpus()[0]?.model.trim()}, Node ${process.version}, load ${load} at the end.`;
}

export function table(head, body) {
  const rule = head.map((_, at) => (at === 0 ? '---' : '--:'));
  return [head, rule, ...body].map((cells) => `| ${cells.join(' | ')} |`);
}

/** Begins `out/<name>.jsonl` anew, with the rows to be kept; returns what adds a line to it. */
export function recorder(name, kept = []) {
  mkdirSync(outDirectory, { recursive: true });
  const path = join(outDirectory, `${name}.jsonl`);
  writeFileSync(path, kept.map((row) => `${JSON.stringify(row)}\n`).join(''));
  return (row) => appendFileSync(path, `${JSON.stringify(row)}\n`);
}

/** The rows of `out/<name>.jsonl`; none when it was not made. */
export function recorded(name) {
  const path = join(outDirectory, `${name}.jsonl`);
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, 'utf8').split('\n').filter(Boolean);
  return lines.map((line) => JSON.parse(line));
}

/** Puts lines between `<!-- name -->` and `<!-- /name -->` of a document, in place of what is there. */
export function writeMarked(documentPath, name, lines) {
  const text = readFileSync(documentPath, 'utf8');
  const marked = new RegExp(`<!-- ${name} -->[\\s\\S]*<!-- /${name} -->`);
  if (!marked.test(text)) throw new Error(`${documentPath} has no marks for ${name}`);
  const body = `<!-- ${name} -->\n\n${lines.join('\n')}\n\n<!-- /${name} -->`;
  writeFileSync(
    documentPath,
    text.replace(marked, () => body),
  );
}

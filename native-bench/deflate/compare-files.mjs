// Compresses whole files with an original and with dbup's exact encoder: are the streams equal, and how fast is each?
//
//   node native-bench/deflate/compare-files.mjs --encoder go --variants go-1,go-6 FILE...
//
// Speeds are plain MB a second of CPU time, both sides in one run; the original's includes reading the file. Exits
// with 1 when a stream differs.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { parseArgs } from 'node:util';

const WINDOW_BYTES = 1 << 20;

const { values: options, positionals: paths } = parseArgs({
  allowPositionals: true,
  options: { encoder: { type: 'string' }, variants: { type: 'string' } },
});
if (!options.encoder || paths.length === 0)
  throw new Error('usage: --encoder NAME [--variants ID,ID] FILE...');
const oracle = await import(new URL(`${options.encoder}/oracle.mjs`, import.meta.url));
const variants = options.variants?.split(',') ?? oracle.variants;

/** The digest and the length of what the original writes, and its seconds of CPU time, which bash measures. */
function runOriginal(variant, path) {
  const [program, args] = oracle.fileCommand(variant, path);
  const child = spawn('bash', ['-c', 'TIMEFORMAT="%U %S"; time "$0" "$@"', program, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const hash = createHash('sha256');
  let sizeBytes = 0;
  let messages = '';
  child.stdout.on('data', (piece) => {
    hash.update(piece);
    sizeBytes += piece.length;
  });
  child.stderr.on('data', (piece) => {
    messages += piece;
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      if (code !== 0) return reject(new Error(`${program} ended with ${code}: ${messages}`));
      const [user, system] = messages.trim().split('\n').at(-1).split(' ').map(Number);
      resolve({ sizeBytes, sha256: hash.digest('hex'), seconds: user + system });
    });
  });
}

function runOurs(variant, path) {
  const encoder = oracle.createEncoder(variant);
  const hash = createHash('sha256');
  let sizeBytes = 0;
  let hashing = 0;
  const emit = (piece) => {
    const start = process.cpuUsage();
    hash.update(piece);
    sizeBytes += piece.length;
    const { user, system } = process.cpuUsage(start);
    hashing += user + system;
  };
  const window = new Uint8Array(WINDOW_BYTES);
  const file = openSync(path, 'r');
  const start = process.cpuUsage();
  for (let read = readSync(file, window); read > 0; read = readSync(file, window)) {
    encoder.write(window.subarray(0, read), emit);
  }
  encoder.finish(emit);
  const { user, system } = process.cpuUsage(start);
  closeSync(file);
  return { sizeBytes, sha256: hash.digest('hex'), seconds: (user + system - hashing) / 1e6 };
}

console.log(`${oracle.name} against ${oracle.describe()}`);
let different = 0;
for (const path of paths) {
  const plainBytes = statSync(path).size;
  for (const variant of variants) {
    const original = await runOriginal(variant, path);
    const ours = runOurs(variant, path);
    const equal = original.sha256 === ours.sha256 && original.sizeBytes === ours.sizeBytes;
    if (!equal) different++;
    const speed = (run) => `${(plainBytes / 1e6 / run.seconds).toFixed(1)} MB/s`;
    console.log(
      `${variant} ${path} ${plainBytes} -> ${ours.sizeBytes} bytes: ${equal ? 'equal' : 'DIFFERENT'}; ` +
        `dbup ${speed(ours)}, original ${speed(original)}`,
    );
  }
}
process.exitCode = different > 0 ? 1 : 0;

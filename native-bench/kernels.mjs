// Measures the chunker kernels against each other on the same data, in one run:
//
//   node native-bench/kernels.mjs [file] [--rounds <n>] [--json]
//
// Without a file, 256 MiB of generated data are used. Each round runs every native kernel, then the WebAssembly
// kernel; medians of CPU-time throughput are printed. Fails when the cuts differ.
import { execFileSync } from 'node:child_process';
import { closeSync, existsSync, fstatSync, mkdirSync, openSync, readSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

const GENERATED_BYTES = 256 * 1024 * 1024;
const WASM_NAME = 'xgear wasm';

/** What the project wants of the WebAssembly kernel, as a fraction of a native kernel's speed. */
const WANTED = { 'fastcdc scalar': 1.6, 'xgear avx512': 0.45 };

const here = dirname(fileURLToPath(import.meta.url));
const root = dirname(here);
const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: 'string', default: '5' }, json: { type: 'boolean', default: false } },
});

async function build() {
  execFileSync('make', ['-s', 'all'], { cwd: here, stdio: 'inherit' });
  execFileSync(process.execPath, [join(root, 'tools/build-kernels.mjs')], { stdio: 'inherit' });
  const config = {
    extends: '../../tsconfig.json',
    compilerOptions: { noEmit: false, outDir: 'js', rootDir: '../../src' },
    include: [],
    files: ['../../src/chunk/chunker.ts', '../../src/chunk/web-assembly.d.ts'],
  };
  writeFileSync(join(here, 'build/tsconfig.json'), JSON.stringify(config));
  const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc');
  execFileSync(process.execPath, [tsc, '-p', join(here, 'build/tsconfig.json')], { stdio: 'inherit' });
  const load = (name) => import(pathToFileURL(join(here, 'build/js/chunk', name)).href);
  return { ...(await load('chunker.js')), ...(await load('chunker-parameters.js')) };
}

function dataFile() {
  if (positionals[0]) return positionals[0];
  const path = join(here, 'out/data.bin');
  if (!existsSync(path)) {
    mkdirSync(dirname(path), { recursive: true });
    execFileSync(join(here, 'build/kernels'), ['--generate', path, String(GENERATED_BYTES)]);
  }
  return path;
}

function readInto(memory, path, offset) {
  const file = openSync(path, 'r');
  try {
    const target = new Uint8Array(memory.buffer, offset);
    let done = 0;
    for (let count = -1; count !== 0; done += count) {
      count = readSync(file, target, done, Math.min(target.length - done, 1 << 26), done);
    }
    return done;
  } finally {
    closeSync(file);
  }
}

function fileSize(path) {
  const file = openSync(path, 'r');
  try {
    return fstatSync(file).size;
  } finally {
    closeSync(file);
  }
}

function runWasm(chunker, offset, length) {
  const cuts = [];
  const before = process.cpuUsage();
  for (let start = 0; start < length; ) {
    const cut = chunker.findCut(offset + start, 0, length - start);
    start = cut === 0 ? length : start + cut;
    cuts.push(start);
  }
  const { user, system } = process.cpuUsage(before);
  const cutsChecksum = cuts.reduce((hash, cut) => Math.imul(hash ^ cut, 0x01000193) >>> 0, 0x811c9dc5);
  return { cutsChecksum, bytesPerSecond: length / ((user + system) / 1e6) };
}

function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

function measure(chunkModule, path, rounds) {
  const offset = chunkModule.CHUNK_MEMORY_RESERVED_BYTES;
  const memory = chunkModule.createChunkMemory(offset + fileSize(path));
  const length = readInto(memory, path, offset);
  const chunker = chunkModule.createChunker(chunkModule.DEFAULT_CHUNKER_PARAMETERS, memory);
  runWasm(chunker, offset, length);
  const speeds = new Map();
  const record = (name, speed) => speeds.set(name, [...(speeds.get(name) ?? []), speed]);
  for (let round = 0; round < rounds; round++) {
    const native = JSON.parse(execFileSync(join(here, 'build/kernels'), [path], { encoding: 'utf8' }));
    const wasm = runWasm(chunker, offset, length);
    if (wasm.cutsChecksum !== native.cutsChecksum)
      throw new Error('the WebAssembly cuts differ from the native');
    for (const [name, speed] of Object.entries(native.bytesPerSecond)) record(name, speed);
    record(WASM_NAME, wasm.bytesPerSecond);
  }
  return new Map([...speeds].map(([name, all]) => [name, median(all)]));
}

const speeds = measure(await build(), dataFile(), Number(options.rounds));
const rows = [...speeds].map(([name, speed]) => ({
  name,
  gigabytesPerSecond: Number((speed / 1e9).toFixed(3)),
  wasmRatio: Number((speeds.get(WASM_NAME) / speed).toFixed(3)),
  wantedRatio: WANTED[name],
}));
if (options.json) {
  console.log(JSON.stringify(rows));
} else {
  for (const { name, gigabytesPerSecond, wasmRatio, wantedRatio } of rows) {
    const wanted = wantedRatio ? ` (wanted: ${wantedRatio})` : '';
    console.log(`${name.padEnd(16)} ${gigabytesPerSecond.toFixed(2)} GB/s   wasm is ${wasmRatio}x${wanted}`);
  }
}

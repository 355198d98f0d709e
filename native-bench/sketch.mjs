// Measures the sketch kernels against each other on the same chunks, in one run:
//
//   node native-bench/sketch.mjs [file] [--chunk-kib <n>] [--rounds <n>] [--json]
//
// Without a file, 32 MiB of generated data are used. Each chunk is sketched several times in a row, as it is in cache
// when dbup does so; medians of CPU-time throughput are printed. Fails when the sketches differ.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

const GENERATED_BYTES = 32 * 1024 * 1024;
const WASM_NAME = 'wasm';
const TIMES_IN_A_ROW = 8;

const here = dirname(fileURLToPath(import.meta.url));
const root = dirname(here);
const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    'chunk-kib': { type: 'string', default: '64' },
    rounds: { type: 'string', default: '5' },
    json: { type: 'boolean', default: false },
  },
});

async function build() {
  execFileSync('make', ['-s', 'build/kernels', 'build/sketch-kernels'], { cwd: here, stdio: 'inherit' });
  execFileSync(process.execPath, [join(root, 'tools/build-kernels.mjs'), '--only', 'sketch'], {
    stdio: 'inherit',
  });
  const config = {
    extends: '../../tsconfig.json',
    compilerOptions: { noEmit: false, outDir: 'sketch-js', rootDir: '../../src' },
    include: [],
    files: [
      '../../src/chunk/sketch/sketcher.ts',
      '../../src/chunk/chunker.ts',
      '../../src/chunk/web-assembly.d.ts',
    ],
  };
  writeFileSync(join(here, 'build/sketch-tsconfig.json'), JSON.stringify(config));
  const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc');
  execFileSync(process.execPath, [tsc, '-p', join(here, 'build/sketch-tsconfig.json')], { stdio: 'inherit' });
  const load = (path) => import(pathToFileURL(join(here, 'build/sketch-js', path)).href);
  return { ...(await load('chunk/chunker.js')), ...(await load('chunk/sketch/sketcher.js')) };
}

function dataFile() {
  if (positionals[0]) return positionals[0];
  const path = join(here, 'out/sketch-data.bin');
  if (!existsSync(path)) {
    mkdirSync(dirname(path), { recursive: true });
    execFileSync(join(here, 'build/kernels'), ['--generate', path, String(GENERATED_BYTES)]);
  }
  return path;
}

/** The checksum of all features, each chunk being sketched `times` times, and the speed. */
function runWasm(sketcher, offset, length, chunkBytes, times) {
  const sketch = new Uint32Array(6);
  let checksum = 0x811c9dc5;
  const before = process.cpuUsage();
  for (let at = 0; at + chunkBytes <= length; at += chunkBytes) {
    for (let i = 0; i < times; i++) {
      sketcher.sketch(offset + at, chunkBytes, sketch);
      for (const feature of sketch) checksum = Math.imul(checksum ^ feature, 0x01000193) >>> 0;
    }
  }
  const { user, system } = process.cpuUsage(before);
  const bytes = Math.floor(length / chunkBytes) * chunkBytes * times;
  return { checksum, bytesPerSecond: bytes / ((user + system) / 1e6) };
}

function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

function measure(modules, path, chunkBytes, rounds) {
  const data = readFileSync(path);
  const offset = modules.CHUNK_MEMORY_RESERVED_BYTES;
  const memory = modules.createChunkMemory(offset + data.length);
  new Uint8Array(memory.buffer).set(data, offset);
  const sketcher = modules.createSketcher(memory);
  const { checksum } = runWasm(sketcher, offset, data.length, chunkBytes, 1);
  const speeds = new Map();
  const record = (name, speed) => speeds.set(name, [...(speeds.get(name) ?? []), speed]);
  for (let round = 0; round < rounds; round++) {
    const argumentsOfTwin = [path, String(chunkBytes), String(TIMES_IN_A_ROW)];
    const native = JSON.parse(
      execFileSync(join(here, 'build/sketch-kernels'), argumentsOfTwin, { encoding: 'utf8' }),
    );
    if (native.checksum !== checksum) throw new Error('the WebAssembly sketches differ from the native');
    for (const [name, speed] of Object.entries(native.bytesPerSecond)) record(name, speed);
    record(WASM_NAME, runWasm(sketcher, offset, data.length, chunkBytes, TIMES_IN_A_ROW).bytesPerSecond);
  }
  return new Map([...speeds].map(([name, all]) => [name, median(all)]));
}

const speeds = measure(
  await build(),
  dataFile(),
  Number(options['chunk-kib']) * 1024,
  Number(options.rounds),
);
const rows = [...speeds].map(([name, speed]) => ({
  name,
  gigabytesPerSecond: Number((speed / 1e9).toFixed(3)),
  wasmRatio: Number((speeds.get(WASM_NAME) / speed).toFixed(3)),
}));
if (options.json) {
  console.log(JSON.stringify(rows));
} else {
  for (const { name, gigabytesPerSecond, wasmRatio } of rows) {
    console.log(`${name.padEnd(12)} ${gigabytesPerSecond.toFixed(2)} GB/s   wasm is ${wasmRatio}x`);
  }
}

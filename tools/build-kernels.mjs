// Compiles every AssemblyScript kernel to WebAssembly and writes it, as base64 in a TypeScript module, beside its sources:
// src/<room>/…/kernels/assembly/<name>.ts becomes src/<room>/…/kernels/<name>-wasm.generated.ts.
//
//   node tools/build-kernels.mjs                              writes the modules that are not current
//   node tools/build-kernels.mjs --only <name> --output <file>  compiles one anew and writes its module there
//
// A kernel's first line says whose memory it works in: `// kernel: shared memory` imports one that several threads
// share, `// kernel: own memory` has its own. Files in assembly/lib/ are not kernels; kernels import them.
// The output is a function of the sources, this file and the compiler's version alone.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const SOURCES = fileURLToPath(new URL('../src/', import.meta.url));
const COMMON_FLAGS = [
  '--runtime',
  'stub',
  '--optimizeLevel',
  '3',
  '--shrinkLevel',
  '0',
  '--converge',
  '--noAssert',
  '--enable',
  'simd',
];
const MEMORY_FLAGS = {
  'shared memory': [
    '--importMemory',
    '--sharedMemory',
    '--initialMemory',
    '1',
    '--maximumMemory',
    '65536',
    '--enable',
    'threads',
  ],
  'own memory': [],
};

const sha256 = (...parts) => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part).update('\0');
  return hash.digest('hex');
};

const tool = readFileSync(fileURLToPath(import.meta.url));
const compilerVersion = createRequire(import.meta.url)('assemblyscript/package.json').version;

/** Every kernel: where its sources lie, what they are, and the module to write. */
function findKernels() {
  const kernels = [];
  for (const directory of folders(SOURCES).filter((path) => path.endsWith(join('kernels', 'assembly')))) {
    const files = readSources(directory);
    for (const file of Object.keys(files).filter((path) => !path.includes('/'))) {
      const name = basename(file, '.ts');
      kernels.push({
        name,
        entry: file,
        files,
        memory: memoryOf(join(directory, file), files[file]),
        outputPath: join(dirname(directory), `${name}-wasm.generated.ts`),
      });
    }
  }
  return kernels.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function folders(directory) {
  const below = readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return below.flatMap(({ name }) => [join(directory, name), ...folders(join(directory, name))]);
}

/** The sources of one assembly/ folder by path from it: the kernels and what is in lib/. */
function readSources(directory) {
  const list = (path, prefix) =>
    existsSync(path)
      ? readdirSync(path)
          .filter((name) => name.endsWith('.ts'))
          .sort()
          .map((name) => prefix + name)
      : [];
  const paths = [...list(directory, ''), ...list(join(directory, 'lib'), 'lib/')];
  return Object.fromEntries(paths.map((path) => [path, readFileSync(join(directory, path), 'utf8')]));
}

function memoryOf(path, text) {
  const memory = /^\/\/ kernel: (.*)\n/.exec(text)?.[1];
  if (memory in MEMORY_FLAGS) return memory;
  throw new Error(
    `${path}: the first line must be "// kernel: ${Object.keys(MEMORY_FLAGS).join('" or "// kernel: ')}"`,
  );
}

/** Only the kernel itself and lib/ go in: a change of one kernel leaves the others as they are. */
function inputsDigest({ entry, files, memory }) {
  const used = Object.keys(files).filter((path) => path === entry || path.startsWith('lib/'));
  return sha256(...used.flatMap((path) => [path, files[path]]), memory, tool, compilerVersion);
}

async function compile({ name, entry, files, memory }) {
  // Loaded here because it takes most of a second, which a build that has nothing to do need not spend.
  const { default: asc } = await import('assemblyscript/asc');
  let wasm;
  const { error, stderr } = await asc.main(
    [entry, '--outFile', `${name}.wasm`, ...COMMON_FLAGS, ...MEMORY_FLAGS[memory]],
    {
      readFile: (path) => files[path] ?? null,
      writeFile: (path, contents) => {
        if (path === `${name}.wasm`) wasm = contents;
      },
      listFiles: () => [],
    },
  );
  if (error || !wasm) throw new Error(`${entry} does not compile:\n${stderr.toString()}`);
  return wasm;
}

function renderModule({ name, entry }, wasm, digest) {
  const constant = name.toUpperCase().replaceAll('-', '_');
  return [
    `// Written by tools/build-kernels.mjs from assembly/${entry}. Do not edit.`,
    `// inputs ${digest}`,
    `export const ${constant}_WASM_SHA256 = '${createHash('sha256').update(wasm).digest('hex')}';`,
    `export const ${constant}_WASM_BASE64 =`,
    `  '${Buffer.from(wasm).toString('base64')}';`,
    '',
  ].join('\n');
}

const argument = (flag) =>
  process.argv.includes(flag) ? process.argv[process.argv.indexOf(flag) + 1] : undefined;
const only = argument('--only');
const kernels = findKernels().filter(({ name }) => only === undefined || name === only);
if (kernels.length === 0) throw new Error(`there is no kernel ${only}`);
for (const kernel of kernels) {
  const outputPath = argument('--output') ?? kernel.outputPath;
  const digest = inputsDigest(kernel);
  const current =
    argument('--output') === undefined && existsSync(outputPath) ? readFileSync(outputPath, 'utf8') : '';
  if (current.includes(`// inputs ${digest}\n`)) continue;
  const wasm = await compile(kernel);
  // Written aside and renamed: a type check or a test that runs meanwhile sees the old module or the new one.
  const temporaryPath = `${outputPath}.${process.pid}.tmp`;
  writeFileSync(temporaryPath, renderModule(kernel, wasm, digest));
  renameSync(temporaryPath, outputPath);
}

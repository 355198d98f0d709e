// Compiles assembly/chunker.ts to WebAssembly and writes it, as base64 in a TypeScript module, next to this file.
//
//   node src/chunk/kernels/build.mjs                  writes chunker-wasm.generated.ts unless it is current
//   node src/chunk/kernels/build.mjs --output <file>  compiles anew and writes the module there
//
// The output is a function of the source, this file and the compiler's version alone.
import { createHash } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const SOURCE_NAME = 'chunker.ts';
const COMPILER_FLAGS = [
  '--runtime',
  'stub',
  '--optimizeLevel',
  '3',
  '--shrinkLevel',
  '0',
  '--converge',
  '--noAssert',
  '--importMemory',
  '--sharedMemory',
  '--initialMemory',
  '1',
  '--maximumMemory',
  '65536',
  '--enable',
  'simd',
  '--enable',
  'threads',
];

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const sha256 = (...parts) => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part).update('\0');
  return hash.digest('hex');
};

async function compile(sourceText) {
  // Loaded here because it takes most of a second, which a build that has nothing to do need not spend.
  const { default: asc } = await import('assemblyscript/asc');
  let wasm;
  const { error, stderr } = await asc.main([SOURCE_NAME, '--outFile', 'chunker.wasm', ...COMPILER_FLAGS], {
    readFile: (name) => (name === SOURCE_NAME ? sourceText : null),
    writeFile: (name, contents) => {
      if (name === 'chunker.wasm') wasm = contents;
    },
    listFiles: () => [],
  });
  if (error || !wasm) throw new Error(`assembly/${SOURCE_NAME} does not compile:\n${stderr.toString()}`);
  return wasm;
}

function renderModule(wasm, inputsDigest) {
  return [
    '// Written by build.mjs from assembly/chunker.ts. Do not edit.',
    `// inputs ${inputsDigest}`,
    `export const CHUNKER_WASM_SHA256 = '${sha256OfBytes(wasm)}';`,
    `export const CHUNKER_WASM_BASE64 =`,
    `  '${Buffer.from(wasm).toString('base64')}';`,
    '',
  ].join('\n');
}

function sha256OfBytes(bytes) {
  return createHash('sha256').update(bytes).digest('hex');
}

function readIfPresent(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT') return '';
    throw error;
  }
}

const outputFlag = process.argv.indexOf('--output');
const outputPath = outputFlag === -1 ? here('chunker-wasm.generated.ts') : process.argv[outputFlag + 1];
const sourceText = readFileSync(here(`assembly/${SOURCE_NAME}`), 'utf8');
const compilerVersion = createRequire(import.meta.url)('assemblyscript/package.json').version;
const inputsDigest = sha256(sourceText, readFileSync(fileURLToPath(import.meta.url)), compilerVersion);

const isCurrent = outputFlag === -1 && readIfPresent(outputPath).includes(`// inputs ${inputsDigest}\n`);
if (!isCurrent) {
  const wasm = await compile(sourceText);
  // Written aside and renamed: a type check or a test that runs meanwhile sees the old module or the new one.
  const temporaryPath = `${outputPath}.${process.pid}.tmp`;
  writeFileSync(temporaryPath, renderModule(wasm, inputsDigest));
  renameSync(temporaryPath, outputPath);
}

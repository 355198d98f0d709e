// zlib itself, linked from the system (Debian: zlib1g-dev), or of the sources in the folder $ZLIB.
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createZlibEncoder } from '../../../dist/compress/exact/zlib/zlib-encoder.js';
import { runWithInput, splitStreams, u32 } from '../batch-process.mjs';

const LEVELS = [1, 2, 3, 4, 5, 6, 7, 8, 9];

export const name = 'zlib';
/** `zlib-LEVEL`, and `zlib-LEVEL-mem9` with memLevel 9. */
export const variants = [
  ...LEVELS.map((level) => `zlib-${level}`),
  ...LEVELS.map((level) => `zlib-${level}-mem9`),
];
export const features = { flush: true, dictionary: true };

const sources = process.env.ZLIB;
let program;

function build() {
  if (program) return program;
  const directory = fileURLToPath(new URL('../../build/deflate/', import.meta.url));
  mkdirSync(directory, { recursive: true });
  program = `${directory}zlib${(sources ?? '').replaceAll(/[^\w.]+/g, '-')}`;
  const files = ['adler32.c', 'crc32.c', 'deflate.c', 'trees.c', 'zutil.c'];
  const library = sources ? ['-w', '-I', sources, ...files.map((file) => join(sources, file))] : ['-lz'];
  const oracle = fileURLToPath(new URL('oracle.c', import.meta.url));
  execFileSync('cc', ['-O2', '-o', program, oracle, ...library]);
  return program;
}

/** What made the streams, for the report. */
export function describe() {
  return `zlib ${execFileSync(build(), ['--version'], { encoding: 'utf8' }).trim()}`;
}

const parse = (id) => ({ level: Number(id.split('-')[1]), memLevel: id.endsWith('-mem9') ? 9 : 8 });

export function createEncoder(id) {
  return createZlibEncoder(parse(id));
}

/** The raw deflate streams of cases { variant, plain, dictionary, steps }, a step being a write size or -1: flush. */
export async function compress(batch) {
  const pieces = batch.flatMap(({ variant, plain, dictionary, steps }) => {
    const { level, memLevel } = parse(variant);
    return [
      u32(level, memLevel, dictionary.length, plain.length, steps.length),
      dictionary,
      plain,
      u32(...steps),
    ];
  });
  return splitStreams(await runWithInput(build(), [], Buffer.concat(pieces)));
}

/** The command that compresses a file to standard output as one raw stream. */
export function fileCommand(id, path) {
  const { level, memLevel } = parse(id);
  return [build(), [String(level), String(memLevel), path]];
}

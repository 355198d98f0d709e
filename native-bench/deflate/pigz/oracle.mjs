// pigz, the program on the path or $PIGZ_PROGRAM.
import { execFileSync } from 'node:child_process';
import { createPigzEncoder } from '../../../dist/compress/exact/pigz/pigz-encoder.js';
import { compressByCommand, rawFileCommand } from '../command-oracle.mjs';

const LEVELS = [1, 2, 3, 4, 5, 6, 7, 8, 9];

export const name = 'pigz';
/** `pigz-LEVEL-BLOCKKIB`, with `-i` for independent blocks and `-p1` for one thread. */
export const variants = [
  ...LEVELS.map((level) => `pigz-${level}-128`),
  ...LEVELS.map((level) => `pigz-${level}-32`),
  ...LEVELS.map((level) => `pigz-${level}-33-i`),
  ...LEVELS.map((level) => `pigz-${level}-32-p1`),
  ...LEVELS.map((level) => `pigz-${level}-41-i-p1`),
];
export const features = { flush: false, dictionary: false };

/** Each is one way of framing; the levels are zlib's. */
export const goldenVariants = variants.filter((id) => /-128$|-[169]-/.test(id));

const program = process.env.PIGZ_PROGRAM ?? 'pigz';

function parse(id) {
  const [, level, blockKiB, ...options] = id.split('-');
  return {
    level: Number(level),
    blockBytes: Number(blockKiB) * 1024,
    isIndependent: options.includes('i'),
    isSingle: options.includes('p1'),
  };
}

function commandOf(id) {
  const { level, blockBytes, isIndependent, isSingle } = parse(id);
  const args = ['-n', '-T', '-c', `-${level}`, '-b', String(blockBytes / 1024), '-p', isSingle ? '1' : '2'];
  return [program, isIndependent ? [...args, '-i'] : args];
}

/** What made the streams, for the report. */
export function describe() {
  const version = execFileSync('sh', ['-c', '"$0" --version 2>&1', program], { encoding: 'utf8' });
  return version.trim();
}

export function createEncoder(id) {
  return createPigzEncoder(parse(id));
}

/** The raw deflate streams of cases { variant, plain }. */
export function compress(batch) {
  return compressByCommand(batch, commandOf);
}

/** The command that compresses a file to standard output as one raw stream. */
export function fileCommand(id, path) {
  return rawFileCommand(commandOf(id), path);
}

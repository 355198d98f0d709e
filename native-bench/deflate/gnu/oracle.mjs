// GNU gzip, the program on the path or $GZIP_PROGRAM. It reads what comes, so there are no write sizes to choose.
import { execFileSync } from 'node:child_process';
import { createGnuGzipEncoder } from '../../../dist/compress/exact/zlib/zlib-encoder.js';
import { compressByCommand, rawFileCommand } from '../command-oracle.mjs';

export const name = 'gnu';
export const variants = [1, 2, 3, 4, 5, 6, 7, 8, 9].map((level) => `gnu-${level}`);
export const features = { flush: false, dictionary: false };

const program = process.env.GZIP_PROGRAM ?? 'gzip';
const levelOf = (id) => Number(id.split('-')[1]);
const commandOf = (id) => [program, ['-n', '-c', `-${levelOf(id)}`]];

/** What made the streams, for the report. */
export function describe() {
  return execFileSync(program, ['--version'], { encoding: 'utf8' }).split('\n')[0];
}

export function createEncoder(id) {
  return createGnuGzipEncoder({ level: levelOf(id) });
}

/** The raw deflate streams of cases { variant, plain }. */
export function compress(batch) {
  return compressByCommand(batch, commandOf);
}

/** The command that compresses a file to standard output as one raw stream. */
export function fileCommand(id, path) {
  return rawFileCommand(commandOf(id), path);
}

// Go's own compress/flate, of the `go` on the path or of the command in $GO.
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { createGoEncoder } from '../../../dist/compress/exact/go/go-encoder.js';
import { runWithInput, splitStreams, u32 } from '../batch-process.mjs';

export const name = 'go';
export const variants = [1, 2, 3, 4, 5, 6, 7, 8, 9, 0, -2].map((level) =>
  level === -2 ? 'go-huffman' : `go-${level}`,
);
export const features = { flush: true, dictionary: true };

/** Golden inputs on which a threshold that is off by one shows: of kinds of blocks, and of where the window slides. */
export const telltaleInputs = [
  { kind: 'records', seed: 0, lengthBytes: 16 },
  { kind: 'text', seed: 0, lengthBytes: 127 },
  { kind: 'text', seed: 38, lengthBytes: 200 },
  { kind: 'tar', seed: 47, lengthBytes: 200 },
  { kind: 'noise', seed: 88, lengthBytes: 50 },
  { kind: 'repeats', seed: 31, lengthBytes: 140_000, flushAfter: 65_274 },
];

const go = process.env.GO ?? 'go';
const levelOf = (variant) => (variant === 'go-huffman' ? -2 : Number(variant.slice('go-'.length)));
let program;

function build() {
  if (program) return program;
  const directory = fileURLToPath(new URL('../../build/deflate/', import.meta.url));
  mkdirSync(directory, { recursive: true });
  program = `${directory}oracle-${go.replaceAll(/[^\w.]/g, '-')}`;
  execFileSync(go, ['build', '-o', program, fileURLToPath(new URL('main.go', import.meta.url))], {
    env: { ...process.env, GO111MODULE: 'off', GOFLAGS: '' },
  });
  return program;
}

/** What made the streams, for the report. */
export function describe() {
  return execFileSync(go, ['version'], { encoding: 'utf8' }).trim();
}

export function createEncoder(variant) {
  return createGoEncoder({ level: levelOf(variant) });
}

/** The raw deflate streams of cases { variant, plain, dictionary, steps }, a step being a write size or -1: flush. */
export async function compress(batch) {
  const pieces = batch.flatMap(({ variant, plain, dictionary, steps }) => [
    u32(levelOf(variant), dictionary.length, plain.length, steps.length),
    dictionary,
    plain,
    u32(...steps),
  ]);
  return splitStreams(await runWithInput(build(), [], Buffer.concat(pieces)));
}

/** The command that compresses a file to standard output as one raw stream. */
export function fileCommand(variant, path) {
  return [build(), [String(levelOf(variant)), path]];
}

// github.com/klauspost/compress/flate, as Debian's golang-github-klauspost-compress-dev installs it, or of another
// release: KLAUSPOST_GOPATH says where its src/ lies and KLAUSPOST_VARIANT which output it makes. KLAUSPOST_GOPATH=std
// takes the compress/flate of $GO itself, from Go 1.27 on.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import {
  createKlauspostEncoder,
  klauspostVariants,
} from '../../../dist/compress/exact/klauspost/klauspost-encoder.js';
import { runWithInput, splitStreams, u32 } from '../batch-process.mjs';

export const name = 'klauspost';
export const features = { flush: true, dictionary: true };

const go = process.env.GO ?? 'go';
const goPath = process.env.KLAUSPOST_GOPATH ?? '/usr/share/gocode';
const release = process.env.KLAUSPOST_VARIANT ?? '1.15.11';
const levelOf = (variant) => Number(variant.slice(variant.lastIndexOf('-') + 1));

export const variants = [1, 2, 3, 4, 5, 6, 7, 8, 9]
  .filter((level) => variantAt(level) !== undefined)
  .map((level) => `klauspost-${variantAt(level)}-${level}`);

/** The variant of this level that the release makes: the newest that is not newer. */
function variantAt(level) {
  // Go's own is none of the releases: only KLAUSPOST_VARIANT=go1.27 asks for it.
  const order = (version) =>
    version.startsWith('go')
      ? Number.POSITIVE_INFINITY
      : version.split('.').reduce((sum, part) => sum * 1000 + Number(part), 0);
  return klauspostVariants(level).find((variant) => order(variant) <= order(release));
}

/** Found by search: where two variants differ that seldom do (1.14.0, 1.14.2 and 1.14.3; 1.18.1 and 1.18.2). */
export const telltaleInputs = [
  { kind: 'copies', seed: 1017, lengthBytes: 79_078 },
  { kind: 'copies', seed: 1524, lengthBytes: 131_116 },
  { kind: 'text', seed: 1543, lengthBytes: 81_861 },
  { kind: 'copies', seed: 3910, lengthBytes: 134_989 },
];

let program;

function build() {
  if (program) return program;
  const suffix = `${go}-${goPath}`.replaceAll(/[^\w.]+/g, '-');
  const directory = fileURLToPath(new URL(`../../build/deflate/klauspost${suffix}/`, import.meta.url));
  mkdirSync(directory, { recursive: true });
  const source = readFileSync(new URL('../go/main.go', import.meta.url), 'utf8');
  const imported = goPath === 'std' ? 'compress/flate' : 'github.com/klauspost/compress/flate';
  writeFileSync(`${directory}main.go`, source.replace('"compress/flate"', `"${imported}"`));
  program = `${directory}oracle`;
  execFileSync(go, ['build', '-o', program, `${directory}main.go`], {
    env: { ...process.env, GO111MODULE: 'off', GOFLAGS: '', ...(goPath !== 'std' && { GOPATH: goPath }) },
  });
  return program;
}

/** What made the streams, for the report. */
export function describe() {
  return `${goPath} as variant ${release}, ${execFileSync(go, ['version'], { encoding: 'utf8' }).trim()}`;
}

export function createEncoder(id) {
  const [, variant, level] = id.split('-');
  return createKlauspostEncoder({ level: Number(level), variant });
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

// github.com/klauspost/pgzip, as Debian's golang-github-klauspost-pgzip-dev installs it, with klauspost/compress as
// ../klauspost/oracle.mjs finds it: KLAUSPOST_GOPATH must hold both.
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { createPgzipEncoder } from '../../../dist/compress/exact/pgzip/pgzip-encoder.js';
import { runWithInput, splitStreams, u32 } from '../batch-process.mjs';
import { variants as klauspostIds } from '../klauspost/oracle.mjs';

export { describe } from '../klauspost/oracle.mjs';
export const name = 'pgzip';
export const features = { flush: true, dictionary: false };

const BLOCK_BYTES = [1 << 20, 256 << 10, 16_385, 65_535, 65_536 + 130];

const go = process.env.GO ?? 'go';
const goPath = process.env.KLAUSPOST_GOPATH ?? '/usr/share/gocode';

/** `pgzip-VARIANT-LEVEL-BLOCKBYTES`, the default level of podman's and of umoci's blocks first. */
export const variants = BLOCK_BYTES.flatMap((blockBytes) =>
  [...klauspostIds]
    .sort((a, b) => Number(b.endsWith('-5')) - Number(a.endsWith('-5')))
    .map((id) => `${id.replace('klauspost', 'pgzip')}-${blockBytes}`),
);

/** The framing is the same for all levels, so few ids are frozen with it. */
export const goldenVariants = variants.filter((id) => /-(5-1048576|5-262144|9-16385|1-65666)$/.test(id));

/** Two blocks of the default size, and a part of a third. */
export const longerInputs = [
  ['text', 2 << 20],
  ['tar', 2_200_000],
];

let program;

function build() {
  if (program) return program;
  const directory = fileURLToPath(new URL('../../build/deflate/', import.meta.url));
  mkdirSync(directory, { recursive: true });
  program = `${directory}pgzip${`${go}-${goPath}`.replaceAll(/[^\w.]+/g, '-')}`;
  execFileSync(go, ['build', '-o', program, fileURLToPath(new URL('main.go', import.meta.url))], {
    env: { ...process.env, GO111MODULE: 'off', GOFLAGS: '', GOPATH: goPath },
  });
  return program;
}

const parse = (id) => {
  const [, variant, level, blockBytes] = id.split('-');
  return { variant, level: Number(level), blockBytes: Number(blockBytes) };
};

export function createEncoder(id) {
  return createPgzipEncoder(parse(id));
}

/** The raw deflate streams of cases { variant, plain, steps }, a step being a write size or -1: flush. */
export async function compress(batch) {
  const pieces = batch.flatMap(({ variant, plain, steps }) => {
    const { level, blockBytes } = parse(variant);
    return [u32(level, blockBytes, plain.length, steps.length), plain, u32(...steps)];
  });
  return splitStreams(await runWithInput(build(), [], Buffer.concat(pieces)));
}

/** The command that compresses a file to standard output as one raw stream. */
export function fileCommand(id, path) {
  const { level, blockBytes } = parse(id);
  return [build(), [String(level), String(blockBytes), path]];
}

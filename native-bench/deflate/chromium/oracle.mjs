// Chromium's zlib as the Node in $NODE has it, or else this one. Which of its hashes that is, the version tells.
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { createChromiumEncoder } from '../../../dist/compress/exact/zlib/zlib-encoder.js';
import { runWithInput, splitStreams, u32 } from '../batch-process.mjs';

const LEVELS = [1, 2, 3, 4, 5, 6, 7, 8, 9];
/** The hash for memLevel 8 and 9, by the beginning of zlib's version. */
const HASHES = [
  ['1.2.11', ['crc', 'crc']],
  ['1.2.1', ['crc16', 'crc16']],
  ['', ['product', 'product']],
];

const node = process.env.NODE ?? process.execPath;
const versions = JSON.parse(
  execFileSync(node, ['-p', 'JSON.stringify(process.versions)'], { encoding: 'utf8' }),
);
const [, hashes] = HASHES.find(([beginning]) => versions.zlib.startsWith(beginning));
const program = fileURLToPath(new URL('compress.mjs', import.meta.url));

export const name = 'chromium';
/** `chromium-HASH-LEVEL`, and `chromium-HASH-LEVEL-mem9` with memLevel 9. */
export const variants = LEVELS.flatMap((level) => [
  `chromium-${hashes[0]}-${level}`,
  `chromium-${hashes[1]}-${level}-mem9`,
]);
/**
 * Found by search: three end with a string of three bytes just after the window has slid for the last time, and one has a match
 * just as far back as one may be.
 */
export const telltaleInputs = [
  { kind: 'skewed', seed: 165, lengthBytes: 65_385 },
  { kind: 'text', seed: 640, lengthBytes: 65_460 },
  { kind: 'copies', seed: 1385, lengthBytes: 65_525 },
  { kind: 'copies', seed: 145, lengthBytes: 48_255 },
];
export const features = { flush: false, dictionary: false };

/** What made the streams, for the report. */
export function describe() {
  return `the zlib ${versions.zlib} of Node ${versions.node}`;
}

function parse(id) {
  const [, kind, level, memory] = id.split('-');
  return { hash: kind, level: Number(level), memLevel: memory === 'mem9' ? 9 : 8 };
}

export function createEncoder(id) {
  return createChromiumEncoder(parse(id));
}

/** The raw deflate streams of cases { variant, plain, steps }, a step being a write size. */
export async function compress(batch) {
  const pieces = batch.flatMap(({ variant, plain, steps }) => {
    const { level, memLevel } = parse(variant);
    return [u32(level, memLevel, plain.length, steps.length), plain, u32(...steps)];
  });
  return splitStreams(await runWithInput(node, [program], Buffer.concat(pieces)));
}

/** The command that compresses a file to standard output as one raw stream. */
export function fileCommand(id, path) {
  const { level, memLevel } = parse(id);
  return [node, [program, String(level), String(memLevel), path]];
}

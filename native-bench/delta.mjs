// Measures the delta coder on a pair of files, in one run:
//
//   node native-bench/delta.mjs <old file> <new file> [--level <n>] [--json]
//
// The new file is coded in blocks of 2 MiB, each against the 5 MiB of the old one around the same place. Sizes are
// compared with `zstd -3` and `zstd --patch-from`, speeds (CPU time) with the C++ twin. Fails when the streams differ
// from the twin's or a block is not rebuilt. Wants a built dbup (`npm run build`), g++, make and zstd.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const BLOCK_BYTES = 2 * 1024 * 1024;
const MARGIN_BYTES = 3 * 512 * 1024;
const PIECE_BYTES = 64 * 1024;
const STREAMS = 6;

const here = dirname(fileURLToPath(import.meta.url));
const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { level: { type: 'string', default: '3' }, json: { type: 'boolean', default: false } },
});
const [oldPath, newPath] = positionals;
if (newPath === undefined) throw new Error('two files are wanted: the old one and the new one');

const load = (path) => import(new URL(`../dist/compress/${path}`, import.meta.url));
const { DeltaEncoder } = await load('delta/delta-encoder.js');
const { DeltaDecoder } = await load('delta/delta-decoder.js');
const { NumberReader } = await load('delta/delta-format.js');
const { ZstdCompressor, ZstdDecompressor } = await load('zstd.js');

/** The six streams of a payload of form 1. */
function streamsOf(payload) {
  const reader = new NumberReader(payload, 1);
  const lengths = Array.from({ length: STREAMS }, () => [reader.next(), reader.next()]);
  const decompressor = new ZstdDecompressor();
  let at = reader.at;
  return lengths.map(([plainBytes, storedBytes]) => {
    const stored = payload.subarray(at, at + storedBytes);
    at += storedBytes;
    const plain = new Uint8Array(plainBytes);
    if (storedBytes === plainBytes) plain.set(stored);
    else decompressor.decompressInto(plain, stored);
    return plain;
  });
}

function runTwin(streamsPath) {
  execFileSync('make', ['-s', 'build/delta-run'], { cwd: here, stdio: 'inherit' });
  return JSON.parse(execFileSync(join(here, 'build/delta-run'), [oldPath, newPath, streamsPath]));
}

/** Compares one block's streams with the twin's at `at`; returns where those of the next block are. */
function compareWithTwin(twin, at, coded, blockAt) {
  const lengths = Array.from({ length: STREAMS }, (_, i) => twin.readUInt32LE(at + i * 4));
  let end = at + STREAMS * 4;
  const expected = lengths.map((length) => {
    end += length;
    return twin.subarray(end - length, end);
  });
  if (coded?.payload[0] === 1) {
    streamsOf(coded.payload).forEach((stream, i) => {
      if (Buffer.compare(stream, expected[i]) !== 0)
        throw new Error(`stream ${i} of the block at ${blockAt} differs`);
    });
  }
  return end;
}

function cpuSeconds(work) {
  const before = process.cpuUsage();
  const result = work();
  const { user, system } = process.cpuUsage(before);
  return [result, (user + system) / 1e6];
}

function runDbup(older, newer, twin) {
  const encoder = new DeltaEncoder(Number(options.level), new ZstdCompressor(Number(options.level)));
  const decoder = new DeltaDecoder();
  const rebuilt = new Uint8Array(new SharedArrayBuffer(BLOCK_BYTES));
  const sum = { storedBytes: 0, encodeSeconds: 0, decodeSeconds: 0, useless: 0 };
  let twinAt = 0;
  for (let at = 0; at < newer.length; at += BLOCK_BYTES) {
    const plain = newer.subarray(at, at + BLOCK_BYTES);
    const middle = Math.floor((at * older.length) / newer.length);
    const end = Math.min(older.length, middle + plain.length + MARGIN_BYTES);
    const pieces = [];
    for (let p = Math.max(0, middle - MARGIN_BYTES); p < end; p += PIECE_BYTES) {
      pieces.push(older.subarray(p, Math.min(end, p + PIECE_BYTES)));
    }
    const [coded, encodeSeconds] = cpuSeconds(() => {
      encoder.fill(pieces, plain);
      return encoder.encode(
        Uint32Array.from(pieces, ({ length }) => length),
        plain.length,
      );
    });
    sum.encodeSeconds += encodeSeconds;
    twinAt = compareWithTwin(twin, twinAt, coded, at);
    if (coded === null) {
      sum.useless++;
      sum.storedBytes += plain.length;
      continue;
    }
    sum.storedBytes += coded.payload.length;
    const target = rebuilt.subarray(0, plain.length);
    const base = coded.usedPieces.map((number) => pieces[number]);
    const [, decodeSeconds] = cpuSeconds(() => decoder.decodeInto(target, coded.payload, base));
    sum.decodeSeconds += decodeSeconds;
    if (Buffer.compare(target, plain) !== 0) throw new Error(`the block at ${at} is not rebuilt`);
  }
  return sum;
}

function zstdBytes(...flags) {
  const { stdout, status } = spawnSync('sh', ['-c', 'zstd -q -c "$@" | wc -c', 'sh', ...flags]);
  if (status !== 0) throw new Error(`zstd ${flags.join(' ')} fails`);
  return Number(stdout);
}

const directory = mkdtempSync(join(tmpdir(), 'dbup-delta-'));
try {
  const streamsPath = join(directory, 'streams');
  const twin = runTwin(streamsPath);
  const dbup = runDbup(readFileSync(oldPath), readFileSync(newPath), readFileSync(streamsPath));
  const newBytes = statSync(newPath).size;
  const patch = `--patch-from=${oldPath}`;
  const sizes = {
    'zstd -3': zstdBytes('-3', newPath),
    [`delta, level ${options.level}`]: dbup.storedBytes,
    'zstd -12 --patch-from': zstdBytes('-12', patch, newPath),
    'zstd -19 --long=27 --patch-from': zstdBytes('-19', '--long=27', patch, newPath),
  };
  const speed = (seconds) => Math.round(newBytes / seconds / 1e6);
  const speeds = {
    'encode, streams and zstd': speed(dbup.encodeSeconds),
    'decode, with zstd': speed(dbup.decodeSeconds),
    'twin: search and streams alone': speed(twin.encodeSeconds),
    'twin: streams to plain bytes alone': speed(twin.decodeSeconds),
  };
  if (options.json)
    console.log(JSON.stringify({ newBytes, sizes, uselessBlocks: dbup.useless, megabytesPerSecond: speeds }));
  else {
    for (const [name, bytes] of Object.entries(sizes)) {
      console.log(
        `${name.padEnd(36)} ${String(bytes).padStart(11)} bytes ${((100 * bytes) / newBytes).toFixed(3).padStart(7)} %`,
      );
    }
    for (const [name, value] of Object.entries(speeds))
      console.log(`${name.padEnd(36)} ${String(value).padStart(11)} MB/s`);
    if (dbup.useless > 0)
      console.log(`${dbup.useless} blocks found nothing and count with their plain bytes`);
  }
} finally {
  rmSync(directory, { recursive: true, force: true });
}

// Speed and memory of saving gzip layers open and of making them again, against the programs that made them, in one run:
//
//   node native-bench/gzip.mjs [--only go,pgzip] [--rounds 1] [--corpus DIRECTORY] [--megabytes 50] [--write] [TAR]
//
// Without a tar, the beginning of the corpus' base layer. Wants a built dbup and, for what each makes, go, pgzip's sources (see
// deflate/pgzip/oracle.mjs), gzip and pigz; what is not there is left out. Lines of JSON go to out/gzip.jsonl; --write
// puts the table into docs/benchmarks.md.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import {
  benchmarksPath,
  conditions,
  dbup,
  defaultCorpus,
  has,
  measure,
  median,
  recorder,
  root,
  table,
  warm,
  workDirectory,
  writeMarked,
} from './bench.mjs';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: 'string', default: 'go,pgzip,gnu,pigz' },
    rounds: { type: 'string', default: '1' },
    corpus: { type: 'string', default: defaultCorpus },
    megabytes: { type: 'string', default: '50' },
    write: { type: 'boolean', default: false },
  },
});
const work = workDirectory();
const { crc32 } = await import(new URL('../dist/hash/crc32.js', import.meta.url));
const { createEncoder } = await import(
  new URL('../dist/compress/exact/encoder-registry.js', import.meta.url)
);
const { Inflater } = await import(new URL('../dist/compress/exact/inflate/inflater.js', import.meta.url));

/** What makes a gzip file of `plain` on one processor: a command whose output is the file, or the raw stream with a header of its own. */
const PRODUCERS = {
  go: {
    title: "Go's `compress/gzip`, level 6",
    program: () => buildGo('go', {}),
    command: (program, plain) => [program, '6', plain],
    encoder: { family: 'go', level: 6 },
    header: [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255],
  },
  pgzip: {
    title: 'pgzip, as podman and skopeo',
    program: () => buildGo('pgzip', { GOPATH: process.env.KLAUSPOST_GOPATH ?? '/usr/share/gocode' }),
    command: (program, plain) => [program, '5', `${2 ** 20}`, plain],
    encoder: { family: 'pgzip', level: 5, variant: '1.15.10', blockBytes: 2 ** 20 },
    header: [0x1f, 0x8b, 8, 0, 0, 9, 0x6e, 0x88, 0, 255],
  },
  gnu: {
    title: '`gzip -6`',
    program: () => (has('gzip') ? 'gzip' : null),
    command: (program, plain) => [program, '-6', '-n', '-c', plain],
    encoder: { family: 'gnu', level: 6 },
  },
  pigz: {
    title: '`pigz -6 -p 2`',
    program: () => (has('pigz') ? 'pigz' : null),
    command: (program, plain) => [program, '-6', '-n', '-p', '2', '-c', plain],
    encoder: { family: 'pigz', level: 6, flags: 0, blockBytes: 128 * 1024 },
  },
};

function buildGo(name, env) {
  const source = join(root, 'native-bench/deflate', name, 'main.go');
  const program = join(work, `make-${name}`);
  try {
    execFileSync('go', ['build', '-o', program, source], {
      env: { ...process.env, GO111MODULE: 'off', GOFLAGS: '', ...env },
      stdio: 'ignore',
    });
    return program;
  } catch {
    return null;
  }
}

/** The tar, or so much of the base layer. */
function plainFile() {
  const [given] = positionals;
  if (given) return given;
  const path = join(work, 'plain.tar');
  const bytes = Buffer.alloc(Number(options.megabytes) * 1e6);
  const file = openSync(join(options.corpus, 'build/base-1.tar'), 'r');
  const count = readSync(file, bytes, 0, bytes.length, 0);
  closeSync(file);
  writeFileSync(path, bytes.subarray(0, count));
  return path;
}

function withFraming(streamPath, plainPath, header) {
  const plain = readFileSync(plainPath);
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(crc32(plain));
  trailer.writeUInt32LE(plain.length % 2 ** 32, 4);
  writeFileSync(streamPath, Buffer.concat([Buffer.from(header), readFileSync(streamPath), trailer]));
}

/** An OCI layout whose image has gzip files as its layers. */
function writeLayout(directory, gzipPaths, diffIds) {
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(join(directory, 'blobs/sha256'), { recursive: true });
  const put = (mediaType, bytes) => {
    const hex = createHash('sha256').update(bytes).digest('hex');
    writeFileSync(join(directory, 'blobs/sha256', hex), bytes);
    return { mediaType, digest: `sha256:${hex}`, size: bytes.length };
  };
  const config = { architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: diffIds } };
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  const manifest = {
    schemaVersion: 2,
    mediaType,
    config: put('application/vnd.oci.image.config.v1+json', Buffer.from(JSON.stringify(config))),
    layers: gzipPaths.map((path) => put('application/vnd.oci.image.layer.v1.tar+gzip', readFileSync(path))),
  };
  const named = {
    ...put(mediaType, Buffer.from(JSON.stringify(manifest))),
    annotations: { 'org.opencontainers.image.ref.name': 'bench:1' },
  };
  writeFileSync(join(directory, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  writeFileSync(join(directory, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [named] }));
}

const digestOf = (path) => `sha256:${createHash('sha256').update(readFileSync(path)).digest('hex')}`;

/** Saves a layout into a new pool, and takes the image out again. */
async function saveAndLoad(layout, threads, digest) {
  const there = join(work, `pool-${threads}`);
  const out = join(work, 'out');
  for (const path of [there, out]) rmSync(path, { recursive: true, force: true });
  mkdirSync(there);
  const words = ['--threads', `${threads}`];
  const save = await measure(dbup(there, ...words, 'save', `oci:${layout}`));
  const load = await measure(dbup(there, ...words, 'load', 'bench:1', '-o', `oci:${out}`));
  const made = digestOf(join(out, 'blobs/sha256', digest.slice('sha256:'.length)));
  if (made !== digest) throw new Error(`${digest} came back as ${made}`);
  const shown = execFileSync(process.execPath, [...dbup(there, '--json', 'show', 'bench:1').slice(1)], {
    encoding: 'utf8',
  });
  if (!shown.includes('"exact"')) throw new Error('the layer was not held open');
  return { save, load };
}

/** CPU seconds that a task takes in this process. */
function cpuSecondsOf(task) {
  const before = process.cpuUsage();
  task();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}

/** dbup's own encoder and inflater, alone, over the bytes that the save has to do with. */
function measureKernels(spec, gzipPath) {
  const bytes = readFileSync(plain);
  const encoder = createEncoder(spec);
  const encode = () => {
    encoder.reset();
    for (let at = 0; at < bytes.length; at += 2 ** 16)
      encoder.write(bytes.subarray(at, at + 2 ** 16), () => {});
    encoder.finish(() => {});
  };
  const deflate = readFileSync(gzipPath).subarray(10);
  const inflater = new Inflater();
  const inflate = () => {
    inflater.reset();
    let made = 0;
    for (let at = 0; ; ) {
      const piece = inflater.next();
      made += piece?.length ?? 0;
      if (inflater.hasEnded) break;
      if (piece) continue;
      const room = inflater.inputRoom();
      const taken = deflate.subarray(at, at + room.length);
      room.set(taken);
      inflater.supply(taken.length);
      at += taken.length;
    }
    if (made !== bytes.length) throw new Error(`${made} bytes came out, not ${bytes.length}`);
  };
  return { encoding: cpuSecondsOf(encode), ownInflating: cpuSecondsOf(inflate) };
}

/** How much more two processes get done than one, that do nothing but count. */
async function twoBurners() {
  const burn =
    'let x = 1; for (let i = 0; i < 6e8; i++) x = (Math.imul(x, 1103515245) + 12345) | 0; process.exit(x === 0 ? 1 : 0)';
  const run = () => measure([process.execPath, '-e', burn]);
  const one = await run();
  const two = await Promise.all([run(), run()]);
  return (2 * one.wallSeconds) / Math.max(...two.map(({ wallSeconds }) => wallSeconds));
}

const record = recorder('gzip');
const plain = plainFile();
const plainBytes = statSync(plain).size;
const rows = [];
const left = [];

/** Rounds of everything in turn. */
async function measureProducer(name) {
  const { title, program: find, command, header, encoder } = PRODUCERS[name];
  const program = find();
  if (program === null) {
    left.push(title);
    return;
  }
  const rounds = [];
  for (let round = 0; round < Number(options.rounds); round++) {
    warm(plain);
    const path = join(work, `${name}.gz`);
    const making = await measure(command(program, plain), { stdoutPath: path });
    if (header) withFraming(path, plain, header);
    const inflating = await measure(['gzip', '-d', '-c', path], { stdoutPath: '/dev/null' });
    writeLayout(join(work, 'layout'), [path], [digestOf(plain)]);
    const digest = digestOf(path);
    const one = await saveAndLoad(join(work, 'layout'), 1, digest);
    const two = await saveAndLoad(join(work, 'layout'), 2, digest);
    const pair = await savePair(name, path, command, program, header);
    rounds.push({ making, inflating, one, two, pair, ...measureKernels(encoder, path) });
  }
  const of = (pick) => median(rounds.map(pick));
  const row = {
    name,
    title,
    plainBytes,
    making: of(({ making }) => making.cpuSeconds),
    inflating: of(({ inflating }) => inflating.cpuSeconds),
    encoding: of(({ encoding }) => encoding),
    ownInflating: of(({ ownInflating }) => ownInflating),
    saveCpu: of(({ one }) => one.save.cpuSeconds),
    saveWall: of(({ one }) => one.save.wallSeconds),
    loadCpu: of(({ one }) => one.load.cpuSeconds),
    loadOneWall: of(({ one }) => one.load.wallSeconds),
    loadTwoWall: of(({ two }) => two.load.wallSeconds),
    pairSpeedUp: of(({ pair }) => pair),
    saveMegabytes:
      Math.max(...rounds.flatMap(({ one, two }) => [one.save.peakBytes, two.save.peakBytes])) / 1e6,
    loadMegabytes:
      Math.max(...rounds.flatMap(({ one, two }) => [one.load.peakBytes, two.load.peakBytes])) / 1e6,
  };
  record(row);
  rows.push(row);
}

/** Two layers of one size on two processors, against the two on one. @returns how much faster */
async function savePair(name, path, command, program, header) {
  const other = join(work, 'other.tar');
  const bytes = readFileSync(plain);
  // The halves changed places: other chunks around the seam only, and another gzip file.
  writeFileSync(
    other,
    Buffer.concat([bytes.subarray(bytes.length >> 1), bytes.subarray(0, bytes.length >> 1)]),
  );
  const otherPath = join(work, `${name}-other.gz`);
  await measure(command(program, other), { stdoutPath: otherPath });
  if (header) withFraming(otherPath, other, header);
  writeLayout(join(work, 'pair'), [path, otherPath], [digestOf(plain), digestOf(other)]);
  const walls = [];
  for (const threads of [1, 2]) {
    const there = join(work, `pair-${threads}`);
    rmSync(there, { recursive: true, force: true });
    mkdirSync(there);
    // A save has more than one thread whatever --threads says.
    const on = threads === 1 ? ['taskset', '-c', '0'] : [];
    const words = dbup(there, '--threads', `${threads}`, 'save', `oci:${join(work, 'pair')}`);
    const cost = await measure([...on, ...words]);
    walls.push(cost.wallSeconds);
  }
  return walls[0] / walls[1];
}

for (const name of options.only.split(',')) await measureProducer(name);
const burners = await twoBurners();
record({ name: 'burners', burners });

const speed = (seconds) => (plainBytes / 1e6 / seconds).toFixed(1);
const lines = [
  `${conditions()} ${(plainBytes / 1e6).toFixed(0)} MB of tar in one layer; ${options.rounds === '1' ? 'one round' : `medians of ${options.rounds} rounds`}. Two processes that only count get ${burners.toFixed(2)} × done of what one does here.`,
  ...(left.length > 0 ? [`Not installed and left out: ${left.join(', ')}.`] : []),
  '',
  ...table(
    [
      'layer by',
      'its maker, MB/s of CPU',
      'own encoder',
      '`gzip -d`',
      'own inflater',
      'save, all of it, MB/s of CPU',
      '× its maker',
      'load, MB/s of CPU',
      '× its maker',
      'save, clock, 1 thread',
      'load, clock, 1 thread',
      '2 threads',
      'save of two layers, 2 processors / 1',
      'memory, save',
      'load',
    ],
    rows.map((row) => [
      row.title,
      speed(row.making),
      speed(row.encoding),
      speed(row.inflating),
      speed(row.ownInflating),
      speed(row.saveCpu),
      (row.making / row.saveCpu).toFixed(2),
      speed(row.loadCpu),
      (row.making / row.loadCpu).toFixed(2),
      `${speed(row.saveWall)} MB/s`,
      `${speed(row.loadOneWall)} MB/s`,
      `${speed(row.loadTwoWall)} MB/s`,
      `${row.pairSpeedUp.toFixed(2)} ×`,
      `${row.saveMegabytes.toFixed(0)} MB`,
      `${row.loadMegabytes.toFixed(0)} MB`,
    ]),
  ),
];
console.log(lines.join('\n'));
if (options.write) writeMarked(benchmarksPath, 'gzip', lines);

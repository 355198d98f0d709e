import { execFileSync } from 'node:child_process';
import { createWriteStream, existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { dbup, has, measure, median, megabytes, root, warm } from './bench.mjs';
import { LargeImage, largeBase, writeTar } from './made-images.mjs';
import { packImage } from './pack-image.mjs';

/** The bars of time and memory; see bars-bytes.mjs. */
const SMALL_BYTES = 5_000_000;
const SMALL_ROUNDS = 7;
const SAVE_MEMORY_MB = 200;
const LOAD_MEMORY_MB = 250;

/** Rounds of all commands in turn, so that what else the machine does meets each alike; medians of each. */
async function inTurn(rounds, commands) {
  const costs = Object.fromEntries(Object.keys(commands).map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [name, run] of Object.entries(commands)) costs[name].push(await run());
  }
  return Object.fromEntries(
    Object.entries(costs).map(([name, all]) => [
      name,
      {
        wallSeconds: median(all.map((cost) => cost.wallSeconds)),
        cpuSeconds: median(all.map((cost) => cost.cpuSeconds)),
        peakBytes: Math.max(...all.map((cost) => cost.peakBytes)),
      },
    ]),
  );
}

function faster(what, ours, theirs, atLeast) {
  const shown = ({ wallSeconds, cpuSeconds }) => `${wallSeconds.toFixed(2)} s (${cpuSeconds.toFixed(2)} CPU)`;
  return {
    what,
    value: theirs.wallSeconds / ours.wallSeconds,
    unit: ' ×',
    atLeast,
    note: `${shown(ours)} and ${shown(theirs)}`,
  };
}

const memory = (what, cost, atMost) => ({
  what: `peak memory, ${what}`,
  value: cost.peakBytes / 1e6,
  unit: ' MB',
  atMost,
});

function clear(work, ...names) {
  for (const name of names) rmSync(join(work, name), { recursive: true, force: true });
}

async function kernel() {
  const said = execFileSync(process.execPath, [join(root, 'native-bench/kernels.mjs'), '--json'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const rows = JSON.parse(said.trim().split('\n').at(-1));
  const measured = rows
    .filter(({ wantedRatio }) => wantedRatio !== undefined)
    .map(({ name, wasmRatio, wantedRatio, gigabytesPerSecond }) => ({
      what: `chunker kernel by ${name}`,
      value: wasmRatio,
      unit: ' ×',
      atLeast: wantedRatio,
      note: `${name}: ${gigabytesPerSecond} GB/s`,
    }));
  const hasWide = rows.some(({ name }) => name === 'xgear avx512');
  const wide = { what: 'chunker kernel by xgear avx512', left: 'this processor lacks AVX-512BW' };
  return hasWide ? measured : [...measured, wide];
}

/** A big image: saved when new, saved when known, loaded; the memory of all three. */
async function known({ corpus, work, rounds, bigBytes }) {
  const tar = join(work, 'big.tar');
  const image = new LargeImage(largeBase(corpus), bigBytes);
  const copies = (function* () {
    for (const piece of image.archive()) yield Buffer.from(piece);
  })();
  await pipeline(Readable.from(copies), createWriteStream(tar));
  const save = () => measure(dbup(work, 'save', '-i', tar, '--as', 'big'));
  const first = await save();
  const environment = {
    BORG_BASE_DIR: join(work, 'borg-home'),
    BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK: 'yes',
  };
  Object.assign(process.env, environment);
  const repo = join(work, 'borg');
  let archives = 0;
  // Without its files cache borg reads the file, as it must where another made it.
  const borg = () =>
    measure([
      'borg',
      'create',
      '--files-cache',
      'disabled',
      '--compression',
      'zstd,3',
      `${repo}::${archives++}`,
      tar,
    ]);
  if (has('borg')) {
    await measure(['borg', 'init', '-e', 'none', repo]);
    await borg();
  }
  warm(tar);
  const costs = await inTurn(rounds, {
    dbup: save,
    ...(has('openssl') && { openssl: () => measure(['openssl', 'dgst', '-sha256', tar]) }),
    ...(has('borg') && { borg }),
  });
  clear(work, 'borg', 'borg-home');
  const size = `${megabytes(image.sizeBytes)} MB`;
  const loaded = await measure(dbup(work, 'load', 'big', '-o', join(work, 'loaded.tar')));
  clear(work, 'loaded.tar', 'big.tar', 'pool', 'cache');
  const by = (peer, atLeast) => {
    const what = `save, everything known, ${size}, speed by ${peer}`;
    return costs[peer]
      ? faster(what, costs.dbup, costs[peer], atLeast)
      : { what, left: `${peer} is missing` };
  };
  return [
    by('openssl', 1),
    by('borg', 4),
    memory(`save of ${size}, all new`, first, SAVE_MEMORY_MB),
    memory(`save of ${size}, all known`, costs.dbup, SAVE_MEMORY_MB),
    memory(`load of ${size}`, loaded, LOAD_MEMORY_MB),
  ];
}

async function allNew({ corpus, work, rounds }) {
  const what = 'save, everything new, level 3, speed by `zstd -3 -T2`';
  if (!has('zstd')) return [{ what, left: 'zstd is missing' }];
  const tar = join(corpus, 'debian-1.tar');
  const out = join(work, 'new.zst');
  warm(tar);
  const costs = await inTurn(rounds, {
    dbup: () => {
      clear(work, 'pool', 'cache');
      return measure(dbup(work, 'save', '-i', tar, '--as', 'new', '--level', '3'));
    },
    zstd: () => measure(['zstd', '-q', '-f', '-3', '-T2', tar, '-o', out]),
  });
  clear(work, 'pool', 'cache', 'new.zst');
  return [
    faster(what, costs.dbup, costs.zstd, 0.9),
    memory('save of debian-1, all new, level 3', costs.dbup, SAVE_MEMORY_MB),
  ];
}

async function load({ corpus, work, rounds }) {
  const images = ['debian-1', 'debian-2'].map((name) => join(corpus, `${name}.tar`));
  const saves = [];
  for (const [i, tar] of images.entries()) {
    warm(tar);
    saves.push(await measure(dbup(work, 'save', '-i', tar, '--as', `image:${i}`)));
  }
  const out = join(work, 'loaded.tar');
  const zst = join(work, 'image.zst');
  if (has('zstd')) await measure(['zstd', '-q', '-3', images[0], '-o', zst]);
  const loader = (i) => () => {
    rmSync(out, { force: true });
    return measure(dbup(work, 'load', `image:${i}`, '-o', out));
  };
  const costs = await inTurn(rounds, {
    plain: loader(0),
    delta: loader(1),
    ...(has('zstd') && {
      zstd: () => {
        rmSync(out, { force: true });
        return measure(['zstd', '-q', '-d', zst, '-o', out]);
      },
    }),
  });
  await loader(1)();
  const isSame = readFileSync(out).equals(readFileSync(images[1]));
  if (!isSame) throw new Error('what was loaded is not what was saved');
  clear(work, 'loaded.tar', 'image.zst', 'pool', 'cache');
  const what = 'load to a file, speed by `zstd -d`';
  return [
    costs.zstd ? faster(what, costs.plain, costs.zstd, 0.9) : { what, left: 'zstd is missing' },
    faster('load of a delta version, speed by a plain one', costs.delta, costs.plain, 0.7),
    memory('save of debian-1, all new', saves[0], SAVE_MEMORY_MB),
    memory('save of debian-2, a second version', saves[1], SAVE_MEMORY_MB),
    memory('load of debian-1', costs.plain, LOAD_MEMORY_MB),
    memory('load of debian-2, a delta version', costs.delta, LOAD_MEMORY_MB),
  ];
}

/** A known image of 5 MB, as a whole process: what a start costs. */
async function small({ corpus, work }) {
  const source = [join(corpus, 'build/modules-1.tar'), process.execPath].find((path) => existsSync(path));
  const content = readFileSync(source).subarray(0, SMALL_BYTES);
  const layer = join(work, 'small.layer');
  const tar = join(work, 'small.tar');
  writeTar(layer, new Map([['data', content]]), 0);
  await packImage({ out: tar, tag: 'small:1', layers: [layer], architecture: 'amd64', cmd: ['/data'] });
  const save = () => measure(dbup(work, 'save', '-i', tar, '--as', 'small'));
  await save();
  const { known: cost, node } = await inTurn(SMALL_ROUNDS, {
    known: save,
    node: () => measure([process.execPath, '-e', '0']),
  });
  clear(work, 'small.layer', 'small.tar', 'pool', 'cache');
  const note = `${cost.cpuSeconds.toFixed(2)} s of CPU; Node alone starts in ${node.wallSeconds.toFixed(2)} s`;
  return [
    {
      what: 'save of a known 5 MB image, whole process',
      value: cost.wallSeconds,
      unit: ' s',
      atMost: 0.35,
      note,
    },
  ];
}

export const speedBars = { kernel, known, 'all-new': allNew, load, small };

import { execFileSync, spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { packImage } from './pack-image.mjs';

/**
 * The main job on an image of its own, with no engine: two releases of a small application are saved, the pool is
 * copied by rsync after each, both are loaded from the copy and compared byte for byte. Every figure it prints was
 * measured in this run. `--keep` leaves images, pool and copy where they are.
 */
const root = fileURLToPath(new URL('..', import.meta.url));
const cli = join(root, 'dist/cli.js');
const fixtures = join(root, 'fixtures/demo');
const work = mkdtempSync(join(tmpdir(), 'dbup-demo-'));
const pool = join(work, 'pool');
const copy = join(work, 'copy');
const environment = { ...process.env, LC_ALL: 'C', DBUP_CACHE_DIR: join(work, 'cache') };
const startMs = performance.now();

try {
  requireRsync();
  const base = buildBaseLayer();
  const rows = [];
  for (const release of ['1', '2']) {
    step(
      `release ${release}: npm packages of fixtures/demo/${release} on this machine's Node ${process.version}`,
    );
    const tar = await buildImage(release, base);
    rows.push(measure(release, tar));
  }
  step('loading both versions from the copy');
  dbup('ls', '--pool', copy);
  dbup('log', 'demo:latest', '--pool', copy);
  loadAndCompare('demo:latest~1', join(work, 'demo-1.tar'));
  loadAndCompare('demo:latest', join(work, 'demo-2.tar'));
  dbup('verify', '--read-data', '--pool', copy);
  printTable(rows);
  console.log(`\nBoth versions came back from the copy byte for byte. ${seconds(startMs)} in all.`);
} finally {
  if (process.argv.includes('--keep')) console.log(`kept in ${work}`);
  else rmSync(work, { recursive: true, force: true });
}

/** What a FROM scratch image needs to run this machine's Node: the binary and the libraries it is linked to. */
function buildBaseLayer() {
  const directory = join(work, 'base');
  const node = process.execPath;
  const linked = execFileSync('ldd', [node], { encoding: 'utf8', env: environment });
  const libraries = [...linked.matchAll(/(\/\S+) \(0x/g)].map(([, path]) => path);
  for (const path of libraries) put(path, join(directory, path));
  put(node, join(directory, 'usr/bin/node'));
  mkdirSync(join(directory, 'etc'), { recursive: true });
  writeFileSync(join(directory, 'etc/passwd'), 'root:x:0:0:root:/:/usr/bin/node\n');
  writeFileSync(join(directory, 'etc/group'), 'root:x:0:\n');
  mkdirSync(join(directory, 'tmp'));
  return layerTar(directory, 'base');
}

function put(from, to) {
  mkdirSync(dirname(to), { recursive: true });
  cpSync(from, to, { dereference: true });
}

async function buildImage(release, base) {
  const modules = join(work, `modules-${release}`);
  const code = join(work, `code-${release}`);
  cpSync(join(fixtures, release), join(modules, 'app'), { recursive: true });
  run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: join(modules, 'app'),
  });
  mkdirSync(join(code, 'app'), { recursive: true });
  for (const name of ['package.json', 'package-lock.json']) {
    cpSync(join(modules, 'app', name), join(code, 'app', name));
    rmSync(join(modules, 'app', name));
  }
  cpSync(join(fixtures, 'main.cjs'), join(code, 'app/main.cjs'));
  const out = join(work, `demo-${release}.tar`);
  await packImage({
    out,
    tag: 'demo:latest',
    layers: [base, layerTar(modules, `modules-${release}`), layerTar(code, `code-${release}`)],
    architecture: process.arch === 'x64' ? 'amd64' : process.arch,
    cmd: ['/usr/bin/node', '/app/main.cjs'],
    env: ['PATH=/usr/bin', `RELEASE=${release}`],
    workingDir: '/app',
  });
  return out;
}

function layerTar(directory, name) {
  const out = join(work, `${name}.layer`);
  const fixed = [
    '--format=gnu',
    '--sort=name',
    '--mtime=@1704067200',
    '--owner=0',
    '--group=0',
    '--numeric-owner',
  ];
  run('tar', [...fixed, '--mode=u+w,go-w', '-C', directory, '-cf', out, '.']);
  rmSync(directory, { recursive: true });
  return out;
}

/** Saves one release and sends the pool to the copy; returns what both cost, and what gzip would have. */
function measure(release, tar) {
  const before = poolBytes();
  const savedMs = performance.now();
  dbup('save', '-i', tar, '--pool', pool);
  const save = seconds(savedMs);
  const stats = run('rsync', ['-a', '--stats', '--no-human-readable', `${pool}/`, `${copy}/`]);
  const sentBytes = Number(/Total bytes sent: (\d+)/.exec(stats)?.[1]);
  return {
    release,
    tarBytes: statSync(tar).size,
    gzipBytes: gzipBytes(tar),
    addedBytes: poolBytes() - before,
    sentBytes,
    save,
  };
}

function gzipBytes(tar) {
  const counted = spawnSync('sh', ['-c', 'gzip -6 -c "$0" | wc -c', tar], { encoding: 'utf8' });
  return Number(counted.stdout);
}

function poolBytes() {
  if (!existsSync(pool)) return 0;
  return readdirSync(pool, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath ?? entry.path, entry.name)).size, 0);
}

function loadAndCompare(reference, original) {
  const out = join(work, 'loaded.tar');
  dbup('load', reference, '-o', out, '--pool', copy);
  run('cmp', [original, out]);
  console.log(`cmp ${basename(original)} loaded.tar: equal`);
  rmSync(out);
}

function printTable(rows) {
  const total = (key) => rows.reduce((sum, row) => sum + row[key], 0);
  const columns = ['tarBytes', 'gzipBytes', 'addedBytes', 'sentBytes'];
  const lines = [
    ['version', 'docker save', 'gzip -6', 'added to the pool', 'sent by rsync', 'save took'],
    ...rows.map((row) => [`release ${row.release}`, ...columns.map((key) => bytes(row[key])), row.save]),
    ['both', ...columns.map((key) => bytes(total(key))), ''],
  ];
  const widths = lines[0].map((_, at) => Math.max(...lines.map((line) => line[at].length)));
  console.log('');
  for (const line of lines) {
    const cells = line.map((cell, at) => (at === 0 ? cell.padEnd(widths[at]) : cell.padStart(widths[at])));
    console.log(cells.join('   ').trimEnd());
  }
}

function dbup(...words) {
  console.log(`$ dbup ${words.map((word) => word.replace(`${work}/`, '')).join(' ')}`);
  console.log(
    run(process.execPath, [cli, '--progress', 'none', ...words])
      .replaceAll(`${work}/`, '')
      .trimEnd(),
  );
}

/** Runs a program to its good end and returns what it wrote. */
function run(program, words, options = {}) {
  const ended = spawnSync(program, words, {
    encoding: 'utf8',
    env: environment,
    stdio: ['ignore', 'pipe', 'inherit'],
    maxBuffer: 1 << 26,
    ...options,
  });
  if (ended.status !== 0) {
    throw new Error(
      `${basename(program)} ${words.join(' ')} failed: ${ended.error?.message ?? `exit ${ended.status}`}`,
    );
  }
  return ended.stdout;
}

function requireRsync() {
  if (works('rsync')) return;
  if (process.getuid?.() === 0 && works('apt-get')) {
    step('installing rsync');
    // A fresh machine has no package lists yet.
    spawnSync('apt-get', ['update', '-qq'], { stdio: ['ignore', 2, 2] });
    spawnSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'rsync'], {
      stdio: ['ignore', 2, 2],
    });
    if (works('rsync')) return;
  }
  throw new Error('rsync is not installed. On Debian: apt-get install rsync');
}

function works(program) {
  return spawnSync(program, ['--version'], { stdio: 'ignore' }).status === 0;
}

function step(text) {
  console.log(`\n# ${text}`);
}

function bytes(count) {
  return `${(count / 1e6).toFixed(1)} MB`;
}

function seconds(sinceMs) {
  return `${((performance.now() - sinceMs) / 1000).toFixed(1)} s`;
}

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { packImage } from './pack-image.mjs';
import { splitName, tarEnd, tarHeader, tarPadding } from './tar.mjs';

/**
 * Images made from real data, the same for the same data: releases of an application, and images of any size that
 * are made while they are read.
 */
const FIRST_DAY_SECONDS = 1_704_067_200;
const DAY_SECONDS = 86_400;
const TEXT = /\.(c?js|mjs|ts|json|md|css|html|txt)$/;
const EDITED_FILES = 40;
const ADDED_FILES = 4;
const BINARY_PLACES = 8;

/** Seeded numbers (mulberry32): from 0 to below `limit`. */
export function seeded(seed) {
  let state = seed >>> 0;
  return (limit) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  };
}

/** The node_modules of the corpus where it is there, otherwise those that come with Node. */
export function applicationSource(corpus, work) {
  const layer = join(corpus, 'build/modules-1.tar');
  if (!existsSync(layer)) return join(dirname(dirname(realpathSync(process.execPath))), 'lib/node_modules');
  const directory = join(work, 'application');
  mkdirSync(directory);
  execFileSync('tar', ['-xf', layer, '-C', directory]);
  return directory;
}

/**
 * An application in releases. Each release edits EDITED_FILES files (a line in, a line out), adds and removes
 * ADDED_FILES, changes its version in the head of every tenth text and in some places of the Node binary, and touches
 * every file: as much in a late release as in an early one.
 */
export class Releases {
  #files = new Map();
  #binary = Buffer.from(readFileSync(process.execPath));
  #release = 0;

  constructor(directory) {
    for (const path of readdirSync(directory, { recursive: true }).sort()) {
      const absolute = join(directory, path);
      const name = `app/${relative(directory, absolute)}`;
      if (statSync(absolute, { throwIfNoEntry: false })?.isFile() && splitName(name))
        this.#files.set(name, readFileSync(absolute));
    }
  }

  /** Makes the next release and packs it as `out`. */
  async write(out, work) {
    this.#release++;
    if (this.#release > 1) this.#change(seeded(this.#release));
    const version = `1.0.${String(this.#release).padStart(3, '0')}`;
    const layers = [join(work, 'binary.layer'), join(work, 'files.layer')];
    this.#patchBinary(version);
    const mtime = FIRST_DAY_SECONDS + this.#release * DAY_SECONDS;
    writeTar(layers[0], new Map([['usr/bin/node', this.#binary]]), mtime);
    writeTar(layers[1], this.#released(version), mtime);
    return packImage({
      out,
      tag: `releases:${version}`,
      layers,
      architecture: 'amd64',
      cmd: ['/usr/bin/node', '/app'],
    });
  }

  #change(random) {
    const texts = [...this.#files.keys()].filter((path) => TEXT.test(path));
    const some = () => texts[random(texts.length)];
    for (let i = 0; i < EDITED_FILES; i++) {
      const path = some();
      const lines = this.#files.get(path).toString('latin1').split('\n');
      const donor = this.#files.get(some()).toString('latin1').split('\n');
      lines.splice(random(lines.length), 1);
      lines.splice(random(lines.length + 1), 0, donor[random(donor.length)].slice(0, 200));
      this.#files.set(path, Buffer.from(lines.join('\n'), 'latin1'));
    }
    for (let i = 0; i < ADDED_FILES; i++) {
      const parts = Array.from({ length: 16 }, () => {
        const bytes = this.#files.get(some());
        const at = random(bytes.length + 1);
        return bytes.subarray(at, at + 512);
      });
      this.#files.set(`app/added/${this.#release}-${i}.js`, Buffer.concat(parts));
    }
    for (let i = 0; i < ADDED_FILES; i++) this.#files.delete(texts.splice(random(texts.length), 1)[0]);
  }

  #patchBinary(version) {
    const random = seeded(1);
    for (let i = 0; i < BINARY_PLACES; i++)
      this.#binary.write(version, random(this.#binary.length - version.length));
  }

  #released(version) {
    const banner = Buffer.from(`/*! application ${version} */\n`);
    const files = [...this.#files].sort(([a], [b]) => (a < b ? -1 : 1));
    return new Map(
      files.map(([path, bytes]) => [path, isMarked(path) ? Buffer.concat([banner, bytes]) : bytes]),
    );
  }
}

function isMarked(path) {
  return TEXT.test(path) && createHash('md5').update(path).digest()[0] % 10 === 0;
}

/** Writes files, path to bytes, as a layer's tar. */
export function writeTar(out, files, mtimeSeconds) {
  const file = openSync(out, 'w');
  try {
    for (const [path, bytes] of files) {
      writeSync(file, tarHeader(path, bytes.length, mtimeSeconds, { mode: 0o755 }));
      writeSync(file, bytes);
      writeSync(file, tarPadding(bytes.length));
    }
    writeSync(file, tarEnd());
  } finally {
    closeSync(file);
  }
}

const LAYER_BYTES = 1_000_000_000;
const PIECE_BYTES = 1 << 20;

/**
 * An image of any size, read as a stream. Its files are the bytes of `base` over and over, each time with all bytes
 * exclusive-or the number of the time: as compressible as the base, and nothing like it for who looks for repeats.
 */
export class LargeImage {
  #base;
  #scratch = Buffer.alloc(PIECE_BYTES);
  #layers = [];
  #config;
  sizeBytes = 0;

  constructor(base, sizeBytes, layerBytes = LAYER_BYTES) {
    this.#base = base;
    // Read once beforehand, so that its maker need not hash while it is saved.
    for (let left = sizeBytes, at = 0; left > 0; left -= layerBytes, at += layerBytes) {
      const layer = { at, wantedBytes: Math.min(left, layerBytes), sizeBytes: 0 };
      const hash = createHash('sha256');
      for (const piece of this.#layer(layer)) {
        hash.update(piece);
        layer.sizeBytes += piece.length;
      }
      this.#layers.push({ ...layer, digest: hash.digest('hex') });
    }
    const diffIds = this.#layers.map(({ digest }) => `sha256:${digest}`);
    this.#config = Buffer.from(
      JSON.stringify({
        architecture: 'amd64',
        os: 'linux',
        config: {},
        rootfs: { type: 'layers', diff_ids: diffIds },
      }),
    );
    this.sizeBytes = this.#layers.reduce((sum, layer) => sum + layer.sizeBytes, 0);
  }

  /** The docker-archive. A piece may change when the next is asked for. */
  *archive() {
    const config = `${createHash('sha256').update(this.#config).digest('hex')}.json`;
    const names = this.#layers.map(({ digest }) => `${digest}/layer.tar`);
    for (const [i, layer] of this.#layers.entries()) {
      yield tarHeader(names[i], layer.sizeBytes, FIRST_DAY_SECONDS);
      yield* this.#layer(layer);
      yield tarPadding(layer.sizeBytes);
    }
    const manifest = JSON.stringify([{ Config: config, RepoTags: ['large:1'], Layers: names }]);
    yield* member(config, this.#config);
    yield* member('manifest.json', Buffer.from(manifest));
    yield tarEnd();
  }

  *#layer({ at, wantedBytes }) {
    const random = seeded(at / LAYER_BYTES);
    for (let done = 0, number = 0; done < wantedBytes; number++) {
      // From 1 KiB to 8 MiB, small ones as often as large ones.
      const most = 1024 << (1 + random(13));
      const bytes = Math.min(wantedBytes - done, (most >> 1) + random(most >> 1));
      yield tarHeader(`data/${number % 100}/${number}`, bytes, FIRST_DAY_SECONDS);
      yield* this.#content(at + done, bytes);
      yield tarPadding(bytes);
      done += bytes;
    }
    yield tarEnd();
  }

  *#content(from, bytes) {
    for (let at = from; at < from + bytes; ) {
      const start = at % this.#base.length;
      const length = Math.min(PIECE_BYTES, from + bytes - at, this.#base.length - start);
      const time = Math.floor(at / this.#base.length) & 0xff;
      const piece = this.#base.subarray(start, start + length);
      yield time === 0 ? piece : this.#changed(piece, time);
      at += length;
    }
  }

  #changed(piece, time) {
    this.#scratch.set(piece);
    const words = new Int32Array(this.#scratch.buffer, this.#scratch.byteOffset, (piece.length + 3) >> 2);
    const mask = Math.imul(time, 0x01010101);
    for (let i = 0; i < words.length; i++) words[i] ^= mask;
    return this.#scratch.subarray(0, piece.length);
  }
}

function* member(name, bytes) {
  yield tarHeader(name, bytes.length, FIRST_DAY_SECONDS);
  yield bytes;
  yield tarPadding(bytes.length);
}

/** What large images are made of: the corpus's first base where it is there, otherwise the Node binary. */
export function largeBase(corpus) {
  const layer = join(corpus, 'build/base-1.tar');
  return readFileSync(existsSync(layer) ? layer : process.execPath);
}

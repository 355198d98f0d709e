import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { GzipRebuilder } from '../../src/compress/exact/gzip-rebuilder.js';
import { configOf } from '../support/archive-layouts.js';
import { dockerArchive, sha256Of } from '../support/images.js';
import {
  ascii,
  concatBytes,
  noise,
  seededRandom,
  tarDirectory,
  tarEnd,
  tarFile,
} from '../support/tar-builder.js';

export const IMAGES = 4;
export const VERSIONS = 5;

/** An archive that is saved, and what must come back. */
export interface ShelfArchive {
  /** `image-version`. */
  key: string;
  path: string;
  bytes: Uint8Array;
}

/**
 * A few images in versions that evolve: files that change a little (deltas), files that all have (dedup), the same file under
 * another name, layers as gzip (recipes). The same seed makes the same bytes.
 */
export class ImageShelf {
  readonly #archives: ShelfArchive[];

  private constructor(archives: ShelfArchive[]) {
    this.#archives = archives;
  }

  /** Makes the archives as files in `directory`. */
  static async create(directory: string, seed: number): Promise<ImageShelf> {
    const archives: ShelfArchive[] = [];
    for (let image = 0; image < IMAGES; image++) {
      for (let version = 0; version < VERSIONS; version++) {
        const bytes = archiveBytes(seed, image, version);
        const key = `${image}-${version}`;
        const path = join(directory, `image-${key}.tar`);
        await writeFile(path, bytes);
        archives.push({ key, path, bytes });
      }
    }
    return new ImageShelf(archives);
  }

  archive(image: number, version: number): ShelfArchive {
    return this.#archives[(image % IMAGES) * VERSIONS + (version % VERSIONS)]!;
  }
}

function archiveBytes(seed: number, image: number, version: number): Uint8Array {
  const layers = [baseLayer(seed), applicationLayer(seed, image, version)];
  if (image < 2) return dockerArchive({ references: [`made${image}:1`], layers });
  if (image === 2) return dockerArchive({ references: ['small:1'], layers: [smallLayer(seed, version)] });
  return gzipArchive(layers);
}

/** A docker archive whose layers Go has compressed. */
function gzipArchive(layers: Uint8Array[]): Uint8Array {
  const references = ['packed:1'];
  const config = configOf({ references, layers });
  const packed = layers.map(gzip).map((bytes) => ({ name: `${sha256Of(bytes)}.tar.gz`, bytes }));
  const manifest = [{ Config: 'config.json', RepoTags: references, Layers: packed.map(({ name }) => name) }];
  return concatBytes([
    tarFile('config.json', config),
    ...packed.map(({ name, bytes }) => tarFile(name, bytes)),
    tarFile('manifest.json', ascii(JSON.stringify(manifest))),
    tarEnd(),
  ]);
}

function gzip(plain: Uint8Array): Uint8Array {
  const header = Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255);
  const encoder = { family: 'go', level: 6 } as const;
  const rebuilder = new GzipRebuilder([{ header, encoder, plainBytes: plain.length }], new Uint8Array(0));
  const pieces: Uint8Array[] = [];
  const emit = (piece: Uint8Array): void => {
    pieces.push(piece.slice());
  };
  rebuilder.write(plain, emit);
  rebuilder.finish(emit);
  return concatBytes(pieces);
}

function baseLayer(seed: number): Uint8Array {
  const names = ['lib/a.so', 'lib/b.so', 'etc/conf'];
  const files = names.map((name, at) =>
    tarFile(name, program(seed + at, 30_000 - at * 12_000), { mtime: 1 }),
  );
  return concatBytes([tarDirectory('lib/', { mtime: 1 }), ...files, tarEnd()]);
}

/** The one large file has the same ancestor in every image, under a name of its own. */
function applicationLayer(seed: number, image: number, version: number): Uint8Array {
  let large = program(seed + 100, 120_000);
  for (let edit = 1; edit <= version; edit++) large = edited(large, seed + image * 50 + edit);
  const small = program(seed + 200 + image * 50 + version, 3_000);
  return concatBytes([
    tarDirectory('app/', { mtime: version }),
    tarFile(`app/program-${image}`, large, { mtime: version }),
    tarFile('app/version', small, { mtime: version }),
    tarEnd(),
  ]);
}

function smallLayer(seed: number, version: number): Uint8Array {
  return concatBytes([
    tarFile('one', program(seed + 300, 9_000), { mtime: version }),
    tarFile('two', program(seed + 301 + version, 5_000), { mtime: version }),
    tarEnd(),
  ]);
}

/** Bytes of which about half can be compressed away. */
function program(seed: number, sizeBytes: number): Uint8Array {
  return noise(seed, sizeBytes).map((byte) => byte & 0x0f);
}

/** A few stretches changed, and some bytes put in. */
function edited(bytes: Uint8Array, seed: number): Uint8Array {
  const random = seededRandom(seed);
  const changed = bytes.slice();
  for (let stretch = 0; stretch < 4; stretch++) {
    const at = Math.floor(random() * (changed.length - 600));
    changed.set(program(seed * 10 + stretch, 500), at);
  }
  const middle = Math.floor(random() * changed.length);
  return concatBytes([changed.subarray(0, middle), program(seed, 40), changed.subarray(middle)]);
}

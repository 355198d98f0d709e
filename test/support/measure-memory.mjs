/**
 * Saves and loads one archive in a process of its own and prints, as JSON, what came of it and the most
 * memory the process ever held: `node measure-memory.mjs DIST ROOT KIND`, where DIST is the build to test.
 * The archive is made as it is read, so nothing but the pool needs room on the disk.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { createGzip } from 'node:zlib';

const [, , dist, root, kind] = process.argv;
const at = (path) => pathToFileURL(join(dist, path)).href;
const { openOrCreatePool } = await import(at('pool/pool.js'));
const { save } = await import(at('operations/save.js'));
const { load } = await import(at('operations/load.js'));
const { quietContext } = await import(at('core/context.js'));
const { ZstdCompressor } = await import(at('compress/zstd.js'));

const MiB = 1024 * 1024;

function header(name, sizeBytes, type = '0') {
  const block = Buffer.alloc(512);
  block.write(name, 0, 100, 'latin1');
  block.write(['0000644', '0000000', '0000000', ''].join('\0'), 100, 'latin1');
  block.write(sizeBytes.toString(8).padStart(11, '0'), 124, 'latin1');
  block.write(`00000000000\0        ${type}`, 136, 'latin1');
  block.write('ustar\x0000', 257, 'latin1');
  let sum = 0;
  for (const byte of block) sum += byte;
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

function* padded(bytes) {
  yield bytes;
  if (bytes.length % 512 !== 0) yield Buffer.alloc(512 - (bytes.length % 512));
}

/** Bytes no compressor likes, at hundreds of MB a second. */
function* noise(sizeBytes) {
  const words = new Uint32Array(MiB / 4);
  let state = 1;
  for (let done = 0; done < sizeBytes; done += MiB) {
    for (let i = 0; i < words.length; i++) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      words[i] = state;
    }
    yield Buffer.from(words.buffer, 0, Math.min(MiB, sizeBytes - done));
  }
}

const KINDS = {
  /** A layer of files of 40 MB, together 1.5 GB. */
  *large() {
    for (let file = 0; file < 36; file++) {
      yield header(`file-${file}`, 40 * MiB);
      yield* noise(40 * MiB);
    }
    yield Buffer.alloc(1024);
  },
  /** A layer of a million small files. */
  *entries() {
    for (let file = 0; file < 1_000_000; file += 500) {
      const blocks = [];
      for (let i = file; i < file + 500; i++)
        blocks.push(
          header(`usr/share/doc/${i}`, i % 3 === 0 ? 9 : 0),
          ...(i % 3 === 0 ? [Buffer.alloc(512, i)] : []),
        );
      yield Buffer.concat(blocks);
    }
    yield Buffer.alloc(1024);
  },
  /** What a bomb unfolds to: 512 MiB of zeros. */
  *bomb() {
    const zeros = Buffer.alloc(MiB);
    for (let done = 0; done < 512; done++) yield zeros;
  },
};

function digestOf(pieces) {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  for (const piece of pieces) {
    hash.update(piece);
    sizeBytes += piece.length;
  }
  return { hex: hash.digest('hex'), sizeBytes };
}

function documents(diffId, layerName) {
  const config = Buffer.from(
    JSON.stringify({
      os: 'linux',
      architecture: 'amd64',
      rootfs: { type: 'layers', diff_ids: [`sha256:${diffId}`] },
    }),
  );
  const manifest = [{ Config: 'config.json', RepoTags: ['big:1'], Layers: [layerName] }];
  return { config, manifest: Buffer.from(JSON.stringify(manifest)) };
}

function* archive(layerName, layerBytes, layer, diffId, extra = []) {
  const { config, manifest } = documents(diffId, layerName);
  yield* extra;
  yield header(layerName, layerBytes);
  yield* layer();
  if (layerBytes % 512 !== 0) yield Buffer.alloc(512 - (layerBytes % 512));
  yield header('config.json', config.length);
  yield* padded(config);
  yield header('manifest.json', manifest.length);
  yield* padded(manifest);
  yield Buffer.alloc(1024);
}

async function gzipped(pieces) {
  const gzip = createGzip({ level: 9 });
  const done = (async () => {
    for (const piece of pieces)
      if (!gzip.write(piece)) await new Promise((resolve) => gzip.once('drain', resolve));
    gzip.end();
  })();
  const parts = [];
  for await (const part of gzip) parts.push(part);
  await done;
  return Buffer.concat(parts);
}

/** Frames of 8 MiB of zeros, some hundred bytes each. */
function zstdBomb() {
  const frames = [];
  const frame = Buffer.from(new ZstdCompressor(1).compress(Buffer.alloc(8 * MiB)));
  for (let i = 0; i < 64; i++) frames.push(frame);
  return Buffer.concat(frames);
}

async function archiveOf(what) {
  if (what === 'outer-entries') {
    const layer = Buffer.concat([...padded(header('file', 0)), Buffer.alloc(1024)]);
    const { hex } = digestOf([layer]);
    return () => archive('layer.tar', layer.length, () => [layer], hex, KINDS.entries());
  }
  if (what === 'gzip-bomb' || what === 'zstd-bomb') {
    const bytes = what === 'gzip-bomb' ? await gzipped(KINDS.bomb()) : zstdBomb();
    const { hex } = digestOf(KINDS.bomb());
    return () => archive('layer.tar.gz', bytes.length, () => [bytes], hex);
  }
  const { hex, sizeBytes } = digestOf(KINDS[what]());
  return () => archive('layer.tar', sizeBytes, KINDS[what], hex);
}

const make = await archiveOf(kind);
const expected = digestOf(make());
const engine = {
  endpoint: { origin: 'test' },
  inspectImage: async () => ({ id: `sha256:${'0'.repeat(64)}`, repoTags: ['big:1'] }),
  exportImage: async function* () {
    yield* make();
  },
};
const pool = await openOrCreatePool(join(root, 'pool'), { access: 'append', cacheRoot: null });
await save(pool, { kind: 'engine', client: engine, image: 'big:1' }, {}, quietContext());
const saveKiB = process.resourceUsage().maxRSS;
const path = join(root, 'out.tar');
if (kind !== 'gzip-bomb' && kind !== 'zstd-bomb') {
  await load(pool, 'big:1', { kind: 'file', path, format: 'saved' }, {}, quietContext());
} else {
  // Inflates the layer twice, once to learn its size.
  await load(
    pool,
    'big:1',
    { kind: 'file', path: '/dev/null', format: 'docker-archive' },
    {},
    quietContext(),
  );
}
await pool.close();
const maxRssMiB = Math.round(process.resourceUsage().maxRSS / 1024);
process.stdout.write(JSON.stringify({ expected, path, saveMiB: Math.round(saveKiB / 1024), maxRssMiB }));

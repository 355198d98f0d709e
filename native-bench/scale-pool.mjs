#!/usr/bin/env node
// Makes a pool of many snapshots and chunks (by default 1,000 and 10^6) and times what users wait for on it,
// each as a whole process: ls, log, a save of an unchanged image, reindex.
// Usage: node native-bench/scale-pool.mjs [DIRECTORY] [SNAPSHOTS] [CHUNKS]
import { spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ChunkTable } from '../dist/catalog/chunk-table.js';
import { quietContext } from '../dist/core/context.js';
import { BLOCK_KIND } from '../dist/format/pack.js';
import { encodeSnapshot } from '../dist/format/snapshot.js';
import { encodeListNode } from '../dist/format/stream-list.js';
import { storeRecipe } from '../dist/pool/blob-writer.js';
import { ChunkIngest } from '../dist/pool/chunk-ingest.js';
import { openOrCreatePool } from '../dist/pool/pool.js';
import { writeDurably } from '../dist/store/durable-file.js';
import { PackWriter } from '../dist/store/pack-file.js';

const CHUNK_BYTES = 64;
const CLI = fileURLToPath(new URL('../dist/cli.js', import.meta.url));
const directory = process.argv[2] ?? mkdtempSync(join(tmpdir(), 'dbup-scale-'));
const snapshots = Number(process.argv[3] ?? 1000);
const chunks = Number(process.argv[4] ?? 1_000_000);
const poolDirectory = join(directory, 'pool');
const cacheRoot = join(directory, 'cache');

const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

async function storeStream(ingest, pieces) {
  const ids = pieces.map((piece) => ingest.addChunk(piece, BLOCK_KIND.data));
  const sizeBytes = pieces.reduce((sum, { length }) => sum + length, 0);
  if (ids.length === 1) return { depth: 0, sizeBytes, id: Buffer.from(ids[0]).toString('hex') };
  const node = encodeListNode(
    ids,
    pieces.map(({ length }) => length),
  );
  return { depth: 1, sizeBytes, id: Buffer.from(ingest.addChunk(node, BLOCK_KIND.recipe)).toString('hex') };
}

async function storeBlob(ingest, pieces, mediaType) {
  const stream = await storeStream(ingest, pieces);
  const recipeId = storeRecipe(ingest, { kind: 'plain', sizeBytes: stream.sizeBytes, stream });
  return {
    digest: `sha256:${sha256(Buffer.concat(pieces))}`,
    sizeBytes: stream.sizeBytes,
    mediaType,
    recipeId,
  };
}

async function make() {
  const pool = await openOrCreatePool(poolDirectory, { access: 'append', cacheRoot });
  const packs = new PackWriter(pool.fs, pool.layout, 32 * 1024 * 1024);
  const ingest = new ChunkIngest({
    chunker: pool.descriptor.chunker,
    table: new ChunkTable(chunks),
    workers: pool.workers,
    packs,
    level: 1,
    context: quietContext(),
  });
  const bodies = [];
  const perSnapshot = Math.floor(chunks / snapshots);
  for (let i = 0; i < snapshots; i++) {
    const layer = await storeBlob(
      ingest,
      Array.from({ length: perSnapshot }, () => randomBytes(CHUNK_BYTES)),
      'application/vnd.docker.image.rootfs.diff.tar',
    );
    const config = Buffer.from(
      JSON.stringify({
        architecture: 'amd64',
        os: 'linux',
        config: {},
        rootfs: { type: 'layers', diff_ids: [layer.digest] },
      }),
    );
    const configBlob = await storeBlob(ingest, [config], 'application/vnd.docker.container.image.v1+json');
    bodies.push(
      encodeSnapshot({
        reference: `app${i % 50}:1.0`,
        createdAt: new Date(1_700_000_000_000 + i * 3_600_000).toISOString(),
        host: 'scale',
        source: 'scale-pool',
        imageId: configBlob.digest,
        images: [
          {
            platform: 'linux/amd64',
            configDigest: configBlob.digest,
            layers: [{ digest: layer.digest, diffId: layer.digest }],
          },
        ],
        absent: [],
        blobs: [configBlob, layer],
        stats: { imageBytes: layer.sizeBytes, newBytes: layer.sizeBytes, newPlainBytes: layer.sizeBytes },
      }),
    );
    // Taking a slab waits until the writer has caught up.
    ingest.returnSlab(await ingest.takeSlab());
  }
  await ingest.finish();
  const { fs, layout } = pool;
  for (const body of bodies)
    await writeDurably(fs, layout.temporaryDirectory, layout.snapshotsDirectory, body);
  await pool.close();
}

function timed(label, args) {
  const start = performance.now();
  const run = spawnSync(
    process.execPath,
    [CLI, ...args, '--pool', poolDirectory, '--cache-dir', cacheRoot, '--progress', 'none'],
    {
      encoding: 'utf8',
    },
  );
  const seconds = (performance.now() - start) / 1000;
  if (run.status !== 0) throw new Error(`${label}: exit ${run.status}\n${run.stderr}`);
  console.log(`${label.padEnd(46)} ${seconds.toFixed(2)} s`);
}

if (!existsSync(poolDirectory)) await make();
console.log(`pool of ${snapshots} snapshots and ${chunks} chunks: ${poolDirectory}`);
const tar = join(directory, 'image.tar');
timed('reindex from nothing', ['reindex']);
timed('ls', ['ls']);
timed('log app7:1.0', ['log', 'app7:1.0']);
timed('show app7:1.0', ['show', 'app7:1.0']);
timed('load app7:1.0 -o FILE', ['load', 'app7:1.0', '-o', tar]);
timed('save -i of a known image', ['save', '-i', tar]);
timed('save -i of the same again', ['save', '-i', tar]);
timed('verify', ['verify']);
timed('gc --dry-run', ['gc', '--dry-run']);

import { createWriteStream, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { dbup, has, measure, megabytes, poolBytes } from './bench.mjs';
import { LargeImage, largeBase } from './made-images.mjs';

/** The bars of gzip layers in OCI layouts, which skopeo writes from docker-archives; see bars-bytes.mjs. */
const SERIES = ['debian-1', 'debian-2', 'app-1', 'app-2', 'app-3'];
const MEMORY_MB = 250;

function clear(work, ...names) {
  for (const name of names) rmSync(join(work, name), { recursive: true, force: true });
}

function toLayout(tar, layout) {
  return measure([
    'skopeo',
    '--insecure-policy',
    'copy',
    '-q',
    `docker-archive:${tar}`,
    `oci:${layout}:bars:1`,
  ]);
}

/** Bytes in the pool after five images, each from an OCI layout of its own, by those of the same from plain tars. */
async function ociSeries({ corpus, work }) {
  const what = 'five images as OCI layouts with gzip layers, bytes in the pool by those of plain tars';
  if (!has('skopeo')) return [{ what, left: 'skopeo is missing' }];
  const layout = join(work, 'series.oci');
  const totals = {};
  for (const form of ['plain', 'gzip']) {
    for (const name of SERIES) {
      const tar = join(corpus, `${name}.tar`);
      if (form === 'gzip') await toLayout(tar, layout);
      const source = form === 'gzip' ? [`oci:${layout}`] : ['-i', tar];
      await measure(dbup(work, 'save', ...source, '--as', `series:${name}`));
      clear(work, 'series.oci');
      console.error(`  ${form} ${name}: ${megabytes(poolBytes(work))} MB`);
    }
    totals[form] = poolBytes(work);
    clear(work, 'pool', 'cache');
  }
  const note = `${megabytes(totals.gzip)} and ${megabytes(totals.plain)} MB`;
  return [{ what, value: totals.gzip / totals.plain, unit: ' ×', atMost: 1.02, note }];
}

/** An image of one big layer, as pgzip makes it: saved, and loaded as it was. */
async function gzipMemory({ corpus, work, bigBytes }) {
  const image = new LargeImage(largeBase(corpus), bigBytes, bigBytes);
  const size = `${megabytes(image.sizeBytes)} MB`;
  const what = (verb) => `peak memory, ${verb} of one gzip layer of ${size}`;
  if (!has('skopeo'))
    return ['save', 'load'].map((verb) => ({ what: what(verb), left: 'skopeo is missing' }));
  const tar = join(work, 'layer.tar');
  const layout = join(work, 'layer.oci');
  const out = join(work, 'loaded.oci');
  const copies = (function* () {
    for (const piece of image.archive()) yield Buffer.from(piece);
  })();
  await pipeline(Readable.from(copies), createWriteStream(tar));
  await toLayout(tar, layout);
  clear(work, 'layer.tar');
  const saved = await measure(dbup(work, 'save', `oci:${layout}`, '--as', 'layer'));
  const loaded = await measure(dbup(work, 'load', 'layer', '-o', `oci:${out}`));
  // Blobs are named by their digests; what the layout says of names may differ.
  await measure(['diff', '-r', join(layout, 'blobs'), join(out, 'blobs')]);
  clear(work, 'layer.oci', 'loaded.oci', 'pool', 'cache');
  const row = (verb, cost) => ({
    what: what(verb),
    value: cost.peakBytes / 1e6,
    unit: ' MB',
    atMost: MEMORY_MB,
    note: `${cost.wallSeconds.toFixed(1)} s, ${cost.cpuSeconds.toFixed(1)} of CPU`,
  });
  return [row('save', saved), row('load', loaded)];
}

export const gzipBars = { 'oci-series': ociSeries, 'gzip-memory': gzipMemory };

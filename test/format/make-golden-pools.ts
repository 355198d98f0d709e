/**
 * Writes fixtures/pools/. It needs the test runner's loader:
 * `DBUP_MAKE_GOLDENS=1 npx vitest run test/format/golden-pools.test.ts`.
 *
 * It only adds: a pool that is there is left as it is. A golden that has to change is a change of format.
 */
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { xxh64 } from '../../src/hash/xxh64.js';
import { archiveOf } from '../support/archive-layouts.js';
import { makeInput } from '../support/deflate-inputs.mjs';
import { deflated, zipOf } from '../support/nested-files.js';
import { signedLayout } from '../support/signed-layout.js';
import { concatBytes, noise, randomTar, tarEnd, tarFile } from '../support/tar-builder.js';
import { type Expectation, fails, fromFiles, type Maker, ok } from './golden-expectation.js';
import { GZIP_POOLS } from './gzip-golden-pools.js';
import {
  blobSegment,
  descriptorFile,
  listNode,
  type PoolFiles,
  packFile,
  recipe,
  segments,
  sha256Hex,
  streamReference,
  streamSegment,
  writePool,
} from './hand-made-pool.js';
import { dockerArchive, ociArchive } from './image-builder.js';
import { LEANING_POOLS } from './leaning-golden-pools.js';
import { OPENED_POOLS } from './opened-golden-pools.js';
import { PARITY_POOLS } from './parity-golden-pools.js';
import { saveArchiveBytes, withDirectory } from './pool-run.js';
import { ARCHIVE, poolOf, TINY_BLOCKS, tinyPool, tinySnapshot } from './tiny-image.js';

export const POOLS = fileURLToPath(new URL('../../fixtures/pools/', import.meta.url));

const PACK = [...tinyPool()].find(([name]) => name.startsWith('packs/'))!;
const SNAPSHOT = [...tinyPool()].find(([name]) => name.startsWith('snapshots/'))!;

/** The tiny pool after a change of its files. */
function injured(change: (files: PoolFiles) => void, expectation: Expectation): Maker {
  return async (directory) => {
    const files = tinyPool();
    change(files);
    await writePool(directory, files);
    return expectation;
  };
}

/** A file with one byte changed, under its old name. */
const flipped =
  (name: string, at: number) =>
  (files: PoolFiles): void => {
    const bytes = new Uint8Array(files.get(name)!);
    const index = at < 0 ? bytes.length + at : at;
    bytes[index]! ^= 0x10;
    files.set(name, bytes);
  };

/** A tiny pool with another pack, under the right name. */
const repacked = (pack: Uint8Array) => (files: PoolFiles) => {
  files.delete(PACK[0]);
  files.set(`packs/${sha256Hex(pack)}`, pack);
};

const footerBytes = Buffer.from(PACK[1]).readUInt32LE(PACK[1].length - 32);
const footerAt = PACK[1].length - 32 - footerBytes;
const lastBlockAt = Buffer.from(PACK[1]).readUInt32LE(footerAt + 16 + 64);

/** An archive of any bytes whose recipe dbup would write otherwise, as a snapshot of `hello:1`. */
function oddRecipe(bytes: Uint8Array, archiveRecipe: Uint8Array, chunks: Uint8Array[]): PoolFiles {
  const blocks = [
    ...TINY_BLOCKS,
    { codec: 0, kind: 1, chunks },
    { codec: 1, kind: 3, chunks: [archiveRecipe] },
  ];
  const archive = {
    dialect: 'docker-archive',
    sizeBytes: bytes.length,
    recipeId: sha256Hex(archiveRecipe),
    imageCount: 1,
  };
  return poolOf([packFile(blocks)], [tinySnapshot({ archive })]);
}

/** Pieces of the tiny archive under three levels of list nodes. */
function deepStream(): PoolFiles {
  const pieces = Array.from({ length: 27 }, (_, i) =>
    ARCHIVE.slice(i * 150, i === 26 ? undefined : (i + 1) * 150),
  );
  let level = pieces.map((chunk) => ({ chunk, length: chunk.length }));
  const nodes: Uint8Array[] = [];
  while (level.length > 1) {
    const next: typeof level = [];
    for (let at = 0; at < level.length; at += 3) {
      const entries = level.slice(at, at + 3);
      const chunk = listNode(entries);
      nodes.push(chunk);
      next.push({ chunk, length: entries.reduce((sum, { length }) => sum + length, 0) });
    }
    level = next;
  }
  const chunks = [...new Map([...pieces, ...nodes].map((chunk) => [sha256Hex(chunk), chunk])).values()];
  return oddRecipe(
    ARCHIVE,
    recipe(1, ARCHIVE.length, streamReference(level[0]!.chunk, 3, ARCHIVE.length)),
    chunks,
  );
}

const VERSIONS = [1, 2, 3].map((seed) =>
  dockerArchive({
    reference: 'app:1.0',
    layers: [
      randomTar(10, { members: 12, maxFileBytes: 3000 }),
      randomTar(seed, { members: 4, maxFileBytes: 2000 }),
    ],
  }),
);
const OCI = ociArchive({
  reference: 'quay.io/team/oci:2',
  layers: [randomTar(20, { members: 12, maxFileBytes: 2000 })],
});
const TWO_IMAGES = dockerArchive(
  { reference: 'a:1', layers: [randomTar(30, { members: 6, maxFileBytes: 2000 })] },
  { reference: 'b:1', layers: [randomTar(31, { members: 6, maxFileBytes: 2000 })] },
);
/** 2 MiB in which a cut comes every 16 KiB or so costs nothing to store: one pattern, moved on by a byte at a time. */
const LONG_LAYER = concatBytes([
  tarFile(
    'long',
    concatBytes(Array.from({ length: 96 }, (_, i) => concatBytes([noise(77, 20_000), Uint8Array.of(i)]))),
  ),
  tarEnd(),
]);
const LONG = dockerArchive({ reference: 'long:1', layers: [LONG_LAYER] });

/** Two platforms, signed, with what else an OCI layout can list about an image. */
const SIGNED = archiveOf(
  signedLayout({
    'linux/amd64': { references: [], layers: [randomTar(40, { members: 3, maxFileBytes: 900 })] },
    'linux/arm64': {
      references: [],
      layers: [randomTar(41, { members: 3, maxFileBytes: 900 })],
      config: { architecture: 'arm64' },
    },
  }).builder.layout(),
);
/** Two releases of a jar, in a layer with another file. */
const NESTED = [1, 2].map((release) => {
  const classes = Array.from({ length: 12 }, (_, i) =>
    deflated(`app/Class${i}.class`, makeInput('text', i === 5 ? 100 * release : i, 1500 + 300 * i), {
      hasDescriptor: i % 2 === 0,
    }),
  );
  const library = { name: 'lib/library.jar', plain: zipOf(classes.slice(0, 3)) };
  const other = { name: 'other', plain: noise(8, 40), deflate: Uint8Array.of(1, 2, 0, 253, 255, 7, 7) };
  const jar = zipOf([...classes, library, other], 0x5a8f21 + release);
  return dockerArchive({
    reference: 'nested:1',
    layers: [concatBytes([tarFile('app.jar', jar), tarFile('notes', noise(release, 600)), tarEnd()])],
  });
});

const saved =
  (archives: readonly Uint8Array[], expectation: Expectation): Maker =>
  async (directory) => {
    for (let i = 0; i < archives.length; i++)
      await saveArchiveBytes(directory, archives[i]!, { timeMs: Date.UTC(2026, 0, 1 + i) });
    return expectation;
  };

/** Content the walk never asks for: dbup must not end such an archive early and call it right. */
export const LEFT_OVER: PoolFiles = (() => {
  const skeleton = tarEnd();
  const content = noise(3, 100);
  const odd = recipe(2, 1124, streamReference(skeleton), segments(streamSegment(streamReference(content))));
  return oddRecipe(new Uint8Array(1124), odd, [skeleton, content]);
})();

export const MAKERS: Readonly<Record<string, Maker>> = {
  'sound-docker-versions': saved(
    VERSIONS,
    ok({ 'app:1.0': VERSIONS[2]!, 'app:1.0~1': VERSIONS[1]!, 'app:1.0~2': VERSIONS[0]! }),
  ),
  'sound-oci-archive': saved([OCI], ok({ 'quay.io/team/oci:2': OCI })),
  'sound-companions': saved([SIGNED], ok({ 'in:1.0': SIGNED })),
  'sound-two-images': saved([TWO_IMAGES], ok({ 'a:1': TWO_IMAGES, 'b:1': TWO_IMAGES })),
  'sound-opened-segment': saved(NESTED, ok({ 'nested:1': NESTED[1]!, 'nested:1~1': NESTED[0]! })),
  'sound-list-node': saved([LONG], ok({ 'long:1': LONG })),
  'sound-hand-made': fromFiles(tinyPool(), ok({ 'hello:1': ARCHIVE })),
  'sound-three-levels': fromFiles(deepStream(), ok({ 'hello:1': ARCHIVE })),
  'sound-chunks-twice': injured(
    (files) => {
      const again = packFile([...TINY_BLOCKS].reverse());
      files.set(`packs/${sha256Hex(again)}`, again);
    },
    ok({ 'hello:1': ARCHIVE }),
  ),
  'sound-foreign-files': injured(
    (files) => {
      files.set('packs/.~tmp~', PACK[1].slice(0, 99));
      files.set(`packs/.${PACK[0].slice(6)}.Xa3kQz`, PACK[1].slice(0, 99));
      files.set(`snapshots/${SNAPSHOT[0].slice(10)}.bak`, new Uint8Array(3));
      files.set('README', Buffer.from('not of dbup\n'));
    },
    ok({ 'hello:1': ARCHIVE }),
  ),
  'sound-unknown-fields': fromFiles(
    new Map([
      ...poolOf([PACK[1]], [tinySnapshot({ colour: { of: 'a later version' } })]),
      ['dbup-pool.json', descriptorFile({ colour: 'blue' })],
    ]),
    ok({ 'hello:1': ARCHIVE }),
  ),
  'sound-unknown-block-kind': injured(
    repacked(packFile(TINY_BLOCKS.map((block) => ({ ...block, kind: 77 })))),
    ok({ 'hello:1': ARCHIVE }),
  ),
  'header-version-flipped': injured(flipped(PACK[0], 8), ok({ 'hello:1': ARCHIVE })),
  'truncated-pack': injured(
    (files) => void files.set(PACK[0], PACK[1].slice(0, -100)),
    fails('POOL_INCOMPLETE'),
  ),
  'empty-pack-file': injured((files) => void files.set(PACK[0], new Uint8Array(0)), fails('POOL_INCOMPLETE')),
  'missing-pack': injured((files) => void files.delete(PACK[0]), fails('POOL_INCOMPLETE')),
  'header-magic-flipped': injured(flipped(PACK[0], 0), fails('POOL_INCOMPLETE')),
  'footer-flipped': injured(flipped(PACK[0], footerAt + 20), fails('POOL_INCOMPLETE')),
  'trailer-flipped': injured(flipped(PACK[0], -20), fails('POOL_INCOMPLETE')),
  'flipped-data-block': injured(flipped(PACK[0], 20), fails('POOL_DAMAGED')),
  'flipped-recipe-block': injured(flipped(PACK[0], lastBlockAt + 30), fails('POOL_DAMAGED')),
  'wrong-chunk-right-checksums': injured((files) => {
    // The id in the footer is another's: only the SHA-256 of the chunk tells.
    const pack = Buffer.from(
      packFile([
        { ...TINY_BLOCKS[0]!, chunks: TINY_BLOCKS[0]!.chunks.map((chunk) => chunk.map((byte) => byte ^ 1)) },
        ...TINY_BLOCKS.slice(1),
      ]),
    );
    const ids = Buffer.from(PACK[1]).subarray(footerAt + 16 + 96, footerAt + 16 + 96 + 96);
    pack.set(ids, footerAt + 16 + 96);
    resealFooter(pack, footerAt);
    repacked(pack)(files);
  }, fails('POOL_DAMAGED')),
  'unknown-codec': injured((files) => {
    const pack = Buffer.from(PACK[1]);
    pack.writeUInt8(9, footerAt + 16 + 24);
    resealFooter(pack, footerAt);
    repacked(pack)(files);
  }, fails('POOL_INCOMPLETE')),
  'newer-pack-version': injured(repacked(packFile(TINY_BLOCKS, 2)), fails('POOL_FORMAT_UNSUPPORTED')),
  'unknown-pack-feature': injured(
    repacked(packFile(TINY_BLOCKS, 1, 0x80000000)),
    fails('POOL_FORMAT_UNSUPPORTED'),
  ),
  ...PARITY_POOLS,
  ...LEANING_POOLS,
  ...GZIP_POOLS,
  ...OPENED_POOLS,
  'newer-format': injured(
    (files) =>
      void files.set('dbup-pool.json', descriptorFile({ format: 2, features: { of: 'another shape' } })),
    fails('POOL_FORMAT_UNSUPPORTED', 'open'),
  ),
  'unknown-feature': injured(
    (files) => void files.set('dbup-pool.json', descriptorFile({ features: ['sealed'] })),
    fails('POOL_FORMAT_UNSUPPORTED', 'open'),
  ),
  'descriptor-missing': injured(
    (files) => void files.delete('dbup-pool.json'),
    fails('POOL_INCOMPLETE', 'open'),
  ),
  'descriptor-truncated': injured(
    (files) => void files.set('dbup-pool.json', descriptorFile().slice(0, 60)),
    fails('POOL_DAMAGED', 'open'),
  ),
  'damaged-snapshot': injured(flipped(SNAPSHOT[0], 200), fails('POOL_DAMAGED')),
  'recipe-kind-9': fromFiles(
    oddRecipe(ARCHIVE, recipe(9, ARCHIVE.length, streamReference(ARCHIVE)), [ARCHIVE]),
    fails('POOL_FORMAT_UNSUPPORTED'),
  ),
  'recipe-reserved-byte': fromFiles(
    (() => {
      const bytes = recipe(1, ARCHIVE.length, streamReference(ARCHIVE));
      bytes.writeUInt8(1, 6);
      return oddRecipe(ARCHIVE, bytes, [ARCHIVE]);
    })(),
    fails('POOL_DAMAGED'),
  ),
  'recipe-of-wrong-length': fromFiles(
    oddRecipe(ARCHIVE.subarray(1), recipe(1, ARCHIVE.length, streamReference(ARCHIVE)), [ARCHIVE]),
    fails('POOL_DAMAGED'),
  ),
  'chunk-of-wrong-length': fromFiles(
    oddRecipe(ARCHIVE, recipe(1, ARCHIVE.length, streamReference(ARCHIVE.subarray(1), 0, ARCHIVE.length)), [
      ARCHIVE.slice(1),
    ]),
    fails('POOL_DAMAGED'),
  ),
  'list-node-of-wrong-sum': fromFiles(
    (() => {
      const node = listNode([{ chunk: ARCHIVE, length: ARCHIVE.length }]);
      return oddRecipe(ARCHIVE, recipe(1, ARCHIVE.length - 1, streamReference(node, 1, ARCHIVE.length - 1)), [
        ARCHIVE,
        node,
      ]);
    })(),
    fails('POOL_DAMAGED'),
  ),
  'content-left-over': fromFiles(LEFT_OVER, fails('POOL_DAMAGED')),
  'blob-of-wrong-digest': fromFiles(
    (() => {
      const one = ARCHIVE.slice();
      const inner = recipe(1, one.length, streamReference(one));
      const segment = blobSegment(new Uint8Array(one.length), inner);
      const skeleton = concatBytes([tarFile('x', new Uint8Array(one.length)).slice(0, 512), tarEnd()]);
      const length = one.length + skeleton.length;
      const outer = recipe(2, length, streamReference(skeleton), segments(segment));
      return oddRecipe(new Uint8Array(length), outer, [one, inner, skeleton]);
    })(),
    fails('POOL_DAMAGED'),
  ),
};

function resealFooter(pack: Buffer, at: number): void {
  const trailerAt = pack.length - 32;
  pack.writeBigUInt64LE(xxh64(pack.subarray(at, trailerAt)), trailerAt + 8);
}

/** Makes every golden that is not there yet. @returns their names */
export async function makeGoldenPools(): Promise<string[]> {
  const expectedPath = join(POOLS, 'expected.json');
  await mkdir(POOLS, { recursive: true });
  const there = new Set(await readdir(POOLS));
  const expected: Record<string, Expectation> = there.has('expected.json')
    ? JSON.parse(await readFile(expectedPath, 'utf8'))
    : {};
  const made: string[] = [];
  for (const [name, make] of Object.entries(MAKERS)) {
    if (there.has(name)) continue;
    await withDirectory(async (directory) => {
      const pool = join(directory, 'pool');
      expected[name] = await make(pool);
      for (const extra of ['tmp', 'dbup.lock']) await rm(join(pool, extra), { recursive: true, force: true });
      await cp(pool, join(POOLS, name), { recursive: true });
    });
    made.push(name);
  }
  await writeFile(expectedPath, `${JSON.stringify(expected, null, 2)}\n`);
  return made;
}

import { createHash } from 'node:crypto';
import { appendFile, mkdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { quietContext } from '../../src/core/context.js';
import { DbupError } from '../../src/core/errors.js';
import { save } from '../../src/operations/save.js';
import {
  archiveOf,
  classicDockerArchive,
  configOf,
  type Files,
  gzip,
  modernDockerArchive,
  ociArchive,
  ociLayout,
  podmanArchive,
  type SampleImage,
  zstd,
} from '../support/archive-layouts.js';
import { layerTar, sha256Of } from '../support/images.js';
import { codeOf, inPieces, PoolRoom } from '../support/pool-room.js';
import {
  ascii,
  base256,
  concatBytes,
  gnuLong,
  noise,
  tarEnd,
  tarFile,
  tarHeader,
  tarLink,
} from '../support/tar-builder.js';

const image: SampleImage = { references: ['app:1.0'], layers: [layerTar(1, 1, 2000)] };
const config = configOf(image);
const layer = image.layers[0]!;

/** A docker-archive by hand: `manifest` entry fields laid over the right ones, and other members. */
function byHand(entry: Record<string, unknown> = {}, members: [string, Uint8Array][] = []): Uint8Array {
  const manifest = [{ Config: 'config.json', RepoTags: ['app:1.0'], Layers: ['layer.tar'], ...entry }];
  const files = new Map([
    ['config.json', config],
    ['layer.tar', layer],
    ['manifest.json', ascii(JSON.stringify(manifest))],
    ...members,
  ]);
  return concatBytes([...[...files].map(([name, bytes]) => tarFile(name, bytes)), tarEnd()]);
}

function changed(files: Files, change: (files: Files) => void): Uint8Array {
  const copy = new Map(files);
  change(copy);
  return archiveOf(copy);
}

const oci = ociLayout([image]);
const ociLayerName = [...oci.keys()].find((name) => oci.get(name)![0] === 0x1f)!;
const broken = gzip(layer).slice();
broken[broken.length >> 1]! ^= 0xff;

/** A layout whose one layer blob is `blob`, all digests right, but for the config's word on what it inflates to. */
function ociWithLayer(blob: Uint8Array): Uint8Array {
  const files: Files = new Map();
  const put = (mediaType: string, bytes: Uint8Array) => {
    files.set(`blobs/sha256/${sha256Of(bytes)}`, bytes);
    return { mediaType, digest: `sha256:${sha256Of(bytes)}`, size: bytes.length };
  };
  const manifest = put(
    'application/vnd.oci.image.manifest.v1+json',
    ascii(
      JSON.stringify({
        schemaVersion: 2,
        config: put('application/vnd.oci.image.config.v1+json', config),
        layers: [put('application/vnd.oci.image.layer.v1.tar+gzip', blob)],
      }),
    ),
  );
  files.set('oci-layout', ascii('{"imageLayoutVersion":"1.0.0"}'));
  files.set('index.json', ascii(JSON.stringify({ schemaVersion: 2, manifests: [manifest] })));
  return archiveOf(files);
}

const oversized = (sizeField: Uint8Array) =>
  concatBytes([
    tarHeader('manifest.json', 0, { sizeField, format: 'gnu' }),
    tarFile('config.json', config),
    tarEnd(),
  ]);

const BAD: [name: string, code: string, bytes: Uint8Array][] = [
  ['nothing', 'INPUT_NOT_AN_IMAGE', new Uint8Array(0)],
  ['text', 'INPUT_NOT_AN_IMAGE', ascii('hello\n'.repeat(1000))],
  ['zeros', 'INPUT_NOT_AN_IMAGE', new Uint8Array(10240)],
  ['noise', 'INPUT_NOT_AN_IMAGE', noise(1, 100_000)],
  ['a tar that is no image', 'INPUT_NOT_AN_IMAGE', layerTar(3, 2, 500)],
  ['a gzip file', 'INPUT_NOT_AN_IMAGE', gzip(byHand())],
  ['a zstd file', 'INPUT_NOT_AN_IMAGE', zstd(byHand())],
  ['a manifest that lists nothing', 'INPUT_NOT_AN_IMAGE', byHand({}, [['manifest.json', ascii('[]')]])],
  ['a manifest that is no JSON', 'INPUT_INVALID', byHand({}, [['manifest.json', ascii('{]')]])],
  ['a config that is no JSON', 'INPUT_INVALID', byHand({}, [['config.json', ascii('{]')]])],
  ['an absent layer', 'INPUT_INVALID', byHand({ Layers: ['gone.tar'] })],
  ['an absent config', 'INPUT_INVALID', byHand({ Config: 'gone.json' })],
  ['fewer layers than the config lists', 'INPUT_INVALID', byHand({ Layers: [] })],
  ['a layer that climbs out', 'INPUT_INVALID', byHand({ Layers: ['../layer.tar'] })],
  ['a layer with an absolute name', 'INPUT_INVALID', byHand({ Layers: ['/etc/passwd'] })],
  ['a layer with NUL in its name', 'INPUT_INVALID', byHand({ Layers: ['a\0b'] })],
  ['a layer with a name of 128 KiB', 'INPUT_TOO_LARGE', byHand({ Layers: ['n'.repeat(131_072)] })],
  ['a bad reference', 'INPUT_INVALID', byHand({ RepoTags: ['App:1'] })],
  [
    'a config named by another digest',
    'DIGEST_MISMATCH',
    byHand({ Config: `${'0'.repeat(64)}.json` }, [[`${'0'.repeat(64)}.json`, config]]),
  ],
  ['a layer of another content', 'DIGEST_MISMATCH', byHand({}, [['layer.tar', layerTar(2, 1, 2000)]])],
  [
    'a blob of another name',
    'DIGEST_MISMATCH',
    changed(oci, (files) => files.set(ociLayerName, gzip(ascii('other')))),
  ],
  ['an absent blob', 'INPUT_INVALID', changed(oci, (files) => files.delete(ociLayerName))],
  ['a gzip layer that inflates to something else', 'DIGEST_MISMATCH', ociWithLayer(gzip(layerTar(2, 1, 50)))],
  ['a broken gzip layer', 'INPUT_INVALID', ociWithLayer(broken)],
  ['a gzip layer that ends early', 'INPUT_INVALID', ociWithLayer(gzip(layer).subarray(0, 300))],
  ['a zstd layer that ends early', 'INPUT_INVALID', ociWithLayer(zstd(layer).subarray(0, 300))],
  [
    'an index that lists nothing',
    'INPUT_NOT_AN_IMAGE',
    changed(oci, (files) => files.set('index.json', ascii('{"schemaVersion":2,"manifests":[]}'))),
  ],
  ['a manifest size of 2^63', 'INPUT_NOT_AN_IMAGE', oversized(base256(2n ** 63n))],
  ['a negative manifest size', 'INPUT_NOT_AN_IMAGE', oversized(base256(-5n))],
  ['a manifest of 1 GiB', 'INPUT_TOO_LARGE', oversized(base256(2n ** 30n))],
  [
    'a member longer than any file',
    'INPUT_TRUNCATED',
    concatBytes([
      byHand().subarray(0, -1024),
      tarHeader('x', 0, { sizeField: base256(2n ** 53n - 1n), format: 'gnu' }),
      noise(1, 900),
    ]),
  ],
  [
    'an extension longer than any file',
    'INPUT_TRUNCATED',
    concatBytes([
      byHand().subarray(0, -1024),
      tarHeader('x', 0, { type: 'x', sizeField: base256(2n ** 53n - 1n), format: 'gnu' }),
      noise(1, 900),
    ]),
  ],
  [
    'a long name without its member',
    'INPUT_TRUNCATED',
    concatBytes([byHand().subarray(0, -1024), gnuLong('L', 'x'.repeat(300))]),
  ],
  [
    'links in a circle',
    'INPUT_INVALID',
    concatBytes([tarLink('a', 'b'), tarLink('b', 'a'), byHand({ Layers: ['a'] })]),
  ],
  [
    'one reference for two images',
    'INPUT_INVALID',
    modernDockerArchive([image, { ...image, layers: [layerTar(7, 1, 10)] }]),
  ],
  [
    'one reference for two images of a layout',
    'INPUT_INVALID',
    ociArchive([image, { ...image, layers: [layerTar(7, 1, 10)] }]),
  ],
];

describe('bad archives', () => {
  it('are refused with their reason, from a file and from a stream, and leave the pool as it was', async () => {
    await using room = await PoolRoom.create();
    await room.saveBytes(classicDockerArchive([{ references: ['kept:1'], layers: [layerTar(9, 2, 3000)] }]));
    // What is known already takes another way through the code.
    await room.saveBytes(podmanArchive({ ...image, references: ['known:1'] }));
    const before = await room.contents();
    for (const [name, code, bytes] of BAD) {
      // An engine is asked for one image by one name.
      const streamCode = name.endsWith('of a layout') ? 'USAGE' : code;
      const path = await room.file(bytes, 'bad.tar');
      expect(await codeOf(room.save({ kind: 'archive', path })), name).toBe(code);
      expect(await codeOf(room.saveStream(inPieces(bytes, 3, 5000))), `${name}, as a stream`).toBe(
        streamCode,
      );
      expect(await room.contents(), name).toEqual(before);
    }
  });

  it('refuses no sound archive in the same way', async () => {
    await using room = await PoolRoom.create();
    await room.saveBytes(byHand());
    expect(Buffer.from(await room.load('app:1.0')).equals(byHand())).toBe(true);
    await room.saveBytes(ociWithLayer(gzip(layer)), { as: 'app:2' });
  });

  it('tells how to feed a compressed archive', async () => {
    await using room = await PoolRoom.create();
    const error = await room.saveBytes(gzip(byHand())).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(DbupError);
    expect((error as DbupError).hint).toContain('gunzip < FILE | dbup save -i -');
    expect(await codeOf(room.saveStream(inPieces(gzip(byHand()), 1, 1)))).toBe('INPUT_NOT_AN_IMAGE');
  });

  it('is taken again, whole, after it was refused', async () => {
    await using room = await PoolRoom.create();
    expect(await codeOf(room.saveBytes(byHand().subarray(0, 2000)))).toBe('INPUT_TRUNCATED');
    await room.saveBytes(byHand());
    expect(Buffer.from(await room.load('app:1.0')).equals(byHand())).toBe(true);
  });
});

const LONG = process.env.DBUP_LONG_TESTS === '1';

describe('archives cut off', () => {
  const tiny: SampleImage = {
    references: ['tiny:1'],
    layers: [concatBytes([tarFile('a', ascii('a')), tarEnd()])],
  };
  const whole = concatBytes([classicDockerArchive([tiny]), tarEnd(4)]);
  const contentEnd = whole.lastIndexOf(0x7d) + 2;

  /** Saves every cut of `lengths` and looks at what came of it. */
  async function tryCuts(lengths: Iterable<number>): Promise<void> {
    await using room = await PoolRoom.create();
    await room.with('append', async (pool) => {
      for (const length of lengths) {
        const path = await room.file(whole.subarray(0, length), 'cut.tar');
        const code = await codeOf(save(pool, { kind: 'archive', path }, {}, quietContext()));
        const context = `cut at ${length} of ${whole.length}, contents end at ${contentEnd}`;
        if (length >= contentEnd) expect(code, context).toBe('NO_ERROR');
        // A cut between two members that nobody needs looks like a tar without an end marker.
        else if (code === 'NO_ERROR') expect(length % 512 === 0 || whole[length] === 0, context).toBe(true);
        else expect(code, context).toMatch(/^INPUT_(TRUNCATED|INVALID|NOT_AN_IMAGE)$/);
      }
    });
  }

  it('near the border of each block are refused, or come back exactly when only the end was missing', async () => {
    const lengths = new Set<number>([0, contentEnd - 1, contentEnd]);
    for (let block = 0; block < whole.length; block += 512) {
      for (const at of [1, 2, 156, 300, 511, 512]) lengths.add(Math.min(block + at, whole.length));
    }
    await tryCuts(lengths);
    await using room = await PoolRoom.create();
    for (const length of [contentEnd, contentEnd + 1, whole.length - 1024, whole.length - 1]) {
      await room.saveBytes(whole.subarray(0, length));
      expect(Buffer.from(await room.load('tiny:1')).equals(whole.subarray(0, length))).toBe(true);
    }
  });

  it.skipIf(!LONG)(
    'at any byte at all (DBUP_LONG_TESTS=1: minutes of saves)',
    async () => {
      await tryCuts(Array.from({ length: whole.length }, (_, length) => length));
    },
    1_200_000,
  );
});

describe('after more than a pack was stored', () => {
  it('a refused archive leaves nothing, unless a pack was there before', async () => {
    await using room = await PoolRoom.create();
    await room.saveBytes(byHand());
    const large = Buffer.alloc(44 * 1024 * 1024);
    for (let at = 0; at < large.length; at += 65_536)
      noise(at, 4096).forEach((byte, i) => {
        for (let copy = 0; copy < 16; copy++)
          large[at + copy * 4096 + i] = byte ^ ((copy * 37 + i * copy) & 0xff);
      });
    const huge: SampleImage = { references: ['huge:1'], layers: [large] };
    const whole = podmanArchive(huge);
    const before = await room.contents();
    expect(await codeOf(room.saveBytes(whole.subarray(0, whole.length - 20_000)))).toMatch(/^INPUT_/);
    expect(await room.contents()).toEqual(before);
    const several = classicDockerArchive([huge, image]);
    expect(await codeOf(room.saveBytes(several, { as: 'one:1' }))).toBe('USAGE');
    expect(await room.contents()).toEqual(before);

    await room.saveBytes(whole);
    const packs = await room.packs();
    expect(packs.length).toBeGreaterThan(2);
    const damaged = packs.find((path) => !(`packs/${path.split('/').at(-1)}` in before))!;
    await truncate(damaged, 1000);
    expect(await codeOf(room.saveBytes(whole.subarray(0, whole.length - 20_000)))).toMatch(/^INPUT_/);
    expect(await room.packs()).toEqual(packs);
  }, 180_000);
});

describe('inputs that do not end or do not stay', () => {
  it('stops a stream at a manifest that claims 1 GiB', async () => {
    await using room = await PoolRoom.create();
    let givenBytes = 0;
    let closed = false;
    async function* endless(): AsyncGenerator<Uint8Array> {
      try {
        yield tarHeader('manifest.json', 2 ** 30);
        for (;;) {
          givenBytes += 65_536;
          yield new Uint8Array(65_536).fill(0x20);
        }
      } finally {
        closed = true;
      }
    }
    expect(await codeOf(room.saveStream(endless()))).toBe('INPUT_TOO_LARGE');
    expect(givenBytes).toBeLessThan(10 * 65_536);
    expect(closed).toBe(true);
  });

  it.each([
    ['zeros', () => new Uint8Array(1024 * 1024)],
    ['noise', () => noise(1, 1024 * 1024)],
  ])('stops an endless stream of %s', async (_, make) => {
    await using room = await PoolRoom.create();
    const piece = make();
    let pieces = 0;
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (;;) {
        if (++pieces > 200) throw new Error('still reading');
        yield piece;
      }
    }
    expect(await codeOf(room.saveStream(endless()))).toBe('INPUT_NOT_AN_IMAGE');
  });

  it('says that a file was changed while it was read', async () => {
    await using room = await PoolRoom.create();
    const archive = podmanArchive({ ...image, layers: [layerTar(5, 4, 600_000)] });
    const path = await room.file(archive, 'moving.tar');
    const before = await room.with('append', async () => room.contents());
    const changes: [string, () => Promise<void>][] = [
      ['written into', () => writeFile(path, noise(1, 100), { flag: 'r+' })],
      ['grown', () => appendFile(path, noise(1, 100))],
      ['cut', () => truncate(path, archive.length - 50_000)],
    ];
    for (const [how, change] of changes) {
      await writeFile(path, archive);
      let done: Promise<void> | null = null;
      const context = quietContext({
        report: (event) => {
          if (event.type === 'bytes') done ??= change();
        },
      });
      const saving = room.with('append', async (pool) => {
        try {
          await save(pool, { kind: 'archive', path }, {}, context);
        } finally {
          await done;
        }
      });
      expect(await codeOf(saving), how).toBe('INPUT_CHANGED');
    }
    expect(await room.contents()).toEqual(before);
  });

  it('says so of a file whose known layers were not read at all', async () => {
    await using room = await PoolRoom.create();
    const archive = podmanArchive({ ...image, layers: [layerTar(5, 4, 900_000)] });
    const path = await room.file(archive, 'moving.tar');
    await room.save({ kind: 'archive', path });
    let done: Promise<void> | null = null;
    const report = () => {
      done ??= truncate(path, 100_000);
    };
    const saving = room.with('append', (pool) =>
      save(pool, { kind: 'archive', path }, {}, quietContext({ report })),
    );
    expect(await codeOf(saving)).toBe('INPUT_CHANGED');
    await done;
  });
});

/** A descriptor as whoever wrote these fields would have written it. */
function withChecksum(descriptor: string): string {
  const zeroed = descriptor.replace(/sha256:[0-9a-f]{64}/, `sha256:${'0'.repeat(64)}`);
  const digest = createHash('sha256').update(zeroed).digest('hex');
  return zeroed.replace(`sha256:${'0'.repeat(64)}`, `sha256:${digest}`);
}

describe('places that are no pool', () => {
  it('a pool that is a file, of a newer format, without a descriptor, or not there', async () => {
    await using room = await PoolRoom.create();
    await writeFile(room.pool, 'a file');
    expect(await codeOf(room.saveBytes(byHand()))).toBe('POOL_NOT_A_DIRECTORY');
    expect(await readFile(room.pool, 'utf8')).toBe('a file');

    await using newer = await PoolRoom.create();
    await newer.saveBytes(byHand());
    const descriptor = `${newer.pool}/dbup-pool.json`;
    const text = await readFile(descriptor, 'utf8');
    for (const [from, to] of [
      ['"format": 1', '"format": 2'],
      ['"features": []', '"features": ["delta"]'],
    ] as const) {
      expect(text).toContain(from);
      await writeFile(descriptor, withChecksum(text.replace(from, to)));
      const before = await newer.contents();
      expect(await codeOf(newer.saveBytes(byHand()))).toBe('POOL_FORMAT_UNSUPPORTED');
      expect(await codeOf(newer.load('app:1.0'))).toBe('POOL_FORMAT_UNSUPPORTED');
      expect(await newer.contents()).toEqual(before);
    }

    await using none = await PoolRoom.create();
    expect(await codeOf(none.load('app:1.0'))).toBe('NO_POOL');
    await mkdir(none.pool);
    await writeFile(`${none.pool}/notes.txt`, 'mine');
    expect(await codeOf(none.saveBytes(byHand()))).toBe('OUTPUT_EXISTS');
  });
});

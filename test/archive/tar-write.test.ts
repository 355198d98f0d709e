import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type TarOutputMember, writeTar } from '../../src/archive/tar-write.js';
import { LIMITS } from '../../src/core/limits.js';
import { ascii, concatBytes, noise } from '../support/tar-builder.js';
import { splitTar } from '../support/tar-split.js';

const SEED = Number(process.env.DBUP_TEST_SEED ?? 20_240_607);

async function* pieces(...parts: Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* parts;
}

async function written(members: TarOutputMember[]): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const part of writeTar(members)) parts.push(part);
  return concatBytes(parts);
}

const file = (name: string, bytes: Uint8Array): TarOutputMember => ({
  name,
  sizeBytes: bytes.length,
  content: pieces(bytes.subarray(0, 5), new Uint8Array(0), bytes.subarray(5)),
});

describe('what is written', () => {
  test('is read back: names, sizes, links, contents', async () => {
    const long = `blobs/${'x'.repeat(300)}`;
    const tar = await written([
      { name: 'blobs', sizeBytes: 0, type: 'directory' },
      file('blobs/a', noise(1, 700)),
      file(long, noise(2, 512)),
      file('größe', noise(3, 1)),
      { name: 'empty', sizeBytes: 0 },
      { name: 'link', sizeBytes: 0, type: 'symlink', linkName: `../${long}` },
    ]);
    const split = splitTar(tar);
    expect(split.members).toEqual([
      '5 0 blobs/',
      '0 700 blobs/a',
      `0 512 ${long}`,
      '0 1 größe',
      '0 0 empty',
      `2 0 link > ../${long}`,
    ]);
    expect(split.content).toEqual(concatBytes([noise(1, 700), noise(2, 512), noise(3, 1)]));
    expect(tar.length % 512).toBe(0);
    expect(tar.subarray(-1024)).toEqual(new Uint8Array(1024));
  });

  test('any names and sizes are read back', async () => {
    const name = fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 300 })
      .filter((text) => !text.includes('\0') && !text.endsWith('/'));
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(name, fc.nat(2000)), { maxLength: 5 }), async (list) => {
        const tar = await written(list.map(([text, size]) => file(text, noise(size, size))));
        const split = splitTar(tar);
        expect(split.members).toEqual(list.map(([text, size]) => `0 ${size} ${text}`));
        expect(split.content).toEqual(concatBytes(list.map(([, size]) => noise(size, size))));
      }),
      { seed: SEED, numRuns: 50 },
    );
  });

  test('never changes: the same members give these very bytes', async () => {
    const tar = await written([
      { name: 'd', sizeBytes: 0, type: 'directory' },
      file('d/manifest.json', ascii('[{"Config":"c"}]')),
      { name: 'l', sizeBytes: 0, type: 'symlink', linkName: 'd', mtimeSeconds: 1_700_000_000 },
      { ...file('m', ascii('0123456789')), mode: 0, mtimeSeconds: 2 ** 33 },
      file('n'.repeat(101), ascii('long name')),
    ]);
    expect(createHash('sha256').update(tar).digest('hex')).toBe(
      'd386aabaa74af414dca239e75fa819f888a368ba5ecb9ff96e5ff68efa7d0d11',
    );
  });

  test('modes and times stand in the headers', async () => {
    const tar = await written([
      { name: 'a', sizeBytes: 0, mode: 0, mtimeSeconds: 8 },
      { name: 'b', sizeBytes: 0, mode: 0o4755 },
      { name: 'c', sizeBytes: 0, mtimeSeconds: -5 },
    ]);
    const text = (start: number, end: number) => Buffer.from(tar.subarray(start, end)).toString();
    expect(text(100, 107)).toBe('000000 ');
    expect(text(136, 148)).toBe('00000000010 ');
    expect(text(512 + 100, 512 + 107)).toBe('004755 ');
    expect(text(512 + 136, 512 + 148)).toBe('00000000000 ');
    expect(text(1024 + 512, 1024 + 1024)).toContain('mtime=-5\n');
  });

  test('a size beyond 8 GiB stands in the header, before any content is asked for', async () => {
    let asked = false;
    const content = (async function* () {
      asked = true;
      yield new Uint8Array(1);
    })();
    const tar = writeTar([{ name: 'big', sizeBytes: 2 ** 40 + 1, content }]);
    const header = (await tar.next()).value as Uint8Array;
    expect(asked).toBe(false);
    expect(splitTar(header).members).toEqual([`0 ${2 ** 40 + 1} big`]);
    await tar.return();
  });
});

describe('the pace', () => {
  test('members and contents are pulled only as the consumer pulls, and chunks are not copied', async () => {
    const log: string[] = [];
    const chunk = noise(1, 600);
    async function* content() {
      log.push('content');
      yield chunk;
      log.push('content ends');
    }
    async function* members(): AsyncGenerator<TarOutputMember> {
      log.push('first');
      yield { name: 'a', sizeBytes: 600, content: content() };
      log.push('second');
      yield { name: 'b', sizeBytes: 0 };
    }
    const tar = writeTar(members());
    expect(log).toEqual([]);
    await tar.next();
    expect(log).toEqual(['first']);
    expect((await tar.next()).value).toBe(chunk);
    expect(log).toEqual(['first', 'content']);
    await tar.next();
    expect(log).toEqual(['first', 'content', 'content ends']);
    await tar.next();
    expect(log).toEqual(['first', 'content', 'content ends', 'second']);
  });

  test('closing the tar closes the content being read and the list of members', async () => {
    const closed: string[] = [];
    async function* content() {
      try {
        for (;;) yield new Uint8Array(10);
      } finally {
        closed.push('content');
      }
    }
    async function* members(): AsyncGenerator<TarOutputMember> {
      try {
        yield { name: 'a', sizeBytes: 1000, content: content() };
      } finally {
        closed.push('members');
      }
    }
    let chunks = 0;
    for await (const _ of writeTar(members())) {
      chunks++;
      if (chunks === 3) break;
    }
    expect(closed).toEqual(['content', 'members']);
  });

  test('an error of a content reaches the consumer as it is', async () => {
    const failure = new Error('the disk is gone');
    // biome-ignore lint/correctness/useYield: it fails before its first chunk
    async function* content(): AsyncGenerator<Uint8Array> {
      throw failure;
    }
    await expect(written([{ name: 'a', sizeBytes: 5, content: content() }])).rejects.toBe(failure);
  });
});

describe('what is refused', () => {
  test('content that is longer is cut off before its surplus, and closed', async () => {
    let isClosed = false;
    async function* content() {
      try {
        yield new Uint8Array(4);
        yield new Uint8Array(2);
      } finally {
        isClosed = true;
      }
    }
    const seen: number[] = [];
    const reading = (async () => {
      for await (const chunk of writeTar([{ name: 'a', sizeBytes: 5, content: content() }]))
        seen.push(chunk.length);
    })();
    await expect(reading).rejects.toMatchObject({
      code: 'INPUT_INVALID',
      details: { name: 'a', announcedBytes: 5, passedBytes: 6 },
    });
    expect(seen).toEqual([512, 4]);
    expect(isClosed).toBe(true);
  });

  const NAME = { code: 'INPUT_INVALID', message: expect.stringContaining('cannot hold the name') };
  test.each<[string, TarOutputMember, object]>([
    [
      'content that is shorter',
      { name: 'a', sizeBytes: 5, content: pieces(new Uint8Array(4)) },
      { code: 'INPUT_INVALID' },
    ],
    [
      'content of an empty file',
      { name: 'a', sizeBytes: 0, content: pieces(new Uint8Array(1)) },
      { code: 'INPUT_INVALID' },
    ],
    ['no content', { name: 'a', sizeBytes: 5 }, { code: 'INTERNAL' }],
    ['a directory with a size', { name: 'a', sizeBytes: 5, type: 'directory' }, { code: 'INTERNAL' }],
    ['a symlink without a target', { name: 'a', sizeBytes: 0, type: 'symlink' }, { code: 'INTERNAL' }],
    ['a negative size', { name: 'a', sizeBytes: -1 }, { code: 'INTERNAL' }],
    ['a broken size', { name: 'a', sizeBytes: 0.5 }, { code: 'INTERNAL' }],
    ['a broken time', { name: 'a', sizeBytes: 0, mtimeSeconds: Number.NaN }, { code: 'INTERNAL' }],
    ['an empty name', { name: '', sizeBytes: 0 }, NAME],
    ['a file named like a directory', { name: 'a/', sizeBytes: 0 }, NAME],
    ['a NUL in a name', { name: 'a\0b', sizeBytes: 0 }, NAME],
    ['a NUL in a link', { name: 'a', sizeBytes: 0, type: 'symlink', linkName: 'b\0c' }, NAME],
    ['half a character', { name: 'a\ud800', sizeBytes: 0 }, NAME],
    ['a name beyond the limit', { name: 'n'.repeat(LIMITS.tarNameBytes + 1), sizeBytes: 0 }, NAME],
  ])('%s', async (_, member, expected) => {
    await expect(written([member])).rejects.toMatchObject(expected);
  });
});

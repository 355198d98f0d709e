import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type TarMember, TarWalk } from '../../src/archive/tar-walk.js';
import { DbupError } from '../../src/core/errors.js';
import { LIMITS } from '../../src/core/limits.js';
import { ODD_TARS, truncatedTar } from '../support/odd-tars.js';
import {
  ascii,
  concatBytes,
  gnuLong,
  noise,
  paxHeader,
  randomTar,
  seededRandom,
  setChecksum,
  tarEnd,
  tarFile,
  tarHeader,
  tarLink,
} from '../support/tar-builder.js';
import { joinTar, type NextSlice, type SplitTar, splitTar } from '../support/tar-split.js';

const SEED = Number(process.env.DBUP_TEST_SEED ?? 20_240_607);

/** Pieces of 1 to `most` bytes, now and then one of a single byte. */
function randomSlices(seed: number, most: number): NextSlice {
  const random = seededRandom(seed);
  return () => (random() < 0.1 ? 1 : 1 + Math.floor(random() * most));
}

/** Equality of two splits, without the test runner's slow look at each byte. */
function expectSameSplit(actual: SplitTar, expected: SplitTar): void {
  expect(actual.trace).toBe(expected.trace);
  expect(actual.members).toEqual(expected.members);
  expect(Buffer.compare(actual.skeleton, expected.skeleton)).toBe(0);
  expect(Buffer.compare(actual.content, expected.content)).toBe(0);
}

/** Everything that must hold for any bytes at all. */
function expectExactSplit(tar: Uint8Array, sliceSeed: number): void {
  const whole = splitTar(tar);
  const sliced = splitTar(tar, randomSlices(sliceSeed, 700));
  expectSameSplit(sliced, whole);
  expect(whole.skeleton.length + whole.content.length).toBe(tar.length);
  expect(Buffer.compare(joinTar(whole), tar)).toBe(0);
  expect(Buffer.compare(joinTar(whole, randomSlices(sliceSeed + 1, 300)), tar)).toBe(0);
}

describe('odd tars', () => {
  test.each(ODD_TARS)('$name is split as the rules say', ({ bytes, content, members }) => {
    const split = splitTar(bytes);
    expect(split.members).toEqual(members);
    expect(split.content.length).toBe(content.length);
    expect(Buffer.compare(split.content, content)).toBe(0);
  });

  test.each(ODD_TARS)('$name is rebuilt exactly, however it is cut', ({ bytes }) => {
    // Those with bodies of a MiB cost too much byte by byte.
    if (bytes.length < 10_000)
      expectSameSplit(
        splitTar(bytes, () => 1),
        splitTar(bytes),
      );
    expectExactSplit(bytes, SEED);
  });

  test('the names in the list are distinct', () => {
    expect(new Set(ODD_TARS.map(({ name }) => name)).size).toBe(ODD_TARS.length);
  });

  test('a tar may end at any byte', () => {
    const whole = truncatedTar(Number.POSITIVE_INFINITY);
    for (let length = 0; length <= whole.length; length += length % 512 < 3 ? 1 : 101) {
      expectExactSplit(whole.subarray(0, length), SEED + length);
    }
  });
});

describe('any bytes', () => {
  const tar = fc
    .record({ seed: fc.nat(), members: fc.nat(20), odd: fc.nat(ODD_TARS.length - 1) })
    .map(({ seed, members, odd }) => {
      const { bytes } = ODD_TARS[odd]!;
      const first = bytes.length < 20_000 ? bytes : bytes.subarray(-3000);
      return concatBytes([first, randomTar(seed, { members, maxFileBytes: 3000 })]);
    });
  const edit = fc.record({
    /** Fields of a header are hit far more often than evenly spread edits would. */
    block: fc.nat(40),
    at: fc.oneof(fc.nat(511), fc.integer({ min: 124, max: 160 }), fc.constantFrom(156, 257, 345, 482, 504)),
    bytes: fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 12 }),
      fc.constantFrom(...['x', 'g', 'L', 'K', 'S', '1', '00000002000\0', '999', '\0'].map(ascii)),
    ),
    isSigned: fc.boolean(),
  });

  test('random tars are rebuilt exactly', () => {
    fc.assert(
      fc.property(tar, fc.nat(), (bytes, sliceSeed) => expectExactSplit(bytes, sliceSeed)),
      { seed: SEED, numRuns: 150 },
    );
  });

  test('mutated tars are rebuilt exactly', () => {
    fc.assert(
      fc.property(
        tar,
        fc.array(edit, { minLength: 1, maxLength: 8 }),
        fc.tuple(fc.nat(30_000), fc.nat(700)),
        fc.nat(),
        (original, edits, [cutAt, cutLength], sliceSeed) => {
          const bytes = concatBytes([original.subarray(0, cutAt), original.subarray(cutAt + cutLength)]);
          for (const { block, at, bytes: edited, isSigned } of edits) {
            const start = block * 512;
            if (start + 512 > bytes.length) continue;
            bytes.set(edited.subarray(0, 512 - at), start + at);
            // A header again: so that the damaged fields are read, and not just the checksum refused.
            if (at < 148 || at >= 156) setChecksum(bytes, start, isSigned ? 'signed' : 'unsigned');
          }
          expectExactSplit(bytes, sliceSeed);
        },
      ),
      { seed: SEED, numRuns: 600 },
    );
  });

  test('blocks of noise that carry a checksum are rebuilt exactly', () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 12 }), (seed, blocks) => {
        const bytes = noise(seed, blocks * 512);
        for (let block = 0; block < blocks; block++) {
          bytes.set(ascii('00000000'), block * 512 + 124);
          setChecksum(bytes, block * 512);
        }
        expectExactSplit(bytes, seed);
      }),
      { seed: SEED, numRuns: 200 },
    );
  });
});

test('the skeleton holds no content, and content nothing else', () => {
  const secret = noise(77, 70_000);
  const tar = concatBytes([
    randomTar(3, { members: 30, maxFileBytes: 5000 }),
    tarFile('secret', secret),
    randomTar(4, { members: 30, maxFileBytes: 5000 }),
  ]);
  const { skeleton, content } = splitTar(tar, randomSlices(SEED, 4096));
  expect(Buffer.from(content).indexOf(secret)).toBeGreaterThan(0);
  for (let at = 0; at < secret.length - 16; at += 512) {
    expect(Buffer.from(skeleton).indexOf(secret.subarray(at, at + 16))).toBe(-1);
  }
  expect(Buffer.from(content).indexOf(ascii('ustar\0'))).toBe(-1);
});

describe('the normative trace', () => {
  test('headers, padding and the next header are one run of skeleton', () => {
    const tar = concatBytes([tarFile('a', noise(1, 700)), tarFile('b', noise(2, 512)), tarEnd()]);
    expect(splitTar(tar).trace).toBe('s512 c700 s836 c512 s1024');
  });

  test('an extension body passes as skeleton, with its padding', () => {
    const tar = concatBytes([paxHeader([['size', '5']]), tarHeader('a', 0), ascii('hello')]);
    expect(splitTar(tar).trace).toBe('s1536 c5');
  });

  test.each([...'123456'])('type %s has no content, whatever its size says', (type) => {
    const sized = [paxHeader([['size', '700']]), tarHeader('a', 600, { type })];
    const tar = concatBytes([...sized, tarFile('b', noise(1, 9))]);
    expect(splitTar(tar).trace).toBe('s2048 c9 s503');
  });

  test('a PAX name goes before a GNU one, in either order', () => {
    const gnu = [gnuLong('L', 'gnu'), gnuLong('K', 'gnu')];
    const pax = paxHeader([
      ['path', 'pax'],
      ['linkpath', 'pax'],
    ]);
    for (const parts of [
      [...gnu, pax],
      [pax, ...gnu],
    ]) {
      expect(splitTar(concatBytes([...parts, tarLink('x', 'x')])).members).toEqual(['2 0 pax > pax']);
    }
  });

  test('a sparse chain passes before the content, whatever it claims', () => {
    const header = tarHeader('s', 10, { type: 'S', patches: [[482, Uint8Array.of(7)]] });
    const more = noise(1, 512).fill(9, 504, 505);
    const last = noise(2, 512).fill(0, 504, 505);
    const tar = concatBytes([header, more, last, noise(3, 10)]);
    expect(splitTar(tar).trace).toBe('s1536 c10');
  });

  test('an extension body of a byte above the limit is not read, one at the limit is', () => {
    const size = ascii('10 size=5\n');
    const body = (length: number) => concatBytes([size, new Uint8Array(length - size.length)]);
    const tar = (length: number) =>
      concatBytes([tarFile('x', body(length), { type: 'x' }), tarHeader('a', 0), noise(1, 5)]);
    const limit = LIMITS.tarExtensionBytes;
    expect(splitTar(tar(limit)).trace).toBe(`s${512 + limit + 512} c5`);
    expect(splitTar(tar(limit + 1)).trace).toBe(`s${512 + limit + 512 + 512 + 5}`);
  });

  test('an unread body, and an empty one, takes back what its kind said before, and only that', () => {
    const said = [gnuLong('L', 'long-name'), gnuLong('K', 'long-link'), paxHeader([['size', '9']])];
    const file = [tarHeader('short', 3), ascii('abc')];
    const members = (...parts: Uint8Array[]) => splitTar(concatBytes([...said, ...parts, ...file])).members;
    expect(members()).toEqual(['0 9 long-name > long-link']);
    expect(members(tarHeader('x', 0, { type: 'X' }))).toEqual(['0 3 long-name > long-link']);
    expect(members(tarHeader('x', 0, { type: 'L' }))).toEqual(['0 9 short > long-link']);
    expect(members(tarHeader('x', 0, { type: 'g' }))).toEqual(['0 9 long-name > long-link']);
    const unread = tarFile('x', new Uint8Array(LIMITS.tarExtensionBytes + 512), { type: 'K' });
    expect(members(unread)).toEqual(['0 9 long-name']);
  });
});

describe('members', () => {
  test('are told once each, in order, and stay the current one until the next header', () => {
    const told: TarMember[] = [];
    const walk = new TarWalk((member) => told.push(member));
    expect(walk.member).toBeNull();
    walk.skeleton(tarLink('l', 'target'));
    expect(walk.member).toEqual({ index: 0, name: 'l', type: '2', sizeBytes: 0, linkName: 'target' });
    walk.skeleton(tarHeader('f', 700));
    expect(walk.kind).toBe('content');
    expect(walk.remainingBytes).toBe(700);
    walk.content(700);
    expect(walk.remainingBytes).toBe(324 + 512);
    walk.skeleton(new Uint8Array(324));
    // Half a header of the next one must not show through.
    walk.skeleton(tarHeader('next', 0).subarray(0, 300));
    expect(walk.member).toEqual({ index: 1, name: 'f', type: '0', sizeBytes: 700, linkName: '' });
    expect(walk.member).toBe(told[1]);
    expect(told).toHaveLength(2);
  });

  test('keep their names when read late', () => {
    const walk = new TarWalk();
    const header = concatBytes([gnuLong('L', 'late-name'), tarHeader('x', 1)]);
    for (const byte of header) walk.skeleton(Uint8Array.of(byte));
    walk.content(1);
    expect(walk.member?.name).toBe('late-name');
    walk.skeleton(new Uint8Array(511));
    walk.skeleton(tarHeader('second', 1));
    walk.content(1);
    walk.skeleton(new Uint8Array(511));
    walk.skeleton(tarHeader('third', 1).subarray(0, 400));
    expect(walk.member?.name).toBe('second');
  });
});

describe('misuse', () => {
  const inContent = () => {
    const walk = new TarWalk();
    walk.skeleton(tarHeader('f', 10));
    return walk;
  };
  test.each<[string, () => void]>([
    ['more skeleton than is due', () => new TarWalk().skeleton(new Uint8Array(513))],
    ['no skeleton bytes', () => new TarWalk().skeleton(new Uint8Array(0))],
    ['skeleton where content is due', () => inContent().skeleton(new Uint8Array(1))],
    ['content where skeleton is due', () => new TarWalk().content(1)],
    ['more content than is due', () => inContent().content(11)],
    ['no content bytes', () => inContent().content(0)],
    ['content of no number', () => inContent().content(Number.NaN)],
  ])('%s is a defect of the caller', (_, act) => {
    expect(act).toThrow(DbupError);
    expect(act).toThrow(/tar walk: .* come next/);
  });
});

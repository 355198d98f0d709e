import { describe, expect, it } from 'vitest';
import { createNestedScan, NESTED_HEAD_BYTES } from '../../src/archive/nested-scan.js';
import type { ScanPiece } from '../../src/archive/scan-piece.js';
import { makeInput } from '../support/deflate-inputs.mjs';
import { gzipBy } from '../support/gzip-files.js';
import { debOf, deflateBy, deflated, ZLIB_6, zipOf } from '../support/nested-files.js';
import { ascii, concatBytes, noise, seededRandom } from '../support/tar-builder.js';

const text = (seed: number, length: number): Uint8Array => makeInput('text', seed, length);
const inner = zipOf([
  deflated('a/A.class', text(1, 900)),
  deflated('a/B.class', text(2, 4000), { hasDescriptor: true }),
]);
const entries = [
  { name: 'dir/', plain: new Uint8Array(0) },
  deflated('one', text(3, 50_000), { hasDescriptor: true }),
  deflated('two', text(4, 3000)),
  { name: 'three', plain: noise(5, 700) },
  { name: 'lib/inner.jar', plain: inner },
  deflated('four', new Uint8Array(0)),
  deflated('five', text(6, 20), { hasDescriptor: true }),
];
const FILES: Record<string, { bytes: Uint8Array; streams: Uint8Array[]; names: string[] }> = {
  zip: {
    bytes: zipOf(entries),
    streams: [
      text(3, 50_000),
      text(4, 3000),
      text(1, 900),
      text(2, 4000),
      new Uint8Array(0),
      text(6, 20),
    ].map((plain) => deflateBy(ZLIB_6, plain)),
    names: ['one', 'two', 'a/A.class', 'a/B.class', 'four', 'five'],
  },
  gzip: { bytes: gzipBy(ZLIB_6, text(7, 9000)), streams: [deflateBy(ZLIB_6, text(7, 9000))], names: [''] },
  'gzip with a name': {
    bytes: gzipBy(
      ZLIB_6,
      text(8, 300),
      concatBytes([Uint8Array.of(0x1f, 0x8b, 8, 8, 1, 2, 3, 4, 0, 3), ascii('changelog\0')]),
    ),
    streams: [deflateBy(ZLIB_6, text(8, 300))],
    names: [''],
  },
  deb: {
    bytes: debOf([
      ['control.tar.gz', gzipBy(ZLIB_6, text(9, 2000))],
      ['data.tar.xz', noise(10, 5001)],
      ['data.tar.gz', gzipBy(ZLIB_6, text(11, 8001))],
    ]),
    streams: [text(9, 2000), text(11, 8001)].map((plain) => deflateBy(ZLIB_6, plain)),
    names: ['', ''],
  },
};

/** All pieces of a file that comes in pieces of random length, in memory that is used again. */
function scan(bytes: Uint8Array, seed: number, most: number): ScanPiece[] {
  const random = seededRandom(seed);
  const scanner = createNestedScan(bytes.subarray(0, NESTED_HEAD_BYTES), bytes.length)!;
  const pieces: ScanPiece[] = [];
  const take = (found: Iterable<ScanPiece>): void => {
    for (const piece of found)
      pieces.push('bytes' in piece ? { ...piece, bytes: new Uint8Array(piece.bytes) } : piece);
  };
  const buffer = new Uint8Array(most);
  for (let at = 0; at < bytes.length; ) {
    const length = Math.min(bytes.length - at, 1 + Math.floor(random() * most));
    buffer.set(bytes.subarray(at, at + length));
    take(scanner.push(buffer.subarray(0, length)));
    buffer.fill(0xee);
    at += length;
  }
  take(scanner.finish());
  return pieces;
}

const bytesOf = (pieces: readonly ScanPiece[]): Uint8Array =>
  concatBytes(pieces.flatMap((piece) => ('bytes' in piece ? [piece.bytes] : [])));

function streamsOf(pieces: readonly ScanPiece[]): { name: string; bytes: Uint8Array }[] {
  const streams: { name: string; bytes: Uint8Array[] }[] = [];
  let isOpen = false;
  for (const piece of pieces) {
    expect(isOpen).toBe(piece.kind === 'deflate' || piece.kind === 'end-deflate');
    if (piece.kind === 'begin-deflate') streams.push({ name: piece.name, bytes: [] });
    if (piece.kind === 'deflate') streams.at(-1)!.bytes.push(piece.bytes);
    isOpen = piece.kind === 'begin-deflate' || piece.kind === 'deflate';
  }
  expect(isOpen).toBe(false);
  return streams.map(({ name, bytes }) => ({ name, bytes: concatBytes(bytes) }));
}

describe('the scan of files that hold deflate streams', () => {
  for (const [what, { bytes, streams, names }] of Object.entries(FILES)) {
    it(`finds those of a ${what}, however it comes, and gives all bytes back`, () => {
      for (const [seed, most] of [
        [1, 1],
        [2, 7],
        [3, 40],
        [4, 1000],
        [5, 200_000],
      ] as const) {
        const pieces = scan(bytes, seed, most);
        expect(Buffer.from(bytesOf(pieces)).equals(bytes), `pieces of ${most}`).toBe(true);
        const found = streamsOf(pieces);
        expect(found.map(({ name }) => name)).toEqual(names);
        for (const [i, stream] of streams.entries()) expect(found[i]!.bytes).toEqual(stream);
      }
    });
  }

  it('tells a stream of unknown size from a descriptor that only looks like its own', () => {
    const fake = concatBytes([ascii('PK\x07\x08'), new Uint8Array(12), ascii('PK\x07\x08\x01')]);
    const plain = concatBytes([noise(1, 1000), fake, noise(2, 500)]);
    const deflate = concatBytes([
      Uint8Array.of(
        1,
        plain.length & 255,
        plain.length >> 8,
        ~plain.length & 255,
        (~plain.length >> 8) & 255,
      ),
      plain,
    ]);
    const bytes = zipOf([{ name: 'x', plain, deflate, hasDescriptor: true }, deflated('y', plain)]);
    for (const most of [1, 3, 5000]) expect(streamsOf(scan(bytes, most, most))[0]!.bytes).toEqual(deflate);
  });

  it('takes only what begins as such files do', () => {
    for (const head of ['PK\x05\x06', '!<arch>\n/               ', 'hello', '\x1f\x8b\x07', ''])
      expect(createNestedScan(Buffer.from(head, 'latin1'), 1000), head).toBeNull();
  });

  it('says the same of a gzip file without a stream, however it comes', () => {
    const bytes = Uint8Array.of(0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 255, 65, 0, 3, 0, 0, 0, 0, 0, 0, 0);
    for (const most of [1, 5, 100])
      expect(new Set(scan(bytes, most, most).map(({ kind }) => kind))).toEqual(new Set(['contents']));
  });

  it('gives all bytes back of files that were cut off or damaged (seed 20261122)', () => {
    const random = seededRandom(20261122);
    for (let round = 0; round < 600; round++) {
      const { bytes } = Object.values(FILES)[round % 4]!;
      const injured = Buffer.from(bytes.subarray(0, NESTED_HEAD_BYTES + Math.floor(random() * bytes.length)));
      for (let i = Math.floor(random() * 4); i > 0; i--) {
        const near = random() < 0.5 ? 200 : injured.length;
        injured[4 + Math.floor(random() * (Math.min(near, injured.length) - 4))] = Math.floor(random() * 256);
      }
      if (!createNestedScan(injured.subarray(0, NESTED_HEAD_BYTES), injured.length)) continue;
      const pieces = scan(injured, round, round % 2 === 0 ? 50 : 70_000);
      expect(Buffer.from(bytesOf(pieces)).equals(injured), `round ${round}`).toBe(true);
      streamsOf(pieces);
    }
  });
});

import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { DeltaDecoder } from '../../../src/compress/delta/delta-decoder.js';
import { DeltaEncoder } from '../../../src/compress/delta/delta-encoder.js';
import { DELTA_STREAMS, NumberReader, writeNumber } from '../../../src/compress/delta/delta-format.js';
import { ZstdCompressor, ZstdDecompressor } from '../../../src/compress/zstd.js';

/** Written by the C++ twin: `make vectors` in native-bench/. */
interface Vector {
  base: string;
  pieceBytes: number[];
  plain: string;
  usedPieces: number[];
  streams: string[];
}

const directory = new URL('../../../fixtures/delta/', import.meta.url);
const names = readdirSync(directory).filter((name) => name.endsWith('.json'));

function read(name: string) {
  const vector = JSON.parse(readFileSync(new URL(name, directory), 'utf8')) as Vector;
  const bytes = (text: string) => Uint8Array.from(Buffer.from(text, 'base64'));
  const base = bytes(vector.base);
  let at = 0;
  const pieces = vector.pieceBytes.map((length) => {
    at += length;
    return base.subarray(at - length, at);
  });
  return { ...vector, pieces, plain: bytes(vector.plain), streams: vector.streams.map(bytes) };
}

function unpack(payload: Uint8Array): Uint8Array[] {
  expect(payload[0]).toBe(1);
  const reader = new NumberReader(payload, 1);
  const lengths = Array.from({ length: DELTA_STREAMS }, () => [reader.next(), reader.next()] as const);
  let at = reader.at;
  return lengths.map(([plainBytes, storedBytes]) => {
    const stored = payload.subarray(at, at + storedBytes);
    at += storedBytes;
    if (storedBytes === plainBytes) return Uint8Array.from(stored);
    const plain = new Uint8Array(plainBytes);
    expect(new ZstdDecompressor().decompressInto(plain, stored)).toBe(plainBytes);
    return plain;
  });
}

test('the vectors are there', () => {
  expect(names.length).toBeGreaterThanOrEqual(8);
});

test.each(names)('%s: the same streams and pieces as the twin', (name) => {
  const { pieces, pieceBytes, plain, usedPieces, streams } = read(name);
  const encoder = new DeltaEncoder(3, new ZstdCompressor(3));
  encoder.fill(pieces, plain);
  const coded = encoder.encode(Uint32Array.from(pieceBytes), plain.length)!;
  expect(coded.usedPieces).toEqual(usedPieces);
  expect(unpack(coded.payload)).toEqual(streams);
});

test.each(names)("%s: the twin's streams give the plain bytes", (name) => {
  const { pieces, plain, usedPieces, streams } = read(name);
  const header = new Uint8Array(64);
  header[0] = 1;
  let end = 1;
  for (const { length } of streams) end = writeNumber(header, writeNumber(header, end, length), length);
  const payload = Buffer.concat([header.subarray(0, end), ...streams]);
  const rebuilt = new Uint8Array(plain.length);
  new DeltaDecoder().decodeInto(
    rebuilt,
    payload,
    usedPieces.map((number) => pieces[number]!),
  );
  expect(Buffer.compare(rebuilt, plain)).toBe(0);
});

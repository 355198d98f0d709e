import { describe, expect, test } from 'vitest';
import { DeltaDecoder } from '../../../src/compress/delta/delta-decoder.js';
import { DeltaEncoder } from '../../../src/compress/delta/delta-encoder.js';
import { ZstdCompressor } from '../../../src/compress/zstd.js';
import { cutInPieces, EDITS, makeCode, makePair, numbersFrom, seededBytes } from './pairs.js';

const encoder = new DeltaEncoder(3, new ZstdCompressor(3));
const decoder = new DeltaDecoder();

function encode(pieces: readonly Uint8Array[], plain: Uint8Array, by = encoder) {
  by.fill(pieces, plain);
  return by.encode(
    Uint32Array.from(pieces, ({ length }) => length),
    plain.length,
  );
}

/** Encodes, decodes with the used pieces alone, and compares. Returns the payload's length, or null. */
function roundTrip(pieces: readonly Uint8Array[], plain: Uint8Array, by = encoder): number | null {
  const coded = encode(pieces, plain, by);
  if (coded === null) return null;
  const { payload, usedPieces } = coded;
  expect(usedPieces).toEqual([...new Set(usedPieces)].sort((a, b) => a - b));
  const rebuilt = new Uint8Array(plain.length).fill(0xa5);
  decoder.decodeInto(
    rebuilt,
    payload,
    usedPieces.map((number) => pieces[number]!),
  );
  expect(Buffer.compare(rebuilt, plain)).toBe(0);
  expect(payload.length).toBeLessThan(plain.length);
  return payload.length;
}

describe('round trips', () => {
  test('give back what a grammar of edits made, whatever the pieces', () => {
    let coded = 0;
    for (let seed = 1; seed <= 250; seed++) {
      const { name, base, plain } = makePair(seed);
      const next = numbersFrom(seed);
      for (const longest of [base.length || 1, 1 + (next() % 9000)]) {
        try {
          if (roundTrip(cutInPieces(next, base, longest), plain) !== null) coded++;
        } catch (error) {
          throw new Error(`${name}, pieces up to ${longest}`, { cause: error });
        }
      }
    }
    expect(coded).toBeGreaterThan(250);
  });

  test.each(Object.keys(EDITS))('one edit of 200 kB costs little: %s', (edit) => {
    const next = numbersFrom(7);
    const base = makeCode(next, 200_000);
    const plain = Uint8Array.from(EDITS[edit]!(base, next));
    expect(roundTrip([base], plain)).toBeLessThan(edit === 'shift' ? 12_000 : 4_000);
  });

  test('shifted addresses cost less than a third of their bytes', () => {
    const next = numbersFrom(11);
    const base = makeCode(next, 400_000);
    const plain = Uint8Array.from(base);
    const view = new DataView(plain.buffer);
    let addresses = 0;
    for (let at = 8; at + 4 <= plain.length; at += 20, addresses++) {
      view.setUint32(at, view.getUint32(at, true) + 0x340, true);
    }
    expect(roundTrip([base], plain)).toBeLessThan((addresses * 4) / 3);
  });

  test('with pieces of one byte', () => {
    const next = numbersFrom(3);
    const base = seededBytes(next, 3000);
    const plain = Uint8Array.from(EDITS.change!(base, next));
    expect(roundTrip(cutInPieces(next, base, 1), plain)).toBeLessThan(400);
  });

  test('over shared memory at every alignment', () => {
    const next = numbersFrom(5);
    const base = seededBytes(next, 5000);
    const plain = Uint8Array.from(EDITS.change!(base, next));
    const { payload, usedPieces } = encode([base], plain)!;
    expect(usedPieces).toEqual([0]);
    const kept = Uint8Array.from(payload);
    for (let shift = 0; shift < 9; shift++) {
      const sharedBase = new Uint8Array(new SharedArrayBuffer(6000), shift, base.length);
      sharedBase.set(base);
      const whole = new Uint8Array(new SharedArrayBuffer(6000));
      const target = new Uint8Array(whole.buffer, (shift * 3) % 8, plain.length);
      decoder.decodeInto(target, kept, [sharedBase]);
      expect(Buffer.compare(Uint8Array.from(target), plain)).toBe(0);
      expect(whole.subarray(target.byteOffset + plain.length).every((byte) => byte === 0)).toBe(true);
      expect(encode([sharedBase], target)!.payload).toEqual(kept);
    }
  });

  test('of two mebibytes against five, with stretches of zeros', () => {
    const next = numbersFrom(9);
    const base = makeCode(next, 5 << 20);
    base.fill(0, 1 << 20, 2 << 20);
    const plain = Uint8Array.from(base.subarray(500_000, 500_000 + (2 << 20)));
    for (let at = 100; at < plain.length; at += 997) plain[at]!++;
    const size = roundTrip(cutInPieces(next, base, 131_072), plain);
    expect(size).toBeLessThan(30_000);
  });

  test('text at a high level goes by the dictionary, at a low one by copies', () => {
    const next = numbersFrom(13);
    const words = Array.from({ length: 800 }, () => `${next() % 99_991}name`);
    const phrase = () => `${words[next() % 800]} = ${words[next() % 800]}(${words[next() % 800]});\n`;
    const lines = Array.from({ length: 8000 }, phrase);
    const base = Buffer.from(lines.join(''));
    const plain = Uint8Array.from(Buffer.from(lines.map((line) => (next() % 2 ? line : phrase())).join('')));
    const high = new DeltaEncoder(12, new ZstdCompressor(12));
    expect(encode([base], plain, high)!.payload[0]).toBe(2);
    expect(encode([base], plain)!.payload[0]).toBe(1);
    expect(roundTrip([base], plain, high)!).toBeLessThan(roundTrip([base], plain)!);
  });
});

describe('the encoder', () => {
  test('gives up on unrelated, empty and useless bytes', () => {
    const next = numbersFrom(17);
    const noise = seededBytes(next, 300_000);
    expect(encode([seededBytes(next, 300_000)], noise)).toBeNull();
    expect(encode([], noise)).toBeNull();
    expect(encode([noise], new Uint8Array(0))).toBeNull();
    expect(encode([noise], noise.subarray(0, 5))).toBeNull();
  });

  test('needs next to nothing for what is there already', () => {
    const bytes = seededBytes(numbersFrom(19), 100_000);
    expect(roundTrip([bytes], bytes)).toBeLessThan(40);
  });

  test('names the pieces that copies touch and no others', () => {
    const next = numbersFrom(23);
    const pieces = Array.from({ length: 12 }, () => seededBytes(next, 10_000 + (next() % 5000)));
    const plain = Uint8Array.from(
      Buffer.concat([
        pieces[7]!,
        pieces[2]!.subarray(100),
        seededBytes(next, 500),
        pieces[3]!.subarray(0, 6000),
      ]),
    );
    expect(encode(pieces, plain)!.usedPieces).toEqual([2, 3, 7]);
    expect(roundTrip(pieces, plain)).toBeLessThan(800);
  });

  test('is a function of its input: neither earlier calls nor the instance show', () => {
    const { base, plain } = makePair(6);
    const { base: otherBase, plain: otherPlain } = makePair(8);
    const expected = Uint8Array.from(
      encode([base], plain, new DeltaEncoder(3, new ZstdCompressor(3)))!.payload,
    );
    encode([otherBase], otherPlain);
    expect(encode([base], plain)!.payload).toEqual(expected);
  });

  test('takes periodic bytes and near-periodic ones without losing time or bytes', () => {
    for (const period of [1, 2, 3, 7, 16, 24, 100]) {
      const base = Uint8Array.from({ length: 400_000 }, (_, i) => (i % period) * 31);
      const plain = Uint8Array.from(
        { length: 400_000 },
        (_, i) => ((i + (i >> 12)) % period) * 31 + (i % 777 === 0 ? 1 : 0),
      );
      const size = roundTrip([base], plain);
      expect(size === null || size < 40_000).toBe(true);
    }
  });

  test('refuses lengths that are not those of the buffers', () => {
    encoder.buffers(100, 100);
    expect(() => encoder.encode(Uint32Array.of(99), 100)).toThrow(RangeError);
    expect(() => encoder.encode(Uint32Array.of(100), 99)).toThrow(RangeError);
  });
});

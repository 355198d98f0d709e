import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { UnknownEncoderError } from '../../src/format/encoder-spec.js';
import { type OpenedPart, OpenedPartsDecoder, OpenedPartsEncoder } from '../../src/format/opened-parts.js';
import { SEED } from '../oci/only-dbup-errors.js';

const sizes = fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 2 ** 50 }));
const encoders = fc.constantFrom<Extract<OpenedPart, { kind: 'deflated' }>['encoder']>(
  { family: 'zlib', level: 6, memLevel: 8 },
  { family: 'go', level: 5 },
  { family: 'pgzip', level: 5, variant: '1.15.10', blockBytes: 2 ** 20 },
);
const parts: fc.Arbitrary<OpenedPart> = fc.oneof(
  sizes.map((sizeBytes): OpenedPart => ({ kind: 'contents', sizeBytes })),
  sizes.map((sizeBytes): OpenedPart => ({ kind: 'frame', sizeBytes })),
  fc
    .record({ sizeBytes: sizes, encoder: encoders, deflatedBytes: fc.integer({ min: 2, max: 2 ** 50 }) })
    .map((part): OpenedPart => ({ kind: 'deflated', ...part })),
);

function encode(list: readonly OpenedPart[]): Uint8Array {
  const encoder = new OpenedPartsEncoder();
  return Buffer.concat([...list.map((part) => encoder.add(part)), encoder.finish()]);
}

function decode(bytes: Uint8Array, pieceBytes = bytes.length): OpenedPart[] {
  const decoder = new OpenedPartsDecoder();
  const list: OpenedPart[] = [];
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    decoder.push(bytes.subarray(at, at + pieceBytes));
    for (let part = decoder.next(); part; part = decoder.next()) list.push(part);
  }
  decoder.finish();
  return list;
}

/** Stretches of one kind that follow each other are one. */
function merged(list: readonly OpenedPart[]): OpenedPart[] {
  const result: OpenedPart[] = [];
  for (const part of list) {
    const last = result.at(-1);
    if (part.kind !== 'deflated' && last?.kind === part.kind) last.sizeBytes += part.sizeBytes;
    else result.push({ ...part });
  }
  return result;
}

describe('the list of parts', () => {
  it('gives back what it was made of, however it comes', () => {
    fc.assert(
      fc.property(fc.array(parts, { maxLength: 30 }), fc.integer({ min: 1, max: 20 }), (list, pieceBytes) => {
        const total = list.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
        fc.pre(total < 2 ** 51);
        expect(decode(encode(list), pieceBytes)).toEqual(merged(list));
      }),
      { seed: SEED, numRuns: 300 },
    );
  });

  it('names an encoder once for all streams in a row', () => {
    const encoder = { family: 'zlib', level: 6, memLevel: 8 } as const;
    const stream: OpenedPart = { kind: 'deflated', sizeBytes: 10, encoder, deflatedBytes: 9 };
    expect([...encode([stream, stream])]).toEqual([15, 4, 6, 8, 42, 9, 42, 9]);
  });

  it('raises nothing but a RangeError on damage, in bounded time', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.integer({ min: 1, max: 9 }), (bytes, pieceBytes) => {
        try {
          for (const { sizeBytes } of decode(bytes, pieceBytes)) expect(sizeBytes).toBeGreaterThan(0);
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError);
        }
      }),
      { seed: SEED, numRuns: 3000 },
    );
  });

  it('refuses what no writer writes', () => {
    const frame2to50 = [0x81, ...Array<number>(6).fill(0x80), 0x08];
    const contents2to50 = [0x80, ...frame2to50.slice(1)];
    expect(decode(Uint8Array.from(contents2to50))).toEqual([{ kind: 'contents', sizeBytes: 2 ** 50 }]);
    for (const [why, bytes] of [
      ['an empty part', [0]],
      ['a stream before any encoder', [42, 9]],
      ['a number with needless bytes', [0x84, 0x00]],
      ['a number of too many bytes', [0x84, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01]],
      ['a list that is cut off', [0x84]],
      ['an encoder that is cut off', [15, 4, 6]],
      ['an encoder with a byte too many', [19, 4, 6, 8, 0]],
      ['an encoder of many bytes', [0xff, 0x7f, 4, 6, 8]],
      ['parts of 2^51 bytes', [...contents2to50, ...frame2to50]],
    ] as const)
      expect(() => decode(Uint8Array.from(bytes)), why).toThrow(RangeError);
    expect(() => decode(Uint8Array.of(11, 99, 1))).toThrow(UnknownEncoderError);
  });
});

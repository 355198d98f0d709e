import { describe, expect, test } from 'vitest';
import { DeltaDecoder } from '../../../src/compress/delta/delta-decoder.js';
import { DeltaEncoder } from '../../../src/compress/delta/delta-encoder.js';
import type { DeltaOps } from '../../../src/compress/delta/delta-ops.js';
import { ZstdCompressor } from '../../../src/compress/zstd.js';
import { EDITS, makeCode, numbersFrom, seededBytes } from './pairs.js';

const MUTATIONS = 20_000;
const decoder = new DeltaDecoder();

/** The payload of streams stored as they are. */
function payloadOf(streams: readonly (readonly number[])[]): Uint8Array {
  return Uint8Array.from([1, ...streams.flatMap(({ length }) => [length, length]), ...streams.flat()]);
}

function decode(payload: Uint8Array, plainBytes: number, base: readonly Uint8Array[]): Uint8Array {
  // Guards on both sides tell of a write out of bounds.
  const guarded = new Uint8Array(plainBytes + 64).fill(0x5a);
  const plain = guarded.subarray(32, 32 + plainBytes);
  const result = outcome(() => decoder.decodeInto(plain, payload, base));
  const guards = [...guarded.subarray(0, 32), ...guarded.subarray(32 + plainBytes)];
  if (guards.some((byte) => byte !== 0x5a)) throw new TypeError('written out of bounds');
  checkListed(payload, plain, base, result);
  if (result) throw result;
  return plain;
}

/** The list of what a payload says makes the same bytes, or is refused for the same reason. */
function checkListed(
  payload: Uint8Array,
  plain: Uint8Array,
  base: readonly Uint8Array[],
  refusal: Error | null,
): void {
  const baseBytes = Buffer.concat(base);
  let ops: DeltaOps | null = null;
  const failure = outcome(() => {
    ops = decoder.listOps(payload, plain.length, baseBytes.length, 2 ** 30);
  });
  if (payload[0] !== 1) expect(failure ?? ops).toBeNull();
  else if (refusal || failure) expect(failure?.message).toBe(refusal?.message);
  else expect(Buffer.compare(carryOut(ops!, plain.length, baseBytes), plain)).toBe(0);
}

function carryOut(ops: DeltaOps, plainBytes: number, base: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(plainBytes);
  let literals = 0;
  let at = 0;
  let difference = 0;
  const addLiterals = (end: number): void => {
    bytes.set(ops.literals.subarray(literals, literals + end - at), at);
    literals += end - at;
  };
  ops.copyStarts.forEach((start, i) => {
    addLiterals(start);
    expect(ops.literalsBefore[i]).toBe(literals);
    at = ops.copyEnds[i]!;
    bytes.set(base.subarray(ops.sources[i]!, ops.sources[i]! + at - start), start);
    for (; ops.differencesAt[difference]! < at; difference++) {
      const place = ops.differencesAt[difference]!;
      const value = ops.differences[difference]!;
      const view = new DataView(bytes.buffer, place);
      if (at - place >= 4) view.setUint32(0, view.getUint32(0, true) + value, true);
      else for (let k = 0; k < at - place; k++) bytes[place + k]! += value >>> (8 * k);
    }
  });
  addLiterals(plainBytes);
  return bytes;
}

/** What `act` throws. */
function outcome(act: () => void): Error | null {
  try {
    act();
    return null;
  } catch (error) {
    return error as Error;
  }
}

const base = Uint8Array.from({ length: 20 }, (_, i) => i);

describe('hand-made payloads', () => {
  test('a copy with differences, and literals around it', () => {
    // 2 literals; 14 bytes from place 4, with a difference 3 bytes in and one 2 bytes after it; 1 literal.
    const streams = [[2], [14], [4], [3, 2], [1, 1, 0, 0, 7, 9, 9, 9], [100, 101, 102]];
    expect([...decode(payloadOf(streams), 17, [base])]).toEqual([
      100, 101, 4, 5, 6, 8, 9, 9, 10, 11, 12, 20, 23, 24, 25, 17, 102,
    ]);
  });

  test('differences wrap around and do not reach over the end of a copy', () => {
    const streams = [[0, 0], [3, 17], [0, 2], [1, 0], [255, 255, 255, 255, 255, 0, 5, 5], []];
    expect(() => decode(payloadOf(streams), 20, [base])).toThrow('leaves the base');
    streams[2] = [0, 0];
    expect([...decode(payloadOf(streams), 20, [base])]).toEqual([0, 0, 1, 2, 5, 10, 11, ...base.subarray(7)]);
  });

  test.each<[string, number[][], string]>([
    ['a copy past the base', [[0], [10], [22], [], [], []], 'leaves the base'],
    ['a copy before the base', [[0], [10], [1], [], [], []], 'leaves the base'],
    ['a copy past the block', [[0], [11], [0], [], [], []], 'leaves the block'],
    ['an empty copy', [[0, 0], [0, 10], [0, 0], [], [], []], 'empty'],
    ['literals that are not there', [[1], [9], [0], [], [], []], 'literals end'],
    ['literals that are missing at the end', [[0], [9], [0], [], [], []], 'literals end'],
    ['literals left over', [[0], [9], [0], [], [], [1, 2]], 'there is more'],
    ['a copy length left over', [[0], [10, 1], [0], [], [], []], 'there is more'],
    ['a shift left over', [[0], [10], [0, 0], [], [], []], 'there is more'],
    ['a gap left over', [[0], [10], [0], [10], [1, 0, 0, 0], []], 'there is more'],
    ['a difference left over', [[0], [10], [0], [], [1, 0, 0, 0], []], 'there is more'],
    ['a gap without its difference', [[0], [10], [0], [1], [], []], 'differences end'],
    ['half a difference', [[0], [10], [0], [1], [1, 0], []], 'differences end'],
    ['a number cut off', [[0], [138], [0], [], [], []], 'cut off'],
    ['a gap cut off', [[0], [10], [0], [1, 128], [1, 0, 0, 0], []], 'cut off'],
    ['a number of 33 bits', [[0], [10], [128, 128, 128, 128, 16], [], [], []], 'too large'],
    ['a missing shift', [[0], [10], [], [], [], []], 'cut off'],
  ])('%s is refused', (_, streams, reason) => {
    expect(() => decode(payloadOf(streams), 10, [base])).toThrow(reason);
  });

  test('headers are refused that do not add up', () => {
    const sound = payloadOf([[0], [10], [0], [], [], []]);
    expect([...decode(sound, 10, [base])]).toEqual([...base.subarray(0, 10)]);
    expect(() => decode(new Uint8Array(0), 10, [base])).toThrow('no known form');
    expect(() => decode(Uint8Array.of(3, 0), 10, [base])).toThrow('no known form');
    expect(() => decode(sound.subarray(0, 9), 10, [base])).toThrow('cut off');
    expect(() => decode(sound.subarray(0, sound.length - 1), 10, [base])).toThrow('do not fill');
    expect(() => decode(Uint8Array.of(...sound, 0), 10, [base])).toThrow('do not fill');
    expect(() => decode(sound, 2, [base])).toThrow('longer than the block');
    const huge = Uint8Array.of(1, 255, 255, 255, 255, 15, 1, ...sound.subarray(3));
    expect(() => decode(huge, 10, [base])).toThrow('longer than the block');
  });

  test('a stream that unfolds to less or more than it says is refused', () => {
    const frame = new ZstdCompressor(3).compress(new Uint8Array(100));
    for (const claimed of [99, 101]) {
      const header = [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, claimed, frame.length];
      expect(() => decode(Uint8Array.of(...header, ...frame), claimed, [base])).toThrow();
    }
    const header = [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 100, frame.length];
    expect(decode(Uint8Array.of(...header, ...frame), 100, [base])).toEqual(new Uint8Array(100));
  });

  test('a base that zstd would take for a formatted dictionary is refused', () => {
    const dictionary = Uint8Array.of(0x37, 0xa4, 0x30, 0xec, 1, 2, 3, 4, 5, 6, 7, 8);
    const payload = Uint8Array.of(2, ...new ZstdCompressor(3).compress(base));
    expect(() => decode(payload, base.length, [dictionary])).toThrow('raw dictionary');
    expect(decode(payload, base.length, [seededBytes(numbersFrom(1), 50)])).toEqual(base);
  });
});

test(`${MUTATIONS} mutated payloads give an error or bytes of the right length`, { timeout: 60_000 }, () => {
  const seed = 20_261_122;
  const next = numbersFrom(seed);
  const bytes = makeCode(next, 3000);
  const plain = Uint8Array.from(EDITS.shift!(EDITS.insert!(EDITS.move!(bytes, next), next), next));
  const payloads: Uint8Array[] = [];
  for (const level of [3, 19]) {
    const encoder = new DeltaEncoder(level, new ZstdCompressor(level));
    encoder.fill([bytes], plain);
    payloads.push(Uint8Array.from(encoder.encode(Uint32Array.of(bytes.length), plain.length)!.payload));
  }
  payloads.push(Uint8Array.of(2, ...new ZstdCompressor(12).compressUsing(bytes, plain, 12)));
  // One whose streams are all stored as they are: mutations then reach the kernel and not zstd alone.
  payloads.push(
    payloadOf([
      [2, 0, 9],
      [100, 60, 90],
      [4, 9, 30],
      [3, 20, 30],
      [1, 1, 0, 0, 7, 9, 9, 9, 1, 2, 3, 4],
      seedLiterals(next),
    ]),
  );
  const counts = { refused: 0, decoded: 0 };
  for (let i = 0; i < MUTATIONS; i++) {
    const sound = payloads[i % payloads.length]!;
    const mutated = mutate(sound, next);
    const length = sound === payloads[3] ? 300 : plain.length;
    try {
      expect(decode(mutated, length, [bytes]).length).toBe(length);
      counts.decoded++;
    } catch (error) {
      if (
        !(error instanceof Error) ||
        error instanceof WebAssembly.RuntimeError ||
        error instanceof TypeError
      ) {
        throw new Error(`seed ${seed}, mutation ${i}`, { cause: error });
      }
      counts.refused++;
    }
  }
  expect(counts.refused).toBeGreaterThan(MUTATIONS / 4);
  expect(counts.decoded).toBeGreaterThan(MUTATIONS / 100);
});

function seedLiterals(next: () => number): number[] {
  return [...seededBytes(next, 50)];
}

function mutate(sound: Uint8Array, next: () => number): Uint8Array {
  const mutated = Uint8Array.from(sound);
  for (let i = 1 + (next() % 3); i > 0; i--) {
    const at = next() % mutated.length;
    if (next() % 2) mutated[at]! ^= 1 << (next() % 8);
    else mutated[at] = [0, 1, 127, 128, 255][next() % 5]!;
  }
  if (next() % 10 === 0) return mutated.subarray(0, next() % mutated.length);
  return mutated;
}

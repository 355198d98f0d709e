import { describe, expect, test } from 'vitest';
import {
  positionOfState,
  STATE_HISTORY_BYTES,
  STATE_LOOKAHEAD_BYTES,
} from '../../../src/compress/exact/resumable-encoder.js';
import {
  createGnuGzipEncoder,
  createZlibEncoder,
  type ZlibEncoder,
  type ZlibLevel,
} from '../../../src/compress/exact/zlib/zlib-encoder.js';
import { createRandom, makeInput } from '../../support/deflate-inputs.mjs';
import { collectBytes, encodeInPieces } from '../../support/deflate-vectors.js';

const LEVELS: readonly ZlibLevel[] = [4, 5, 6, 7, 8, 9];
const FAMILIES = [
  { family: 'zlib', create: (level: ZlibLevel) => createZlibEncoder({ level, memLevel: 8 }) },
  { family: 'zlib memLevel 9', create: (level: ZlibLevel) => createZlibEncoder({ level, memLevel: 9 }) },
  { family: 'GNU gzip', create: (level: ZlibLevel) => createGnuGzipEncoder({ level }) },
];
const nothing = () => {};
const INPUTS = {
  tar: makeInput('tar', 4, 400_000),
  mixture: makeInput('mixture', 4, 400_000),
};

/** The stream of `plain`, and the states an encoder was in after about every `every` bytes. */
function encodeWithStates(encoder: ZlibEncoder, plain: Uint8Array, every: number) {
  const states: Uint8Array[] = [];
  encoder.reset();
  const stream = collectBytes((emit) => {
    for (let at = 0; at < plain.length; at += every) {
      encoder.write(plain.subarray(at, at + every), emit);
      const state = encoder.saveState();
      if (state && !states.some((before) => Buffer.from(before).equals(state))) states.push(state);
    }
    encoder.finish(emit);
  });
  return { stream, states };
}

/** One part of the stream, from a state to the next one or to the end, made from nothing but the plain bytes. */
function encodePart(
  encoder: ZlibEncoder,
  plain: Uint8Array,
  state: Uint8Array,
  next: Uint8Array | undefined,
) {
  const { plainBytes, compressedBytes } = positionOfState(state);
  encoder.restore(state, plain.subarray(Math.max(0, plainBytes - STATE_HISTORY_BYTES), plainBytes));
  const end = next && positionOfState(next);
  const part = collectBytes((emit) => {
    encoder.write(plain.subarray(plainBytes, end && end.plainBytes + STATE_LOOKAHEAD_BYTES), emit);
    if (!end) encoder.finish(emit);
  });
  return end ? part.subarray(0, end.compressedBytes - compressedBytes) : part;
}

describe.each(FAMILIES)('states of $family', ({ create }) => {
  test.each(LEVELS)('parts joined are the stream, level %i', (level) => {
    const encoder = create(level);
    const other = create(level);
    for (const plain of Object.values(INPUTS)) {
      const { stream, states } = encodeWithStates(encoder, plain, 40_000);
      expect(states.length).toBeGreaterThan(1);
      const first = positionOfState(states[0]!).compressedBytes;
      // Not in their order: a part leans on no other.
      const order = states.map((_, i) => i).reverse();
      const made = new Map(order.map((i) => [i, encodePart(other, plain, states[i]!, states[i + 1])]));
      const joined = [stream.subarray(0, first), ...states.map((_, i) => made.get(i)!)];
      expect(Buffer.concat(joined).equals(stream)).toBe(true);
    }
  });

  test('the last part is right wherever the input ends', () => {
    const encoder = create(6);
    const other = create(6);
    const { states } = encodeWithStates(encoder, INPUTS.tar, 40_000);
    const state = states.at(-1)!;
    const { plainBytes, compressedBytes } = positionOfState(state);
    for (const more of [33_100, 40_000, 50_001, 65_535]) {
      const plain = INPUTS.tar.subarray(0, plainBytes + more);
      const whole = encodeInPieces(encoder, plain);
      const part = encodePart(other, plain, state, undefined);
      expect(Buffer.from(part).equals(whole.subarray(compressedBytes)), `${more} bytes more`).toBe(true);
    }
  });

  test('there is none before the first block, after a finish, nor at levels whose chains have gaps', () => {
    const encoder = create(6);
    encoder.write(INPUTS.tar.subarray(0, 10_000), nothing);
    expect(encoder.saveState()).toBeUndefined();
    encoder.write(INPUTS.tar, nothing);
    expect(encoder.saveState()?.length).toBeLessThanOrEqual(64);
    encoder.finish(nothing);
    expect(encoder.saveState()).toBeUndefined();
    for (const level of [1, 2, 3] as const) {
      const greedy = create(level);
      greedy.write(INPUTS.tar, nothing);
      expect(greedy.saveState()).toBeUndefined();
    }
  });

  test('a damaged state is refused or makes other bytes, and the encoder is sound after a reset', () => {
    const encoder = create(6);
    const plain = INPUTS.mixture;
    const { stream, states } = encodeWithStates(encoder, plain, 40_000);
    const random = createRandom(9);
    let refused = 0;
    for (let i = 0; i < 200; i++) {
      const state = states.at(-1)!.slice();
      state[random.below(24)] = random.below(256);
      if (i >= 100) state.set(random.bytes(9), 3);
      try {
        encoder.restore(state, plain.subarray(0, STATE_HISTORY_BYTES));
        encoder.write(plain.subarray(0, i % 2 ? 5 : 70_000), nothing);
        encoder.finish(nothing);
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError);
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(20);
    expect(Buffer.from(encodeInPieces(encoder, plain)).equals(stream)).toBe(true);
  });
});

test('there is none once the stream has a flush or a dictionary in it', () => {
  const encoder = createZlibEncoder({ level: 6, memLevel: 8 });
  encoder.write(INPUTS.tar, nothing);
  encoder.flush(nothing);
  expect(encoder.saveState()).toBeUndefined();
  encoder.write(INPUTS.tar, nothing);
  expect(encoder.saveState()).toBeUndefined();
  encoder.reset(INPUTS.tar.subarray(0, 100));
  encoder.write(INPUTS.tar, nothing);
  expect(encoder.saveState()).toBeUndefined();
  encoder.reset();
  encoder.write(INPUTS.tar, nothing);
  expect(encoder.saveState()).toBeDefined();
});

test('a state of other parameters, another length or too little history is refused', () => {
  const encoder = createZlibEncoder({ level: 6, memLevel: 8 });
  encoder.write(INPUTS.tar, nothing);
  const state = encoder.saveState()!;
  const history = INPUTS.tar.subarray(0, STATE_HISTORY_BYTES);
  const others = [
    createZlibEncoder({ level: 5, memLevel: 8 }),
    createZlibEncoder({ level: 6, memLevel: 9 }),
    createZlibEncoder({ level: 1, memLevel: 8 }),
    createGnuGzipEncoder({ level: 6 }),
  ];
  for (const other of others) expect(() => other.restore(state, history)).toThrow(RangeError);
  expect(() => encoder.restore(state.subarray(1), history)).toThrow(RangeError);
  expect(() => encoder.restore(state, history.subarray(1))).toThrow(RangeError);
  expect(() => positionOfState(state.subarray(1))).toThrow(RangeError);
});

import { describe, expect, test } from 'vitest';
import { createGoEncoder, type GoEncoder, type GoLevel } from '../../../src/compress/exact/go/go-encoder.js';
import {
  positionOfState,
  STATE_HISTORY_BYTES,
  STATE_LOOKAHEAD_BYTES,
} from '../../../src/compress/exact/resumable-encoder.js';
import { createRandom, makeInput } from '../../support/deflate-inputs.mjs';
import { collectBytes, encodeInPieces } from '../../support/deflate-vectors.js';

const LEVELS: readonly GoLevel[] = [4, 5, 6, 7, 8, 9];
const nothing = () => {};

/** The stream of `plain`, and the states an encoder was in after about every `every` bytes. */
function encodeWithStates(level: GoLevel, plain: Uint8Array, every: number) {
  const encoder = createGoEncoder({ level });
  const states: Uint8Array[] = [];
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
function encodePart(encoder: GoEncoder, plain: Uint8Array, state: Uint8Array, next: Uint8Array | undefined) {
  const { plainBytes, compressedBytes } = positionOfState(state);
  encoder.restore(state, plain.subarray(Math.max(0, plainBytes - STATE_HISTORY_BYTES), plainBytes));
  const end = next && positionOfState(next);
  const part = collectBytes((emit) => {
    encoder.write(plain.subarray(plainBytes, end && end.plainBytes + STATE_LOOKAHEAD_BYTES), emit);
    if (!end) encoder.finish(emit);
  });
  return end ? part.subarray(0, end.compressedBytes - compressedBytes) : part;
}

const INPUTS = {
  tar: makeInput('tar', 4, 500_000),
  mixture: makeInput('mixture', 4, 500_000),
  records: makeInput('records', 4, 500_000),
};

describe.each(LEVELS)('states of Go level %i', (level) => {
  test.each(['tar', 'mixture', 'records'] as const)('parts of %s joined are the stream', (kind) => {
    const plain = INPUTS[kind];
    const { stream, states } = encodeWithStates(level, plain, 120_000);
    expect(states.length).toBeGreaterThan(1);
    const first = positionOfState(states[0]!).compressedBytes;
    const encoder = createGoEncoder({ level });
    // Not in their order: a part leans on no other.
    const parts = states.map((_, i) => i).reverse();
    const made = new Map(parts.map((i) => [i, encodePart(encoder, plain, states[i]!, states[i + 1])]));
    const joined = [stream.subarray(0, first), ...states.map((_, i) => made.get(i)!)];
    expect(Buffer.concat(joined).equals(stream)).toBe(true);
  });

  test('there is none before the first block, nor once chains cannot be rebuilt', () => {
    const plain = INPUTS.tar.subarray(0, 300_000);
    const encoder = createGoEncoder({ level });
    encoder.write(plain.subarray(0, 10_000), nothing);
    expect(encoder.saveState()).toBeUndefined();
    encoder.write(plain, nothing);
    expect(encoder.saveState()?.length).toBeLessThanOrEqual(64);
    encoder.flush(nothing);
    expect(encoder.saveState()).toBeUndefined();
    encoder.write(plain, nothing);
    expect(encoder.saveState()).toBeUndefined();
    encoder.reset(plain.subarray(0, 100));
    encoder.write(plain, nothing);
    expect(encoder.saveState()).toBeUndefined();
    encoder.reset();
    encoder.write(plain, nothing);
    expect(encoder.saveState()).toBeDefined();
  });
});

test('levels whose tables cannot be rebuilt have no states', () => {
  const plain = INPUTS.tar;
  for (const level of [-2, 0, 1, 2, 3] as const) {
    const encoder = createGoEncoder({ level });
    encoder.write(plain, nothing);
    expect(encoder.saveState()).toBeUndefined();
  }
});

test('a damaged state is refused or makes other bytes, and the encoder is sound after a reset', () => {
  const plain = INPUTS.mixture;
  const { stream, states } = encodeWithStates(6, plain, plain.length);
  const encoder = createGoEncoder({ level: 6 });
  const history = plain.subarray(0, STATE_HISTORY_BYTES);
  const random = createRandom(9);
  let refused = 0;
  for (let i = 0; i < 200; i++) {
    const state = i < 100 ? states.at(-1)!.slice() : random.bytes(32);
    state[random.below(16)] = random.below(256);
    if (i >= 100) state.set([1, 6, random.below(2), 0, 0, 0]);
    try {
      encoder.restore(state, history);
      encoder.write(plain.subarray(0, 70_000), nothing);
      encoder.finish(nothing);
    } catch (error) {
      expect(error).toBeInstanceOf(RangeError);
      refused++;
    }
  }
  expect(refused).toBeGreaterThan(20);
  expect(Buffer.from(encodeInPieces(encoder, plain)).equals(stream)).toBe(true);
});

test('a state of another level, another length or too little history is refused', () => {
  const plain = INPUTS.tar;
  const { states } = encodeWithStates(6, plain, plain.length);
  const state = states.at(-1)!;
  const history = plain.subarray(0, STATE_HISTORY_BYTES);
  expect(() => createGoEncoder({ level: 5 }).restore(state, history)).toThrow(RangeError);
  expect(() => createGoEncoder({ level: 1 }).restore(state, history)).toThrow(RangeError);
  expect(() => createGoEncoder({ level: 6 }).restore(state.subarray(1), history)).toThrow(RangeError);
  expect(() => createGoEncoder({ level: 6 }).restore(state, history.subarray(1))).toThrow(RangeError);
  expect(() => positionOfState(state.subarray(1))).toThrow(RangeError);
});

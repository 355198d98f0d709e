import { expect, it } from 'vitest';
import { readAhead } from '../../src/pool/read-ahead.js';
import { createRandom } from '../support/deflate-inputs.mjs';

const SEED = 20261123;
const FILE = createRandom(SEED).bytes(1_500_000);
const later = () => new Promise((resolve) => setImmediate(resolve));

it('gives what is in the file, wherever it is read, though the file gives less than asked for', async () => {
  const random = createRandom(SEED);
  const readAt = readAhead(async (into, position) => {
    await later();
    const piece = FILE.subarray(position, position + Math.min(into.length, 1 + random.below(150_000)));
    into.set(piece);
    return piece.length;
  });
  for (let round = 0, position = 0; round < 400; round++) {
    const into = new Uint8Array(1 + random.below(90_000));
    const count = await readAt(into, position);
    const expected = FILE.subarray(position, position + count);
    expect(Buffer.compare(into.subarray(0, count), expected), `seed ${SEED}, round ${round}`).toBe(0);
    expect(count === 0).toBe(position >= FILE.length);
    // Mostly on, at times a little back or anywhere.
    if (random.below(20) === 0) position = random.below(FILE.length + 1000);
    else position = Math.max(0, position + count - (random.below(4) === 0 ? random.below(70_000) : 0));
  }
});

it('reads each block once, and ahead', async () => {
  const asked: number[] = [];
  const readAt = readAhead(async (into, position) => {
    asked.push(position);
    const piece = FILE.subarray(position, position + into.length);
    into.set(piece);
    return piece.length;
  });
  const into = new Uint8Array(1000);
  await readAt(into, 0);
  await later();
  expect(asked).toEqual([0, 262_144]);
  for (let at = 1000; at < 262_144; at += 1000) await readAt(into, at);
  expect(asked).toEqual([0, 262_144]);
});

it('an error comes where its bytes are wanted, and not before', async () => {
  const readAt = readAhead(async (into, position) => {
    if (position >= 262_144) throw new Error('the disk is gone');
    return into.length;
  });
  const into = new Uint8Array(100_000);
  expect(await readAt(into, 0)).toBe(100_000);
  await later();
  expect(await readAt(into, 200_000)).toBe(62_144);
  await expect(Promise.resolve(readAt(into, 262_144))).rejects.toThrow('the disk is gone');
});

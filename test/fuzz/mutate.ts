import type { Random } from './random.js';

/** Numbers at which lengths, counts and offsets go wrong. */
const EDGES = [
  0n,
  1n,
  7n,
  8n,
  127n,
  128n,
  255n,
  256n,
  511n,
  512n,
  65_535n,
  65_536n,
  0x7fff_ffffn,
  0x8000_0000n,
  0xffff_ffffn,
  2n ** 32n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 63n,
  2n ** 64n - 1n,
];

type Change = (random: Random, bytes: Buffer) => Buffer;

const CHANGES: readonly Change[] = [
  (random, bytes) => {
    const at = random.below(bytes.length);
    bytes[at] = bytes[at]! ^ (1 << random.below(8));
    return bytes;
  },
  (random, bytes) => {
    bytes[random.below(bytes.length)] = random.below(256);
    return bytes;
  },
  (random, bytes) => {
    bytes.writeUInt8(Number(random.pick(EDGES) & 255n), random.below(bytes.length));
    return bytes;
  },
  (random, bytes) => writeEdge(random, bytes, 4),
  (random, bytes) => writeEdge(random, bytes, 8),
  (random, bytes) => {
    const at = random.below(bytes.length);
    const value = bytes[at]! + random.pick([1, -1]);
    bytes[at] = value & 255;
    return bytes;
  },
  (random, bytes) => bytes.subarray(0, random.below(bytes.length + 1)),
  (random, bytes) => bytes.subarray(random.below(bytes.length + 1)),
  (random, bytes) => Buffer.concat([bytes, random.bytes(random.size(64))]),
  (random, bytes) => insert(bytes, random.below(bytes.length + 1), random.bytes(random.size(16))),
  (random, bytes) => {
    const [start, end] = rangeOf(random, bytes.length);
    return Buffer.concat([bytes.subarray(0, start), bytes.subarray(end)]);
  },
  (random, bytes) => {
    const [start, end] = rangeOf(random, bytes.length);
    return insert(bytes, random.below(bytes.length + 1), bytes.subarray(start, Math.min(end, start + 4096)));
  },
  (random, bytes) => {
    const [start, end] = rangeOf(random, bytes.length);
    bytes.copyWithin(random.below(bytes.length), start, end);
    return bytes;
  },
  (random, bytes) => {
    const [start, end] = rangeOf(random, bytes.length);
    return bytes.fill(random.pick([0, 255, 32]), start, end);
  },
];

/** A copy of `bytes` with one to some changes, such as a stranger or a broken disk makes. */
export function mutated(random: Random, bytes: Uint8Array): Uint8Array {
  let changed: Buffer = Buffer.from(bytes);
  for (let left = 1 + random.size(6); left > 0; left--) {
    changed = changed.length === 0 ? Buffer.from(random.bytes(8)) : random.pick(CHANGES)(random, changed);
  }
  return new Uint8Array(changed);
}

/** Most inputs are changed, a few are as they were: what is accepted is tested as well. */
export function maybeMutated(random: Random, bytes: Uint8Array): Uint8Array {
  return random.percent(90) ? mutated(random, bytes) : new Uint8Array(bytes);
}

/** An edge, or a number near it. */
export function edge(random: Random): bigint {
  const value = random.pick(EDGES) + BigInt(random.between(-1, 1));
  return BigInt.asUintN(64, value);
}

function writeEdge(random: Random, bytes: Buffer, width: number): Buffer {
  const value = edge(random);
  // Fields lie at multiples of four more often than not.
  const at = random.below(bytes.length) & (random.percent(70) ? ~3 : ~0);
  for (let i = 0; i < width && at + i < bytes.length; i++)
    bytes[at + i] = Number((value >> BigInt(8 * i)) & 255n);
  return bytes;
}

function rangeOf(random: Random, length: number): [start: number, end: number] {
  const start = random.below(length);
  return [start, start + random.size(length - start)];
}

function insert(bytes: Buffer, at: number, piece: Uint8Array): Buffer {
  return Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(at)]);
}

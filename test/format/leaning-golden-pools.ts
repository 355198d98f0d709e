import { concatBytes, noise, tarEnd, tarFile } from '../support/tar-builder.js';
import { fails, fromFiles, type Maker, ok } from './golden-expectation.js';
import { type HandMadeBlock, type PoolFiles, packFile } from './hand-made-pool.js';
import { dockerArchive } from './image-builder.js';
import { saveArchiveBytes } from './pool-run.js';
import { ARCHIVE, poolOf, TINY_BLOCKS, tinySnapshot } from './tiny-image.js';

const [DATA, SKELETONS, RECIPES] = TINY_BLOCKS as [HandMadeBlock, HandMadeBlock, HandMadeBlock];
/** What no reader comes to decode. */
const UNREAD = Buffer.from('never decoded');

function leaning(
  { kind, chunks }: HandMadeBlock,
  depth: number,
  bases: Uint8Array[],
  stored: Uint8Array = UNREAD,
): HandMadeBlock {
  return { codec: 2, kind, chunks, delta: { depth, bases, stored } };
}

/** The tiny pool with its blocks in packs of their own. */
function packed(...packs: HandMadeBlock[][]): PoolFiles {
  return poolOf(
    packs.map((blocks) => packFile(blocks)),
    [tinySnapshot()],
  );
}

/**
 * The payload of a block that is its base with four bytes changed: form 1, streams as they are.
 * @param at where, less than 128
 */
function oneDifference(plain: Uint8Array, base: Uint8Array, at: number): Buffer {
  const [before, after] = [base, plain].map((bytes) => Buffer.from(bytes).readUInt32LE(at)) as [
    number,
    number,
  ];
  const length = leb128(plain.length);
  const header = [1, 1, length.length, length.length, 1, 1, 1, 1, 4, 4, 0, 0];
  const difference = Buffer.alloc(4);
  difference.writeUInt32LE((after - before) >>> 0);
  return Buffer.from([
    1,
    ...header.flatMap((number) => [...leb128(number)]),
    0,
    ...length,
    0,
    at,
    ...difference,
  ]);
}

function leb128(number: number): number[] {
  return number < 128 ? [number] : [(number & 127) | 128, ...leb128(number >>> 7)];
}

/** A block of one chunk that is all of another with four bytes changed, and that other as a delta of it. */
function leaningPair(block: HandMadeBlock, depth: number): [base: HandMadeBlock, leaning: HandMadeBlock] {
  const plain = new Uint8Array(Buffer.concat(block.chunks));
  const changed = plain.map((byte, at) => (at >= 7 && at < 11 ? byte ^ (depth + 40 * at) : byte));
  const stored = oneDifference(plain, changed, 7);
  return [{ codec: 0, kind: block.kind, chunks: [changed] }, leaning(block, depth, [changed], stored)];
}

/** DATA leans on a block that leans on another. */
function chain(): PoolFiles {
  const [middle, top] = leaningPair(DATA, 2);
  const [bottom, leaningMiddle] = leaningPair(middle, 1);
  return packed([top, SKELETONS], [leaningMiddle, RECIPES], [bottom]);
}

/** Two pools in which either of two blocks leans on the other, merged. */
function merged(): PoolFiles {
  const [other, data] = leaningPair(DATA, 1);
  const one: HandMadeBlock = { codec: 0, kind: 1, chunks: [new Uint8Array(Buffer.concat(DATA.chunks))] };
  const stored = oneDifference(other.chunks[0]!, one.chunks[0]!, 7);
  return packed([other, data, SKELETONS, RECIPES], [one, DATA, leaning(other, 1, one.chunks, stored)]);
}

/** The payload of DATA with one byte changed. */
function changedPayload(at: number, to: number): PoolFiles {
  const [base, top] = leaningPair(DATA, 1);
  top.delta!.stored[at] = to;
  return packed([top, SKELETONS], [base, RECIPES]);
}

/** A layer whose files differ a little from version to version. */
function release(version: number): Uint8Array {
  const binary = noise(12, 50_000);
  for (let at = version; at < binary.length; at += 5003) binary[at] = (binary[at]! + version) & 255;
  const text = Buffer.from(`release ${version}\n${'the same line in all of them\n'.repeat(90)}`);
  return concatBytes([tarFile('binary', binary), tarFile('text', new Uint8Array(text)), tarEnd()]);
}
const RELEASES = [1, 2, 3].map((version) =>
  dockerArchive({ reference: 'app:1', layers: [release(version)] }),
);

/** x86-64 code as compilers lay it out: calls of a few functions from many places, between other instructions. */
function code(calls: number): Uint8Array {
  const bytes = Buffer.alloc(calls * 24);
  for (let call = 0; call < calls; call++) {
    const at = call * 24;
    for (const [i, byte] of noise(call % 7, 19).entries()) bytes.writeUInt8(byte & 0x3f, at + i);
    bytes.writeUInt8(0xe8, at + 19);
    bytes.writeInt32LE((call % 11) * 4096 - (at + 24), at + 20);
  }
  return new Uint8Array(bytes);
}
const CODE = dockerArchive({
  reference: 'code:1',
  layers: [concatBytes([tarFile('program', code(4000)), tarEnd()])],
});

/** Pools whose packs have features. */
export const LEANING_POOLS: Record<string, Maker> = {
  'sound-x86-filter': async (directory) => {
    await saveArchiveBytes(directory, CODE, { timeMs: Date.UTC(2026, 0, 1) });
    return ok({ 'code:1': CODE });
  },
  'sound-pack-feature-unused': fromFiles(
    poolOf([packFile(TINY_BLOCKS, 1, 1)], [tinySnapshot()]),
    ok({ 'hello:1': ARCHIVE }),
  ),
  'sound-sketches': fromFiles(
    packed([DATA, { ...SKELETONS, sketches: noise(24, 48) }, RECIPES]),
    ok({ 'hello:1': ARCHIVE }),
  ),
  'sound-delta-chain': fromFiles(chain(), ok({ 'hello:1': ARCHIVE })),
  'sound-delta-merged': fromFiles(merged(), ok({ 'hello:1': ARCHIVE })),
  'sound-delta-releases': async (directory) => {
    for (let i = 0; i < RELEASES.length; i++)
      await saveArchiveBytes(directory, RELEASES[i]!, { timeMs: Date.UTC(2026, 0, 1 + i) });
    return ok({ 'app:1': RELEASES[2]!, 'app:1~1': RELEASES[1]!, 'app:1~2': RELEASES[0]! });
  },
  'delta-of-unknown-form': fromFiles(changedPayload(0, 3), fails('POOL_DAMAGED')),
  'delta-leaves-base': fromFiles(changedPayload(16, 8), fails('POOL_DAMAGED')),
  'delta-with-a-number-too-many': fromFiles(changedPayload(17, 128), fails('POOL_DAMAGED')),
  'delta-base-missing': fromFiles(
    packed([leaning(DATA, 1, [noise(1, 99)]), SKELETONS, RECIPES]),
    fails('POOL_INCOMPLETE'),
  ),
  'delta-circle': fromFiles(
    packed([leaning(DATA, 2, [SKELETONS.chunks[0]!]), RECIPES], [leaning(SKELETONS, 3, [DATA.chunks[0]!])]),
    fails('POOL_INCOMPLETE'),
  ),
  'delta-base-twice': fromFiles(
    packed([leaning(DATA, 1, [SKELETONS.chunks[0]!, SKELETONS.chunks[0]!]), SKELETONS, RECIPES]),
    fails('POOL_INCOMPLETE'),
  ),
  'delta-base-of-its-own': fromFiles(
    packed([leaning(DATA, 1, [DATA.chunks[1]!]), SKELETONS, RECIPES]),
    fails('POOL_INCOMPLETE'),
  ),
};

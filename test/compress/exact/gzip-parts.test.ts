import { describe, expect, it } from 'vitest';
import { DoesNotFitError } from '../../../src/compress/exact/does-not-fit-error.js';
import { type GzipPart, gzipParts } from '../../../src/compress/exact/gzip-parts.js';
import { GzipRebuilder } from '../../../src/compress/exact/gzip-rebuilder.js';
import { type GzipProof, proveGzip } from '../../../src/compress/exact/prove-gzip.js';
import { STATE_HISTORY_BYTES } from '../../../src/compress/exact/resumable-encoder.js';
import type { Checkpoint } from '../../../src/format/checkpoint-recipe.js';
import { type EncoderSpec, encoderName } from '../../../src/format/encoder-spec.js';
import type { GzipRecipe } from '../../../src/format/gzip-recipe.js';
import { crc32 } from '../../../src/hash/crc32.js';
import { makeInput } from '../../support/deflate-inputs.mjs';
import { collectBytes } from '../../support/deflate-vectors.js';
import { gzipBy } from '../../support/gzip-files.js';
import { concatBytes, seededRandom } from '../../support/tar-builder.js';

const EVERY_BYTES = 150_000;
const SEED = 20_260_101;
const plain = concatBytes([
  makeInput('tar', 4, 400_000),
  new Uint8Array(100_000),
  makeInput('mixture', 5, 300_000),
]);

async function prove(bytes: Uint8Array, last: EncoderSpec): Promise<GzipProof & { exact: true }> {
  const file = {
    sizeBytes: bytes.length,
    read(into: Uint8Array, position: number): number {
      const piece = bytes.subarray(position, position + into.length);
      into.set(piece);
      return piece.length;
    },
  };
  const proof = await proveGzip(file, { last, checkpointEveryBytes: EVERY_BYTES });
  if (!proof.exact) throw new Error(`it is ${proof.reason}`);
  return proof;
}

function recipeOf(
  { members, trailing, plainBytes }: GzipProof & { exact: true },
  sizeBytes: number,
): GzipRecipe {
  const inner = { recipeId: '00'.repeat(32), sizeBytes: plainBytes };
  return { kind: 'gzip', sizeBytes, inner, members, trailing };
}

/** One part, made from nothing but the plain bytes from its history to its lookahead. */
function makePart(recipe: GzipRecipe, part: GzipPart, all: Uint8Array): Uint8Array {
  const { plainAt, plainBytes, firstMember, memberCount, lookaheadBytes } = part;
  const members = recipe.members.slice(firstMember, firstMember + memberCount);
  const history = all.slice(Math.max(0, plainAt - STATE_HISTORY_BYTES), plainAt);
  const end = plainAt + plainBytes;
  return collectBytes((emit) => {
    const rebuilder = new GzipRebuilder(members, recipe.trailing, part, history);
    for (let at = plainAt; at < end; at += 70_001)
      rebuilder.write(all.subarray(at, Math.min(end, at + 70_001)), emit);
    rebuilder.finish(emit, all.subarray(end, end + lookaheadBytes));
  });
}

/** Checks that the parts, made in no order, are the file. @returns how many there are */
async function expectParts(bytes: Uint8Array, all: Uint8Array, spec: EncoderSpec): Promise<number> {
  const proof = await prove(bytes, spec);
  const recipe = recipeOf(proof, bytes.length);
  const parts = gzipParts(recipe, proof.checkpoints);
  for (const { plainBytes, crc, state } of proof.checkpoints) {
    if (state[0] === 0 || proof.members.length > 1) continue;
    expect(crc).toBe(crc32(all.subarray(0, plainBytes)));
  }
  const made = new Map<GzipPart, Uint8Array>();
  for (const part of [...parts].reverse()) made.set(part, makePart(recipe, part, all));
  for (const part of parts) {
    const expected = bytes.subarray(part.encodedAt, part.encodedAt + (part.encodedBytes ?? bytes.length));
    expect(Buffer.from(made.get(part)!).equals(expected), `the part at ${part.plainAt}`).toBe(true);
  }
  return parts.length;
}

const GO_1: EncoderSpec = { family: 'go', level: 1 };
const WITH_STATES: EncoderSpec[] = [
  ...[4, 6, 9].map((level) => ({ family: 'go', level }) as const),
  ...[4, 6, 9].map((level) => ({ family: 'zlib', level, memLevel: 8 }) as const),
  { family: 'zlib', level: 6, memLevel: 9 },
  { family: 'gnu', level: 6 },
  { family: 'pgzip', level: 5, variant: '1.15.10', blockBytes: 2 ** 17 },
  { family: 'pgzip', level: 1, variant: '1.18.2', blockBytes: 70_000 },
  { family: 'pigz', level: 9, flags: 0, blockBytes: 2 ** 17 },
  { family: 'pigz', level: 6, flags: 1, blockBytes: 2 ** 17 },
  { family: 'pigz', level: 6, flags: 4, blockBytes: 2 ** 17 },
];
const WITHOUT: EncoderSpec[] = [
  { family: 'chromium', level: 6, memLevel: 8, hash: 'product' },
  { family: 'go', level: 1 },
  { family: 'klauspost', level: 6, variant: '1.18.2' },
  { family: 'zlib', level: 1, memLevel: 8 },
];

describe('parts of a gzip file', () => {
  it.each(WITH_STATES.map((spec) => [encoderName(spec), spec] as const))(
    'by %s are the file',
    async (_, spec) => {
      expect(await expectParts(gzipBy(spec, plain), plain, spec)).toBeGreaterThanOrEqual(3);
    },
  );

  it.each(WITHOUT.map((spec) => [encoderName(spec), spec] as const))(
    'by %s: there is one',
    async (_, spec) => {
      expect(await expectParts(gzipBy(spec, plain), plain, spec)).toBe(1);
    },
  );

  it('of several members begin where members do and within them, with empty ones between', async () => {
    const go: EncoderSpec = { family: 'go', level: 6 };
    const goFast: EncoderSpec = { family: 'go', level: 1 };
    const nothing = new Uint8Array(0);
    const members = [
      gzipBy(go, plain.subarray(0, 160_000)),
      gzipBy(go, nothing),
      gzipBy(goFast, nothing),
      gzipBy(goFast, plain.subarray(160_000, 350_000)),
      gzipBy(goFast, plain.subarray(350_000, 350_010)),
      gzipBy(go, plain.subarray(350_010)),
      gzipBy(go, nothing),
      Uint8Array.of(0, 0, 0),
    ];
    expect(await expectParts(concatBytes(members), plain, go)).toBeGreaterThanOrEqual(4);
  });

  it('of many small members are many', async () => {
    const pieces = Array.from({ length: 40 }, (_, i) => plain.subarray(i * 20_000, (i + 1) * 20_000));
    const bytes = concatBytes(pieces.map((piece) => gzipBy(GO_1, piece)));
    expect(await expectParts(bytes, plain.subarray(0, 800_000), GO_1)).toBe(5);
  });

  it(`of forged checkpoints are refused or other bytes, seed ${SEED}`, async () => {
    const unit = seededRandom(SEED);
    const random = (below: number) => Math.floor(unit() * below);
    let refused = 0;
    let made = 0;
    for (const spec of [WITH_STATES[1]!, WITH_STATES[4]!, WITH_STATES[7]!, WITH_STATES[8]!]) {
      const bytes = gzipBy(spec, plain);
      const proof = await prove(bytes, spec);
      const recipe = recipeOf(proof, bytes.length);
      for (let run = 0; run < 20; run++) {
        const checkpoints = proof.checkpoints.map((checkpoint) => ({
          ...checkpoint,
          state: checkpoint.state.slice(),
        }));
        const forged = random(checkpoints.length);
        forge(checkpoints[forged]!, random);
        try {
          // The part that ends there, and the one that begins.
          const parts = gzipParts(recipe, checkpoints).slice(forged, forged + 2);
          for (const part of parts) made += makePart(recipe, part, plain).length;
        } catch (error) {
          const { name, code } = error as NodeJS.ErrnoException;
          expect(error).toBeInstanceOf(RangeError);
          expect([undefined, DoesNotFitError.code], name).toContain(code);
          refused++;
        }
      }
    }
    expect(refused).toBeGreaterThan(15);
    expect(made).toBeGreaterThan(0);
  });
});

function forge(checkpoint: Checkpoint, random: (below: number) => number): void {
  const kind = random(4);
  if (kind === 0) checkpoint.plainBytes += random(100_000) - 50_000;
  else if (kind === 1) checkpoint.compressedBytes += random(20_000) - 10_000;
  else if (kind === 2) checkpoint.state[random(16)] = random(256);
  else checkpoint.state.set(Array.from({ length: 16 }, () => random(256)));
}

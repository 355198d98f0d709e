import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { holdTrailingZeros } from '../../../src/image/engine/hold-trailing-zeros.js';

const seed = Number(process.env.DBUP_TEST_SEED ?? 7);

async function* feed(chunks: readonly Uint8Array[], end?: Error): AsyncGenerator<Uint8Array> {
  yield* chunks;
  if (end !== undefined) throw end;
}

async function collect(source: AsyncIterable<Uint8Array>): Promise<{ bytes: Buffer; error: unknown }> {
  const pieces: Buffer[] = [];
  try {
    for await (const piece of source) pieces.push(Buffer.from(piece));
  } catch (error) {
    return { bytes: Buffer.concat(pieces), error };
  }
  return { bytes: Buffer.concat(pieces), error: null };
}

const chunkLists = fc.array(
  fc.array(fc.constantFrom(0, 0, 0, 1), { maxLength: 12 }).map((bytes) => Uint8Array.from(bytes)),
  { maxLength: 8 },
);

describe('holdTrailingZeros', () => {
  it('passes every byte of a source that ends well', async () => {
    await fc.assert(
      fc.asyncProperty(chunkLists, async (chunks) => {
        const { bytes } = await collect(holdTrailingZeros(feed(chunks)));
        expect(bytes).toEqual(Buffer.concat(chunks));
      }),
      { seed, verbose: true },
    );
  });

  it('passes all but the last zeros of a source that fails, and its error', async () => {
    await fc.assert(
      fc.asyncProperty(chunkLists, async (chunks) => {
        const end = new Error('wrong at the very end');
        const { bytes, error } = await collect(holdTrailingZeros(feed(chunks, end)));
        const whole = Buffer.concat(chunks);
        const contentEnd = whole.findLastIndex((byte) => byte !== 0) + 1;
        expect(error).toBe(end);
        expect(bytes).toEqual(whole.subarray(0, contentEnd));
      }),
      { seed, verbose: true },
    );
  });

  it('gives a long run of zeros back in pieces', async () => {
    const runBytes = 1_000_003;
    const sizes: number[] = [];
    for await (const piece of holdTrailingZeros(feed([new Uint8Array(runBytes), Uint8Array.of(1)]))) {
      sizes.push(piece.length);
    }
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(runBytes + 1);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(64 * 1024);
  });
});

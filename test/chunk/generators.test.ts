import { describe, expect, it } from 'vitest';
import { fnv1a32, generate, SeededRandom } from './generators.js';

const LENGTH = 300_000;
const make = (generator: string, seed = 1, argument = 0, lengthBytes = LENGTH) =>
  generate({ generator, seed, argument, lengthBytes });

function histogram(bytes: Uint8Array): number[] {
  const counts = new Array<number>(256).fill(0);
  for (const byte of bytes) counts[byte]!++;
  return counts;
}

function entropyBits(bytes: Uint8Array): number {
  return histogram(bytes).reduce((sum, count) => {
    const share = count / bytes.length;
    return count === 0 ? sum : sum - share * Math.log2(share);
  }, 0);
}

describe('the test data generators', () => {
  it('draw the published first numbers of xorshift32', () => {
    const random = new SeededRandom(1);
    expect([random.next(), random.next()]).toEqual([270_369, 67_634_689]);
  });

  it('hash as FNV-1a does', () => {
    expect(fnv1a32(new TextEncoder().encode('foobar'))).toBe(0xbf9cf968);
  });

  it('make other bytes of another seed, and the same of the same', () => {
    for (const generator of ['random', 'text', 'executable', 'sparse']) {
      expect(fnv1a32(make(generator, 7))).toBe(fnv1a32(make(generator, 7)));
      expect(fnv1a32(make(generator, 7))).not.toBe(fnv1a32(make(generator, 8)));
    }
  });

  it('random: every byte is equally likely', () => {
    expect(entropyBits(make('random'))).toBeGreaterThan(7.99);
  });

  it('text: words of low entropy and nothing but printable characters', () => {
    const text = make('text');
    expect(entropyBits(text)).toBeGreaterThan(3);
    expect(entropyBits(text)).toBeLessThan(4.7);
    expect(text.every((byte) => byte === 10 || (byte >= 32 && byte < 127))).toBe(true);
    expect(new Set(new TextDecoder().decode(text).split(/[ ,.\n]+/)).size).toBeGreaterThan(400);
  });

  it('executable: many values, zeros the most common, padded to pages', () => {
    const bytes = make('executable');
    const counts = histogram(bytes);
    expect(counts.every((count) => count > 0)).toBe(true);
    expect(counts[0]).toBe(Math.max(...counts));
    expect(counts[0]! / bytes.length).toBeLessThan(0.7);
  });

  it('sparse: mostly zeros, with islands', () => {
    const zeros = histogram(make('sparse', 5, 0, 2_000_000))[0]! / 2_000_000;
    expect(zeros).toBeGreaterThan(0.9);
    expect(zeros).toBeLessThan(1);
  });

  it('constant, periodic, counter, every-eighth and planted: exactly the pattern', () => {
    expect(make('constant', 1, 255, 1000).every((byte) => byte === 255)).toBe(true);
    const periodic = make('periodic', 3, 97);
    expect(periodic.every((byte, index) => index < 97 || byte === periodic[index - 97])).toBe(true);
    expect(new Set(periodic).size).toBeGreaterThan(50);
    expect([...make('counter', 255, 0, 8)]).toEqual([255, 0, 0, 0, 0, 1, 0, 0]);
    expect([...make('every-eighth', 1, 0, 16)].flatMap((byte, index) => (byte ? [index] : []))).toEqual([
      7, 15,
    ]);
    const planted = make('planted-loose', 1, 100, 200);
    expect([...planted].flatMap((byte, index) => (byte ? [[index, byte]] : []))).toEqual([
      [83, 0x3c],
      [91, 0xbc],
      [99, 0x3c],
    ]);
  });

  it('refuse an unknown name', () => {
    expect(() => make('nonesuch')).toThrow('no generator nonesuch');
  });
});

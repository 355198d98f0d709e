import { describe, expect, it } from 'vitest';
import { zstdLevel } from '../../src/commands/values.js';
import { blockTargetBytes, MAX_LEVEL } from '../../src/pool/block-target.js';

describe('a zstd level', () => {
  const parse = zstdLevel(1, 19);

  it.each([
    ['1', 1],
    ['19', 19],
    ['max', MAX_LEVEL],
  ])('%s', (text, level) => {
    expect(parse(text, '--level')).toBe(level);
  });

  it.each(['0', '20', '22', '', 'MAX', 'maximum', '-1', '3.5', ' 3'])('refuses "%s"', (text) => {
    expect(() => parse(text, '--level')).toThrow(
      /--level is .* but must be a whole number from 1 to 19, or max/,
    );
  });

  it('makes larger blocks from 16 on', () => {
    expect([1, 15, 16, MAX_LEVEL].map(blockTargetBytes)).toEqual([2, 2, 4, 4].map((mib) => mib * 2 ** 20));
  });
});

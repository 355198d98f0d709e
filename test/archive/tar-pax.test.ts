import { describe, expect, test } from 'vitest';
import { nameValue, parsePaxRecords } from '../../src/archive/tar-pax.js';
import { LIMITS } from '../../src/core/limits.js';
import { ascii, concatBytes, paxBody } from '../support/tar-builder.js';

const parse = (text: string | Uint8Array) => {
  const bytes = typeof text === 'string' ? ascii(text) : text;
  return parsePaxRecords(bytes, 0, bytes.length);
};
const NOTHING = { sizeBytes: null, path: null, linkPath: null };

describe('records', () => {
  test('are read by their lengths, so values may hold newlines and equals signs', () => {
    const body = paxBody([
      ['comment', '9 size=1\n'],
      ['path', 'a=b\nc'],
      ['linkpath', 'ü'],
      ['size', '0012'],
    ]);
    expect(parse(body)).toEqual({ sizeBytes: 12, path: 'a=b\nc', linkPath: 'ü' });
  });

  test('the last of equal keys counts, an empty one takes back', () => {
    expect(
      parse(
        paxBody([
          ['path', 'a'],
          ['path', 'b'],
          ['size', '1'],
          ['size', ''],
        ]),
      ),
    ).toEqual({
      ...NOTHING,
      path: 'b',
    });
  });

  test('the name of a sparse file goes before its path, in either order', () => {
    const sparse = ['GNU.sparse.name', 'real'] as const;
    expect(parse(paxBody([sparse, ['path', 'made-up']])).path).toBe('real');
    expect(parse(paxBody([['path', 'made-up'], sparse])).path).toBe('real');
  });

  test.each([
    ['2^53-1', '9007199254740991', Number.MAX_SAFE_INTEGER],
    ['2^53', '9007199254740992', null],
    ['200 digits', '9'.repeat(200), null],
    ['a sign', '-1', null],
    ['a fraction', '1.5', null],
    ['hexadecimal', '0x10', null],
    ['a space', ' 1', null],
  ])('a size of %s', (_, value, expected) => {
    expect(parse(paxBody([['size', value]])).sizeBytes).toBe(expected);
  });

  test.each([
    ['no length', ' size=1\n'],
    ['a length of zero', '0 size=1\n'],
    ['a length that ends before the key', '2 size=1\n'],
    ['a length beyond the body', '99 size=1\n'],
    ['a length too large for a number', `${'9'.repeat(400)} size=1\n`],
    ['a negative length', '-9 size=1\n'],
    ['no newline at its end', '9 size=1x'],
    ['no equals sign', '7 size\n'],
    ['an equals sign only after its end', '7 size\n9 size=1\n'],
    ['no space', '9size=12\n'],
    ['only digits', '99999'],
    ['NULs', '\0\0\0\0'],
  ])('a record with %s ends the reading, and those before it count', (_, record) => {
    const body = concatBytes([paxBody([['path', 'kept']]), ascii(record), paxBody([['size', '2']])]);
    expect(parse(body)).toEqual({ ...NOTHING, path: 'kept' });
  });

  test('bytes outside the given range are not looked at', () => {
    const body = paxBody([['size', '7']]);
    const framed = concatBytes([ascii('1'), body, paxBody([['size', '8']])]);
    expect(parsePaxRecords(framed, 1, 1 + body.length).sizeBytes).toBe(7);
    expect(parsePaxRecords(framed, 1, body.length)).toEqual(NOTHING);
  });
});

test('names end at a NUL and at the limit, and an empty one is none', () => {
  expect(nameValue(ascii('ab\0cd'), 0, 5)).toBe('ab');
  expect(nameValue(ascii('\0cd'), 0, 3)).toBeNull();
  expect(nameValue(ascii('abcd'), 1, 3)).toBe('bc');
  const long = ascii('n'.repeat(LIMITS.tarNameBytes + 1));
  expect(nameValue(long, 0, long.length)).toHaveLength(LIMITS.tarNameBytes);
});

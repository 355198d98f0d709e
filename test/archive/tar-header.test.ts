import { describe, expect, test } from 'vitest';
import {
  isTarHeader as isHeaderBlock,
  TarBlock,
  tarLinkNameField,
  tarNameField,
  tarSizeField,
} from '../../src/archive/tar-header.js';
import { ascii, base256, noise, setChecksum, tarHeader } from '../support/tar-builder.js';

function isTarHeader(bytes: Uint8Array): boolean {
  const block = new TarBlock();
  block.bytes.set(bytes);
  return isHeaderBlock(block);
}

const HIGH_NAME = new Uint8Array(100).fill(0xff);

describe('the checksum', () => {
  test('holds for unsigned and signed sums', () => {
    for (const checksum of ['unsigned', 'signed'] as const) {
      const block = tarHeader(HIGH_NAME, 1, { checksum });
      expect(isTarHeader(block)).toBe(true);
    }
  });

  test('holds for the largest sum a block can have', () => {
    const block = new Uint8Array(512).fill(0xff);
    setChecksum(block, 0);
    expect(isTarHeader(block)).toBe(true);
  });

  test('counts its own field as spaces, whatever stands behind the digits', () => {
    for (const checksum of ['unsigned', 'signed'] as const) {
      const block = tarHeader(HIGH_NAME, 1, { checksum });
      block[155] = 0xff;
      expect(isTarHeader(block)).toBe(true);
    }
  });

  test('fails for every single changed byte', () => {
    const block = tarHeader('name', 1);
    for (let at = 0; at < 512; at++) {
      // The bytes after the digits of the checksum field count for nothing.
      if (at >= 154 && at < 156) continue;
      const changed = block.slice();
      changed[at] = changed[at]! ^ 0x01;
      expect(isTarHeader(changed), `byte ${at}`).toBe(false);
    }
  });

  test.each<[string, Uint8Array]>([
    ['zeros', new Uint8Array(512)],
    ['spaces', new Uint8Array(512).fill(0x20)],
    ['high bytes', new Uint8Array(512).fill(0xff)],
    ['a bad sum', tarHeader('a', 1, { checksum: 'bad' })],
    ['noise', noise(1, 512)],
  ])('does not hold for %s', (_, block) => {
    expect(isTarHeader(block)).toBe(false);
  });

  test.each(['%s\0 ', ' %s ', '%s  ', '\0%s\0', '0%s\0', '00%s', ' 0%s', '%s\0x'])(
    'may be written as %j',
    (form) => {
      const block = tarHeader('name', 1);
      const digits = Buffer.from(block.subarray(148, 154)).toString();
      block.set(ascii(form.replace('%s', digits)), 148);
      expect(isTarHeader(block)).toBe(true);
    },
  );
});

describe('the size field', () => {
  const size = (field: Uint8Array) => tarSizeField(tarHeader('a', 0, { sizeField: field }));
  test.each<[string, Uint8Array, number]>([
    ['octal', ascii('00000001750\0'), 1000],
    ['octal in spaces', ascii('   1750     '), 1000],
    ['octal after NULs', ascii('\0\x001750\0'), 1000],
    ['twelve digits', ascii('777777777777'), 8 ** 12 - 1],
    ['digits, a NUL and anything', ascii('17\0abcdefgh'), 15],
    ['blank', ascii('           \0'), 0],
    ['NULs', new Uint8Array(12), 0],
    ['a digit 8', ascii('00000001758\0'), -1],
    ['a sign', ascii('-0000001750\0'), -1],
    ['base-256', base256(2n ** 40n + 3n), 2 ** 40 + 3],
    ['base-256 at the limit', base256(2n ** 53n - 1n), 2 ** 53 - 1],
    ['base-256 above the limit', base256(2n ** 53n), -1],
    ['base-256 far above', base256(2n ** 93n), -1],
    ['base-256 of -1', base256(-1n), -1],
    ['base-256, the smallest', base256(-(2n ** 94n)), -1],
  ])('%s', (_, field, expected) => {
    expect(size(field)).toBe(expected);
  });
});

describe('names', () => {
  test('the prefix counts for POSIX ustar alone', () => {
    expect(tarNameField(tarHeader('n', 0, { prefix: 'p' }))).toBe('p/n');
    expect(tarNameField(tarHeader('n', 0, { prefix: 'p', format: 'gnu' }))).toBe('n');
    expect(tarNameField(tarHeader('n', 0, { prefix: 'p', format: 'v7' }))).toBe('n');
  });

  test('fill their fields, or end at a NUL', () => {
    const full = 'n'.repeat(100);
    expect(tarNameField(tarHeader(`${full}x`, 0))).toBe(full);
    expect(tarNameField(tarHeader('a\0b', 0))).toBe('a');
    expect(tarLinkNameField(tarHeader('a', 0, { linkName: `${full}x` }))).toBe(full);
    expect(tarLinkNameField(tarHeader('a', 0))).toBe('');
  });
});

import { describe, expect, it } from 'vitest';
import { formatPlatform, parsePlatform, platformMatches } from '../../src/oci/platform.js';

describe('platform', () => {
  it.each(['linux/amd64', 'linux/arm64/v8', 'windows/amd64', 'linux/arm/v6'])('%s there and back', (text) => {
    expect(formatPlatform(parsePlatform(text))).toBe(text);
  });

  it('knows the names uname gives', () => {
    expect(formatPlatform(parsePlatform('Linux/x86_64'))).toBe('linux/amd64');
    expect(formatPlatform(parsePlatform('linux/aarch64/v8'))).toBe('linux/arm64/v8');
  });

  it.each(['', 'linux', 'linux/', '/amd64', 'linux/arm64/v8/x', 'linux/amd 64', 'linux/amd64\n'])(
    'refuses %j',
    (text) => {
      expect(() => parsePlatform(text)).toThrow(expect.objectContaining({ code: 'USAGE' }));
    },
  );

  it.each([
    ['linux/arm64', 'linux/arm64/v8', true],
    ['linux/arm64/v8', 'linux/arm64', true],
    ['linux/arm', 'linux/arm/v7', true],
    ['linux/arm/v6', 'linux/arm/v7', false],
    ['linux/amd64', 'linux/arm64', false],
    ['linux/amd64', 'windows/amd64', false],
    ['linux/riscv64', 'linux/riscv64', true],
  ])('%s matches %s: %s', (wanted, actual, matches) => {
    expect(platformMatches(parsePlatform(wanted), parsePlatform(actual))).toBe(matches);
  });
});

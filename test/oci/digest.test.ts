import { describe, expect, it } from 'vitest';
import { chainIds } from '../../src/oci/chain-id.js';
import { digestFromHex, digestHex, isDigest, parseDigest } from '../../src/oci/digest.js';
import { DIFF_IDS } from './samples.js';

const HEX = 'a'.repeat(64);

describe('digest', () => {
  it('reads sha256 and gives its hex back', () => {
    const digest = parseDigest(`sha256:${HEX}`);
    expect(digestHex(digest)).toBe(HEX);
    expect(digestFromHex(HEX)).toBe(digest);
  });

  it.each([
    '',
    HEX,
    `sha256:${HEX}0`,
    `sha256:${'A'.repeat(64)}`,
    `sha256:${HEX}\n`,
    `md5:${HEX}`,
    `sha512:${HEX}`,
  ])('refuses %j', (text) => {
    expect(isDigest(text)).toBe(false);
    expect(() => parseDigest(text, 'index.json: x')).toThrow(
      expect.objectContaining({
        code: 'INPUT_INVALID',
        message: expect.stringContaining('index.json: x is not a digest'),
      }),
    );
  });

  it('says that SHA-512 is valid but not supported', () => {
    expect(() => parseDigest(`sha512:${'a'.repeat(128)}`)).toThrow(
      expect.objectContaining({
        code: 'INPUT_INVALID',
        message: expect.stringContaining('does not support'),
      }),
    );
  });

  it('refuses hex of another length or case', () => {
    expect(() => digestFromHex('ab')).toThrow(expect.objectContaining({ code: 'INPUT_INVALID' }));
    expect(() => digestFromHex('A'.repeat(64))).toThrow(expect.objectContaining({ code: 'INPUT_INVALID' }));
  });

  it('shows no control character of a hostile digest', () => {
    expect(() => parseDigest('\u001b[2J\u009b')).toThrow(/\\u001b\[2J\\u009b/);
  });
});

describe('chainIds', () => {
  // Computed with: printf '%s %s' "$below" "$diffId" | sha256sum
  it('agrees with sha256sum', () => {
    const [first, second] = DIFF_IDS.map((text) => parseDigest(text));
    expect(chainIds([first!, second!, first!])).toEqual([
      first,
      'sha256:a469a01f8b4910a8f1fc578819fab8d4364fff3dbac8d5aaf896b458dd6ddec2',
      'sha256:e7d2404cb510dd53435a8dabd4202e278983aa11e4a7421c8179b4d4b5a1ce49',
    ]);
    expect(chainIds([])).toEqual([]);
  });
});

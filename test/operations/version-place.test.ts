import { describe, expect, it } from 'vitest';
import { placeOfVersion } from '../../src/operations/version-place.js';

const MOST_DEPTH = 4;

/** The way of each version to the first one, when each leans as it is told. */
function depthsOf(versions: number): number[] {
  const depths = [0];
  for (let version = 1; version < versions; version++) {
    const { back } = placeOfVersion(version, MOST_DEPTH);
    depths.push(1 + depths[version - back]!);
  }
  return depths;
}

describe('what a version of a long history leans on', () => {
  it('is there, and lies less deep than it may', () => {
    const depths = depthsOf(1000);
    for (let version = 1; version < depths.length; version++) {
      const { maxDepth, back } = placeOfVersion(version, MOST_DEPTH);
      expect(back).toBeGreaterThan(0);
      expect(back).toBeLessThanOrEqual(version);
      expect(depths[version]!).toBeLessThanOrEqual(maxDepth);
    }
  });

  it('is the version before for three of four, and the way to the first one stays short', () => {
    const backs = Array.from({ length: 127 }, (_, i) => placeOfVersion(i + 1, MOST_DEPTH).back);
    expect(backs.filter((back) => back === 1).length).toBe(96);
    expect(Math.max(...depthsOf(128))).toBeLessThanOrEqual(8);
    expect([4, 8, 12, 16, 32].map((version) => placeOfVersion(version, MOST_DEPTH).back)).toEqual([
      4, 8, 4, 16, 32,
    ]);
  });
});

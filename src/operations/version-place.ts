/** Versions in a row of which each leans on the one before it. */
const GROUP_VERSIONS = 4;

/** What a version of a long history leans on. */
export interface VersionPlace {
  /** Its deltas lie no deeper than this. */
  maxDepth: number;
  /** The version to lean on: 1 for the one before. */
  back: number;
}

/**
 * Chooses what the next version leans on, as skip lists do: three of four on the one before, and of these fours the first, by the
 * lowest bit of its number, on one so far back that the way to the oldest version grows with the logarithm of their number. Leaning each on the
 * one before would make that way as long as the history; all on the oldest, the deltas as large.
 *
 * @param earlier versions there are
 * @param mostDepth of a history that is too short for this
 */
export function placeOfVersion(earlier: number, mostDepth: number): VersionPlace {
  const group = Math.floor(earlier / GROUP_VERSIONS);
  const place = earlier % GROUP_VERSIONS;
  if (group === 0) return { maxDepth: mostDepth, back: 1 };
  const ones = group.toString(2).replaceAll('0', '').length;
  if (place > 0) return { maxDepth: ones + place, back: 1 };
  return { maxDepth: ones, back: GROUP_VERSIONS * (group & -group) };
}

// The longest match at a position, as the original finds it: of the positions in its chain, the nearest first and so many
// at most, the first that none beats.

import { equalBytes } from './bytes';
import { FURTHEST, LONGEST, lastDistance, linksBetween, SHORTEST, stepFrom, WINDOW } from './window';

/** A shortest match must not lie further away than this. */
const FURTHEST_OF_SHORTEST: u32 = 4096;
/** Positions of a tail's chain that are passed over because they are nearer than what is looked for. */
const MOST_PASSED: i32 = 8;
/** Answers of `findByTail` beside matches. */
const NOT_KNOWN: u32 = 0;
const NONE: u32 = 1;

let niceBytes: i32 = 0;
let mostTries: i32 = 0;

/** The length that ends a search, and how many positions it tries. */
export function setSearch(nice: i32, tries: i32): void {
  niceBytes = nice;
  mostTries = tries;
}

/**
 * The longest match at `at`, the nearest of several, from the chain that begins `distance` before it: its length << 15
 * and its distance - 1, or 0. Only places whose four bytes up to the one beyond the best so far agree can be longer.
 */
export function findInChain(at: i32, distance: u32, ahead: i32): u32 {
  const here = WINDOW + at;
  const furthest = <u32>min(FURTHEST, at);
  const most = min(LONGEST, ahead);
  const enough = min(niceBytes, most);
  let best = SHORTEST - 1;
  let found: u32 = 0;
  let tail = here;
  let wanted = load<u32>(tail);
  let away = distance;
  for (let tries = mostTries; ; ) {
    if (load<u32>(tail - away) == wanted) {
      const length = equalBytes(here - away, here, most);
      if (length > best && (length > SHORTEST || away <= FURTHEST_OF_SHORTEST)) {
        best = length;
        found = (<u32>length << 15) | (away - 1);
        if (length >= enough) break;
        tail = here + (length - 3);
        wanted = load<u32>(tail);
      }
    }
    if (--tries == 0) break;
    away += stepFrom(at, away);
    if (away > furthest) break;
  }
  return found;
}

/**
 * The same of matches longer than `atLeast`, where every position up to `at` is in its chain: then most of them need not be
 * looked at. A longer match than the best has the same tail, the four bytes up to the one beyond the best, so it is found
 * from the chain of these too, which is often far shorter. Whether the original would have tried it is told by how many
 * positions of its own chain lie between.
 */
export function findLonger(at: i32, distance: u32, ahead: i32, atLeast: i32): u32 {
  const here = WINDOW + at;
  const furthest = <u32>min(FURTHEST, at);
  const most = min(LONGEST, ahead);
  const enough = min(niceBytes, most);
  let best = atLeast;
  let found: u32 = 0;
  let away = distance;
  let tries = mostTries;
  while (true) {
    const tail = here + (best - (SHORTEST - 1));
    let length = 0;
    if (best >= SHORTEST) {
      const next = findByTail(at, away, best, furthest, most);
      if (next == NONE) return found;
      if (next != NOT_KNOWN) {
        away = next & 0xffff;
        const links = linksBetween(at, away);
        if (links > <u32>mostTries) return found;
        tries = mostTries - links + 1;
        length = next >> 16;
      }
    }
    if (length == 0) {
      const wanted = load<u32>(tail);
      while (true) {
        if (load<u32>(tail - away) == wanted) {
          length = equalBytes(here - away, here, most);
          if (length > best && (length > SHORTEST || away <= FURTHEST_OF_SHORTEST)) break;
        }
        if (--tries == 0) return found;
        away += stepFrom(at, away);
        if (away > furthest) return found;
      }
    }
    best = length;
    found = (<u32>length << 15) | (away - 1);
    if (length >= enough || --tries == 0) return found;
    away += stepFrom(at, away);
    if (away > furthest) return found;
  }
  return found;
}

/** The nearest match longer than `best`, 4 at least, that lies `away` back or further, as its length << 16 and its distance. */
// @ts-ignore: decorator
@inline
function findByTail(at: i32, away: u32, best: i32, furthest: u32, most: i32): u32 {
  const skipped = best - (SHORTEST - 1);
  const from = at + skipped;
  // Positions after `at` are not in their chains yet, so those less than `skipped` back do not show.
  if (away < <u32>skipped) return NOT_KNOWN;
  let far = lastDistance(from);
  for (let left = MOST_PASSED; far < away; left--) {
    if (left == 0) return NOT_KNOWN;
    far += stepFrom(from, far);
  }
  const here = WINDOW + at;
  const tail = here + skipped;
  const wanted = load<u32>(here);
  const wantedTail = load<u32>(tail);
  for (let left = mostTries; left > 0; left--) {
    if (far > furthest) return NONE;
    if (load<u32>(tail - far) == wantedTail && load<u32>(here - far) == wanted) {
      const length = equalBytes(here - far, here, most);
      // Of the furthest, the place among its chain is overwritten already.
      if (length > best) return far == FURTHEST ? NOT_KNOWN : (<u32>length << 16) | far;
    }
    far += stepFrom(from, far);
  }
  return NOT_KNOWN;
}

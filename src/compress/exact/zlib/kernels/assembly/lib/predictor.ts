// Tells which token comes next, as an encoder would that looks for matches in chains of all strings that share three
// bytes. It goes on from the token that really came, so that one it did not foresee costs no more than itself.

export const MAX_LENGTH: u32 = 258;
/** So many bytes must lie ahead of a token, or all there are. */
export const LOOKAHEAD: u32 = 300;
const HISTORY: u32 = 0x8000;
const TABLE_MASK: u32 = 0xffff;
/** Links that are followed for each that counts, and at least. */
const STEPS_PER_LINK: u32 = 4;
const LEAST_STEPS: u32 = 64;

export const WINDOW_ROOM: u32 = 0x80000;
export const PLAIN: usize = memory.data(<i32>WINDOW_ROOM + 64, 16);
const HEAD: usize = memory.data(4 * 0x10000, 16);
const PREVIOUS: usize = memory.data(4 * 0x10000, 16);
/** u8 by position: 1 where the encoder foreseen has the string in its chains. */
const KNOWN: usize = memory.data(0x10000, 16);

/** How the encoder foreseen searches; see docs/format.md, "Corrections". */
let wantsFour: bool = false;
let takesThree: bool = false;
let maxChain: u32 = 0;
let goodLength: u32 = 0;
let maxLazy: u32 = 0;
let niceLength: u32 = 0;
let maxDistance: u32 = 0;
let tooFar: u32 = 0;
let weighsDistance: bool = false;
let insertLimit: u32 = 0;

/** Positions count through all streams, modulo 2^32; where the token to come begins, and where the known bytes end. */
export let position: u32 = 0x10000;
export let filled: u32 = 0x10000;
/** The position of the byte at PLAIN. */
let base: u32 = 0x10000;
/** Up to where strings are in the chains. */
let chained: u32 = 0x10000;
/** Bytes of this stream before the position, up to HISTORY. */
export let history: u32 = 0;

/** The token foreseen: length 0 for a literal. */
export let expectedLength: u32 = 0;
export let expectedDistance: u32 = 0;
/** True where a literal is expected because the next position promises a better match. */
export let waits: bool = false;
let nextLength: u32 = 0;
let nextDistance: u32 = 0;
let knowsNext: bool = false;

let foundLength: u32 = 0;
let foundDistance: u32 = 0;

export function configurePredictor(
  four: bool, three: bool, chain: u32, good: u32, lazy: u32, nice: u32, farthest: u32, far: u32, weighs: bool,
  inserts: u32,
): void {
  wantsFour = four;
  takesThree = three;
  maxChain = chain;
  goodLength = good;
  maxLazy = lazy;
  niceLength = nice;
  maxDistance = farthest;
  tooFar = far;
  weighsDistance = weighs;
  insertLimit = inserts;
}

/** Begins a stream where the one before ended; nothing before it can be matched. */
export function beginPrediction(): void {
  position = filled;
  chained = filled;
  history = 0;
  knowsNext = false;
}

// @ts-ignore: decorator
@inline
function at(place: u32): usize {
  return PLAIN + (place - base);
}

/** Where the byte at the position lies. */
export function here(): usize {
  return at(position);
}

/** How many bytes of this stream lie before `filled`, as far as it matters. */
export function reach(): u32 {
  return min(history + (filled - position), HISTORY);
}

export function windowRoom(): u32 {
  return WINDOW_ROOM - (filled - base);
}

/** Moves what is still wanted to the beginning of the window. @returns by how many bytes */
export function compactWindow(): u32 {
  const kept = min(HISTORY, position - base);
  const by = position - kept - base;
  memory.copy(PLAIN, PLAIN + by, filled - base - by);
  base += by;
  return by;
}

/** Where the next bytes are to be put, which {@link addFilled} then announces. */
export function fillAt(): usize {
  return at(filled);
}

export function addFilled(count: u32): void {
  filled += count;
}

// @ts-ignore: decorator
@inline
function slotOf(place: u32): usize {
  return HEAD + <usize>((((load<u32>(at(place)) & 0xffffff) * 0x9e3779b1) >> 16) << 2);
}

/** Puts the strings before `end` into the chains; `known` says whether the encoder foreseen has them too. */
function chain(end: u32, known: u32): void {
  for (; chained != end; chained++) {
    const index = chained & TABLE_MASK;
    store<u8>(KNOWN + index, known);
    if (filled - chained < 3) continue;
    const slot = slotOf(chained);
    store<u32>(PREVIOUS + (index << 2), load<u32>(slot));
    store<u32>(slot, chained);
  }
}

function commonLength(a: usize, b: usize, most: u32): u32 {
  let length: u32 = 0;
  while (length < most) {
    const difference = load<u64>(a + length) ^ load<u64>(b + length);
    if (difference) return min(length + (<u32>ctz(difference) >> 3), most);
    length += 8;
  }
  return most;
}

/** The newest string in the chain of the one at `place`, which may be in it itself. */
function newest(place: u32): u32 {
  const candidate = load<u32>(slotOf(place));
  return candidate == place ? load<u32>(PREVIOUS + ((place & TABLE_MASK) << 2)) : candidate;
}

/** Looks for a match longer than `best` at `place`, following `links` links; foundLength is `best` when there is none. */
function find(place: u32, best: u32, links: u32): void {
  foundLength = best;
  foundDistance = 0;
  const most = min(MAX_LENGTH, filled - place);
  const least: u32 = wantsFour ? 4 : 3;
  if (least > most) return;
  const scan = at(place);
  const bytes = load<u32>(scan);
  const mask: u32 = wantsFour ? 0xffffffff : 0xffffff;
  const farthest = min(maxDistance, min(history + (place - position), HISTORY));
  let nearestThree: u32 = 0;
  let last: u32 = 0;
  let steps = links * STEPS_PER_LINK + LEAST_STEPS;
  let candidate = newest(place);
  for (; steps; steps--) {
    const distance = place - candidate;
    if (distance > farthest || distance <= last) break;
    last = distance;
    const index = candidate & TABLE_MASK;
    if (load<u8>(KNOWN + index)) {
      const difference = load<u32>(at(candidate)) ^ bytes;
      if ((difference & mask) == 0) {
        const length = commonLength(scan, at(candidate), most);
        if (length > foundLength) {
          foundLength = length;
          foundDistance = distance;
          if (length >= niceLength) break;
        }
        if (--links == 0) break;
      } else if (nearestThree == 0 && (difference & 0xffffff) == 0) {
        nearestThree = distance;
      }
    }
    candidate = load<u32>(PREVIOUS + (index << 2));
  }
  if (foundLength == 2 && takesThree && nearestThree) {
    foundLength = 3;
    foundDistance = nearestThree;
  }
  if (foundLength == 3 && foundDistance > tooFar) foundLength = 2;
}

/** Whether the match found at the next position is better than the one of `length` at this. */
function isBetter(length: u32, distance: u32): bool {
  if (!weighsDistance) return foundLength > length;
  if (foundLength < length || foundDistance == 0) return false;
  const gain = 4 * <i32>(foundLength - length) + (<i32>clz(foundDistance) - <i32>clz(distance));
  return gain > 2;
}

/** Foresees the token at the position. */
export function predict(): void {
  let length = nextLength;
  let distance = nextDistance;
  if (!knowsNext) {
    find(position, 2, maxChain);
    length = foundLength;
    distance = foundDistance;
  }
  knowsNext = false;
  waits = false;
  expectedLength = length < 3 ? 0 : length;
  expectedDistance = distance;
  if (length < 3 || length >= maxLazy) return;
  chain(position + 1, 1);
  const links = length >= goodLength ? max(maxChain >> 2, 1) : maxChain;
  // Where the distance counts too, a match that is no longer can be better.
  find(position + 1, weighsDistance ? length - 1 : length, links);
  if (!isBetter(length, distance)) return;
  expectedLength = 0;
  waits = true;
  nextLength = foundLength;
  nextDistance = foundDistance;
  knowsNext = true;
}

/** The token of `length` bytes has come (1 for a literal). */
export function pass(length: u32): void {
  if (length != 1 || !waits) knowsNext = false;
  chain(position + 1, 1);
  chain(position + length, length <= insertLimit ? 1 : 0);
  position += length;
  history = min(history + length, HISTORY);
}

/** So many bytes of a stored block have come. */
export function passStored(count: u32): void {
  knowsNext = false;
  waits = false;
  chain(position + count, 1);
  position += count;
  history = min(history + count, HISTORY);
}

const MOST_HOPS: u32 = 4096;

/** How many strings in the chain, from the nearest on, have `length` bytes in common and are nearer; -1 for too many. */
export function hopsTo(distance: u32, length: u32): i32 {
  const scan = at(position);
  let candidate = newest(position);
  let hops: i32 = 0;
  let last: u32 = 0;
  for (let steps: u32 = 0; steps < MOST_HOPS; steps++) {
    const here = position - candidate;
    if (here > distance || here <= last) break;
    if (here == distance) return hops;
    last = here;
    if (commonLength(scan, at(candidate), length) == length) hops++;
    candidate = load<u32>(PREVIOUS + ((candidate & TABLE_MASK) << 2));
  }
  return -1;
}

/** The way back: the distance after so many hops, 0 when there is none. */
export function distanceAfter(hops: u32, length: u32): u32 {
  const scan = at(position);
  const farthest = min(history, HISTORY);
  let candidate = newest(position);
  let last: u32 = 0;
  for (let steps: u32 = 0; steps < MOST_HOPS; steps++) {
    const distance = position - candidate;
    if (distance > farthest || distance <= last) break;
    last = distance;
    if (commonLength(scan, at(candidate), length) == length && hops-- == 0) return distance;
    candidate = load<u32>(PREVIOUS + ((candidate & TABLE_MASK) << 2));
  }
  return 0;
}

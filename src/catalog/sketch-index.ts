import { SKETCH_FEATURES } from '../chunk/sketch/sketcher.js';

/** A bucket is a cache line: features, then the entries that have them, and last how many were ever put in. */
const BUCKET_SLOTS = 7;
const BUCKET_WORDS = 16;
const COUNT = 15;
const FIRST_BUCKETS = 512;
const LARGEST_BUCKETS = 2 ** 19;

/** A chunk that resembles the one asked for. */
export interface SketchMatch {
  packIndex: number;
  /** Of the chunk in its pack. */
  chunk: number;
  /** Features the two share, 1 to 6. */
  equal: number;
}

interface Candidate {
  entry: number;
  equal: number;
  /** The more chunks share a feature, the less it says: 1 for each feature divided by the chunks that have it. */
  rarity: number;
}

/**
 * Finds chunks by their sketches. A set-associative table of at most 3.7 million features, 32 MiB, that grows with
 * what is added; where a bucket is full, what is added later displaces what was added earliest. Several chunks of one
 * feature are kept: among windows that many chunks have, that finds the better base (measured).
 */
export class SketchIndex {
  readonly #largestBuckets: number;
  /** An entry is a chunk's number over all packs, plus 1. */
  #words: Int32Array;
  #filled = 0;
  #entries = 0;
  /** The entries of pack i begin after `#firstEntries[i]`. */
  readonly #firstEntries: number[] = [];
  readonly #packIndexes: number[] = [];

  /**
   * @param expectedChunks spares growing when it is about right
   * @param largestBuckets a power of two; a bucket has 7 features in 64 bytes
   */
  constructor(expectedChunks = 0, largestBuckets = LARGEST_BUCKETS) {
    this.#largestBuckets = largestBuckets;
    this.#words = new Int32Array(Math.min(FIRST_BUCKETS, largestBuckets) * BUCKET_WORDS);
    this.#reserve(expectedChunks * SKETCH_FEATURES);
  }

  /** What the table takes. */
  get sizeBytes(): number {
    return this.#words.byteLength;
  }

  /**
   * Adds the chunks of a pack; their sketches are not kept. Adding a pack again makes its chunks the newest.
   *
   * @param sketches six words a chunk, in the order of the chunks; a word that is 0 is no feature
   * @throws RangeError when the words are not six a chunk
   */
  addPack(packIndex: number, sketches: Uint32Array): void {
    if (sketches.length % SKETCH_FEATURES !== 0) {
      throw new RangeError(`${sketches.length} words are not sketches of ${SKETCH_FEATURES} words`);
    }
    this.#reserve(this.#filled + sketches.length);
    this.#firstEntries.push(this.#entries);
    this.#packIndexes.push(packIndex);
    // Read as signed words: unsigned ones above 2^31 would be floating-point numbers to the machine.
    const features = new Int32Array(sketches.buffer, sketches.byteOffset, sketches.length);
    this.#filled += insertPack(this.#words, features, this.#entries + 1);
    this.#entries += features.length / SKETCH_FEATURES;
  }

  /**
   * The chunks that share features with a sketch, at most `limit`: those that share the most first; of those that
   * share as many, the one with the rarer features, then the newest.
   */
  find(sketch: Uint32Array, limit: number): SketchMatch[] {
    const candidates: Candidate[] = [];
    for (let i = 0; i < SKETCH_FEATURES; i++) {
      const feature = sketch[i]!;
      // One that a sketch holds twice is one feature all the same.
      if (feature !== 0 && sketch.indexOf(feature) === i) this.#collect(feature, candidates);
    }
    candidates.sort((a, b) => b.equal - a.equal || b.rarity - a.rarity || b.entry - a.entry);
    return candidates.slice(0, limit).map(({ entry, equal }) => ({ ...this.#place(entry), equal }));
  }

  #collect(feature: number, candidates: Candidate[]): void {
    const words = this.#words;
    const signed = feature | 0;
    const bucket = bucketOf(words, signed);
    const found: number[] = [];
    for (let slot = bucket + fill(words, bucket) - 1; slot >= bucket; slot--) {
      const entry = words[slot + BUCKET_SLOTS]!;
      if (words[slot] === signed && !found.includes(entry)) found.push(entry);
    }
    for (const entry of found) {
      const candidate = candidates.find((other) => other.entry === entry);
      if (candidate) {
        candidate.equal++;
        candidate.rarity += 1 / found.length;
      } else {
        candidates.push({ entry, equal: 1, rarity: 1 / found.length });
      }
    }
  }

  #place(entry: number): { packIndex: number; chunk: number } {
    let low = 0;
    let high = this.#firstEntries.length;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if (this.#firstEntries[middle]! < entry) low = middle;
      else high = middle;
    }
    return { packIndex: this.#packIndexes[low]!, chunk: entry - this.#firstEntries[low]! - 1 };
  }

  /** Doubles the table until `features` fill at most half of it, or it has its largest size. */
  #reserve(features: number): void {
    let buckets = this.#words.length / BUCKET_WORDS;
    while (buckets * BUCKET_SLOTS < 2 * features && buckets < this.#largestBuckets) buckets *= 2;
    if (buckets * BUCKET_WORDS === this.#words.length) return;
    const old = this.#words;
    this.#words = new Int32Array(buckets * BUCKET_WORDS);
    this.#filled = 0;
    for (let bucket = 0; bucket < old.length; bucket += BUCKET_WORDS) {
      // The oldest first: what is displaced later is then the oldest still.
      const count = old[bucket + COUNT]!;
      for (let i = count - fill(old, bucket); i < count; i++) {
        const slot = bucket + (i % BUCKET_SLOTS);
        this.#filled += insert(this.#words, old[slot]!, old[slot + BUCKET_SLOTS]!);
      }
    }
  }
}

/** The first word of a feature's bucket. Features are uniform: their low bits are the hash. */
function bucketOf(words: Int32Array, feature: number): number {
  return (feature << 4) & (words.length - 1);
}

/** Slots of a bucket that are taken: the first ones. */
function fill(words: Int32Array, bucket: number): number {
  return Math.min(words[bucket + COUNT]!, BUCKET_SLOTS);
}

/** @returns how many slots that were empty it took */
function insertPack(words: Int32Array, features: Int32Array, firstEntry: number): number {
  let taken = 0;
  for (let at = 0, entry = firstEntry; at < features.length; entry++) {
    for (const end = at + SKETCH_FEATURES; at < end; at++) {
      const feature = features[at]!;
      if (feature !== 0) taken += insert(words, feature, entry);
    }
  }
  return taken;
}

/** Puts an entry in an empty slot of its bucket, or in place of the oldest. @returns 1 if the slot was empty, else 0 */
function insert(words: Int32Array, feature: number, entry: number): number {
  const bucket = bucketOf(words, feature);
  const count = words[bucket + COUNT]!;
  const slot = bucket + (count % BUCKET_SLOTS);
  words[slot] = feature;
  words[slot + BUCKET_SLOTS] = entry;
  words[bucket + COUNT] = count + 1;
  return count < BUCKET_SLOTS ? 1 : 0;
}

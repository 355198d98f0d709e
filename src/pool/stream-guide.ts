import { ENTRY_SEPARATOR } from './entry-names.js';
import { GrowingArray } from './growing-array.js';

/** Files of one stream beyond which no more are kept in mind: their chunks are then found by their neighbours. */
const MAX_FILES = 500_000;

/** Which stream of a tar a guide is for. */
export type GuidedStream = 'content' | 'skeleton';

/** {@link pathKey} of forms of a file's name, by which its earlier form is looked for, in this order. */
export interface NameKeys {
  /** As it is. */
  exactKey: number;
  /** Every number in where it lies, an archive or directories, made one: `app-1.2.jar!/icons/16.png` as of `app-1.3.jar`. */
  placeKey: number;
  /** Every number made one. */
  looseKey: number;
}

/** A file as its stream has it. */
export interface GuidedFile extends NameKeys {
  atBytes: number;
  sizeBytes: number;
}

/**
 * What is known of a stream while it is written: which files are where in it, and which of its chunks the pool
 * holds. From both, {@link BaseFinder} tells where a new chunk's earlier form may lie.
 */
export class StreamGuide {
  readonly stream: GuidedStream;
  readonly #fileAt = new GrowingArray();
  readonly #fileBytes = new GrowingArray();
  readonly #exactKeys = new GrowingArray();
  readonly #placeKeys = new GrowingArray();
  readonly #looseKeys = new GrowingArray();
  readonly #knownAt = new GrowingArray();
  readonly #knownEntries = new GrowingArray();

  constructor(stream: GuidedStream) {
    this.stream = stream;
  }

  /** How many known chunks were noted so far. */
  get knownCount(): number {
    return this.#knownAt.length;
  }

  /** A file begins at `atBytes`, which never goes back. */
  beginFile(atBytes: number, name: string, sizeBytes: number): void {
    if (this.#fileAt.length >= MAX_FILES) return;
    this.#fileAt.push(atBytes);
    this.#fileBytes.push(sizeBytes);
    const { exactKey, placeKey, looseKey } = nameKeys(name);
    this.#exactKeys.push(exactKey);
    this.#placeKeys.push(placeKey);
    this.#looseKeys.push(looseKey);
  }

  /** The chunk at `atBytes`, which never goes back, is entry `entry` of the pool's chunk table. */
  addKnown(atBytes: number, entry: number): void {
    this.#knownAt.push(atBytes);
    this.#knownEntries.push(entry);
  }

  /** The files that have bytes in a range; of a skeleton, those whose headers do and the last before. */
  *filesIn(fromBytes: number, toBytes: number): Generator<GuidedFile> {
    for (let i = Math.max(0, this.#fileAt.countUpTo(fromBytes) - 1); i < this.#fileAt.length; i++) {
      const atBytes = this.#fileAt.at(i);
      const sizeBytes = this.#fileBytes.at(i);
      if (atBytes >= toBytes) return;
      if (this.stream === 'content' && atBytes + sizeBytes <= fromBytes) continue;
      const exactKey = this.#exactKeys.at(i);
      const placeKey = this.#placeKeys.at(i);
      yield { atBytes, sizeBytes, exactKey, placeKey, looseKey: this.#looseKeys.at(i) };
    }
  }

  /** The known chunk number `number`. */
  known(number: number): { atBytes: number; entry: number } {
    return { atBytes: this.#knownAt.at(number), entry: this.#knownEntries.at(number) };
  }

  /** How many of the first `count` known chunks begin at or before `atBytes`. */
  knownUpTo(atBytes: number, count: number): number {
    return this.#knownAt.countUpTo(atBytes, count);
  }
}

/** What a file is looked for by. */
export function nameKeys(name: string): NameKeys {
  const exactKey = pathKey(name);
  const archiveEnd = name.lastIndexOf(ENTRY_SEPARATOR);
  const placeEnd = archiveEnd < 0 ? name.lastIndexOf('/') + 1 : archiveEnd;
  const place = looseName(name.slice(0, placeEnd));
  const own = name.slice(placeEnd);
  return { exactKey, placeKey: pathKey(place + own), looseKey: pathKey(place + looseName(own)) };
}

/** Versions in names come and go: `libssl.so.3.0.17` and `libssl.so.3.0.22` are the same file to us. */
function looseName(name: string): string {
  return name.replace(/[0-9]+/g, '0');
}

/** A number for a path, the same whether it begins with `./` or `/`. Two paths of one number mislead a search for bases, nothing else. */
function pathKey(name: string): number {
  let start = 0;
  while (name[start] === '.' || name[start] === '/') start++;
  let low = 0x811c9dc5;
  let high = 0x9e3779b9;
  for (let i = start; i < name.length; i++) {
    const code = name.charCodeAt(i);
    low = Math.imul(low ^ code, 0x01000193);
    high = Math.imul(high ^ code, 0x85ebca6b) ^ (high >>> 13);
  }
  return (low >>> 0) * 0x200000 + (high >>> 11);
}

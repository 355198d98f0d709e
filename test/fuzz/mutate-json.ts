import { mutated } from './mutate.js';
import type { Random } from './random.js';

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

const NUMBERS = [0, -0, 1, -1, 0.5, 255, 2 ** 31, 2 ** 32, 2 ** 53, 2 ** 53 - 1, -(2 ** 53), 1e21, 1e308];
const WORDS = [
  '',
  ' ',
  '\0',
  '..',
  '../../etc/passwd',
  '/etc/passwd',
  '__proto__',
  'constructor',
  'toString',
  'length',
  '\u001b]0;title\u0007',
  '\u202e',
  '\ud800',
  'é',
  'x'.repeat(5000),
  `sha256:${'0'.repeat(64)}`,
  `sha256:${'F'.repeat(64)}`,
  'sha512:0',
  'app:1.0',
  '9999-12-31T23:59:59.999Z',
  '+275760-09-13T00:00:00.000Z',
];

/** A copy of a document with some values, names or places changed, as text; seldom with some of its bytes changed too. */
export function mutatedJson(random: Random, document: Json, others: readonly Json[] = []): Uint8Array {
  let changed = structuredClone(document);
  for (let left = random.size(5); left > 0; left--) changed = changedOnce(random, changed, others);
  const text = textOf(random, changed) ?? JSON.stringify(document);
  const bytes = Buffer.from(random.percent(5) ? withOddNumbers(random, text) : text);
  return random.percent(20) ? mutated(random, bytes) : new Uint8Array(bytes);
}

/** Of longer ones it would be the making that takes the memory; `image-document` knows the limits of documents. */
const MOST_TEXT_LENGTH = 1024 * 1024;
/** Indented, values that lie deep take a multiple of their length. */
const MOST_INDENTED_LENGTH = 16 * 1024;

/** null for a value that lies too deep for JSON.stringify, or is too long. */
function textOf(random: Random, value: Json): string | null {
  try {
    const text = JSON.stringify(value);
    if (text.length > MOST_TEXT_LENGTH) return null;
    const isIndented = random.percent(10) && text.length <= MOST_INDENTED_LENGTH;
    return isIndented ? JSON.stringify(value, null, 1) : text;
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

function changedOnce(random: Random, document: Json, others: readonly Json[]): Json {
  const places = placesOf(document);
  const place = random.pick(places);
  if (!place.parent) return random.percent(10) ? anyJson(random, 3) : document;
  const { parent, name } = place;
  switch (random.below(8)) {
    case 0:
      remove(parent, name);
      break;
    case 1:
      put(parent, name, anyJson(random, 3));
      break;
    case 2:
      put(parent, name, structuredClone(valueAt(random.pick(places))));
      break;
    case 3:
      if (others.length > 0)
        put(parent, name, structuredClone(valueAt(random.pick(placesOf(random.pick(others))))));
      break;
    case 4:
      rename(random, parent, name);
      break;
    case 5:
      if (Array.isArray(parent)) repeat(random, parent, Number(name));
      else put(parent, name, random.pick(NUMBERS));
      break;
    case 6:
      put(parent, name, random.pick(WORDS));
      break;
    default:
      put(parent, name, nearby(random, valueAt(place)));
  }
  return document;
}

interface Place {
  parent: Json[] | { [name: string]: Json } | null;
  name: string;
  root?: Json;
}

function placesOf(document: Json): Place[] {
  const places: Place[] = [{ parent: null, name: '', root: document }];
  const visit = (value: Json): void => {
    if (typeof value !== 'object' || value === null || places.length > 2000) return;
    for (const name of Object.keys(value)) {
      places.push({ parent: value, name });
      visit((value as { [name: string]: Json })[name]!);
    }
  };
  visit(document);
  return places;
}

function valueAt({ parent, name, root }: Place): Json {
  return parent ? ((parent as { [name: string]: Json })[name] ?? null) : root!;
}

/** Defines, as JSON.parse does: `__proto__` is a name like any other. */
function put(parent: NonNullable<Place['parent']>, name: string, value: Json): void {
  Object.defineProperty(parent, name, { value, enumerable: true, configurable: true, writable: true });
}

function remove(parent: NonNullable<Place['parent']>, name: string): void {
  if (Array.isArray(parent)) parent.splice(Number(name), 1);
  else delete parent[name];
}

function rename(random: Random, parent: NonNullable<Place['parent']>, name: string): void {
  const value = (parent as { [name: string]: Json })[name] ?? null;
  remove(parent, name);
  if (Array.isArray(parent)) parent.splice(random.below(parent.length + 1), 0, value);
  else
    put(
      parent,
      random.percent(50) ? random.pick(WORDS) : `${name}${random.pick(['', 's', ' ', '\0'])}`,
      value,
    );
}

function repeat(random: Random, list: Json[], at: number): void {
  const copies = random.pick([1, 2, 10, list.length < 300 ? 300 : 10]);
  for (let i = 0; i < copies; i++) list.splice(at, 0, structuredClone(list[at] ?? null));
}

/** A value of the same kind, a little off. */
function nearby(random: Random, value: Json): Json {
  if (typeof value === 'number') return value + random.pick([1, -1, 0.5]);
  if (typeof value === 'boolean') return !value;
  if (typeof value !== 'string') return null;
  if (random.percent(50)) return value.slice(0, random.below(value.length + 1)) + random.pick(WORDS);
  return random.percent(50) ? value.toUpperCase() : `${value}${value}`;
}

/** Any value, at most so deep. */
export function anyJson(random: Random, depth: number): Json {
  switch (random.below(depth > 0 ? 8 : 5)) {
    case 0:
      return null;
    case 1:
      return random.percent(50);
    case 2:
      return random.pick(NUMBERS);
    case 3:
    case 4:
      return random.pick(WORDS);
    case 5:
      return Array.from({ length: random.size(5) }, () => anyJson(random, depth - 1));
    case 6:
      return deep(random);
    default: {
      const object: { [name: string]: Json } = {};
      for (let i = random.size(5); i > 0; i--) put(object, random.pick(WORDS), anyJson(random, depth - 1));
      return object;
    }
  }
}

function deep(random: Random): Json {
  let value: Json = null;
  for (let left = random.size(400); left > 0; left--) value = random.percent(50) ? [value] : { a: value };
  return value;
}

/** Numbers and names that JSON allows and no writer of JSON makes. */
function withOddNumbers(random: Random, text: string): string {
  const odd = random.pick([
    '1e999',
    '-0',
    '1E400',
    '0.1e-400',
    '123456789012345678901234567890',
    '{"a":1,"a":2}',
  ]);
  return text.replace(/\b\d+\b/, odd);
}

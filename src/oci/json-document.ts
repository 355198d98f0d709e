import { DbupError } from '../core/errors.js';
import { isNestedDeeper } from '../core/json-nesting.js';
import { LIMITS } from '../core/limits.js';
import { quoted } from './quoted.js';

const HINT = 'The image was written wrongly or damaged on its way: save or download it again.';

/** A defect of one JSON document of an image: the document, the field, and what is wrong with it. */
export function invalidDocument(
  where: string,
  path: string,
  problem: string,
  hint: string = HINT,
): DbupError {
  const place = path === '' ? where : `${where}: ${path}`;
  return new DbupError('INPUT_INVALID', `${place} ${problem}`, {
    hint,
    details: { document: where, field: path },
  });
}

/** A length inside an image that is beyond what dbup reads. */
export function oversizedDocument(where: string, path: string, problem: string): DbupError {
  const place = path === '' ? where : `${where}: ${path}`;
  return new DbupError('INPUT_TOO_LARGE', `${place} ${problem}`, {
    hint: 'No tool writes an image like this; check where the image comes from.',
    details: { document: where, field: path },
  });
}

/**
 * Parses the JSON of `bytes`; `where` names the document in errors. The bytes stay the caller's and are
 * not kept. Invalid UTF-8 inside a string becomes U+FFFD, as it does in every engine: the digest is of
 * the bytes, so nothing is lost by reading on.
 *
 * @throws DbupError INPUT_TOO_LARGE beyond `limitBytes` or LIMITS.imageJsonDepth, INPUT_INVALID if it is not JSON
 */
export function parseJsonBounded(bytes: Uint8Array, limitBytes: number, where: string): unknown {
  if (bytes.length > limitBytes) {
    throw oversizedDocument(where, '', `has ${bytes.length} bytes; at most ${limitBytes} are read`);
  }
  if (isNestedDeeper(bytes, LIMITS.imageJsonDepth))
    throw oversizedDocument(where, '', `is nested deeper than ${LIMITS.imageJsonDepth} levels`);
  try {
    return JSON.parse(new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)) as unknown;
  } catch {
    throw invalidDocument(where, '', 'is not valid JSON');
  }
}

/** Parses an image's JSON document within LIMITS.imageJsonBytes. @throws as {@link parseJsonBounded} */
export function readJsonDocument(bytes: Uint8Array, where: string): JsonNode {
  return new JsonNode(parseJsonBounded(bytes, LIMITS.imageJsonBytes, where), where);
}

/**
 * One value of a JSON document and its place there. `null` counts as absent, as in Go, in which every
 * engine is written. Only own properties are read, so a document cannot reach `Object.prototype`.
 * Every method throws INPUT_INVALID (or INPUT_TOO_LARGE) naming the document and the field.
 */
export class JsonNode {
  readonly where: string;
  readonly path: string;
  readonly #value: unknown;

  constructor(value: unknown, where: string, path = '') {
    this.#value = value ?? undefined;
    this.where = where;
    this.path = path;
  }

  get isAbsent(): boolean {
    return this.#value === undefined;
  }

  get isText(): boolean {
    return typeof this.#value === 'string';
  }

  invalid(problem: string, hint?: string): DbupError {
    return invalidDocument(this.where, this.path, problem, hint);
  }

  field(name: string): JsonNode {
    const object = this.#object();
    const value = Object.hasOwn(object, name) ? object[name] : undefined;
    return new JsonNode(value, this.where, this.path === '' ? name : `${this.path}.${name}`);
  }

  text(): string {
    if (typeof this.#value !== 'string') throw this.#mistyped('a string');
    return this.#value;
  }

  optionalText(): string | undefined {
    return this.isAbsent ? undefined : this.text();
  }

  /** A whole number from 0 to 2^53 - 1. */
  count(): number {
    const value = this.#value;
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
      throw this.#mistyped('a whole number');
    }
    return value;
  }

  /** How many items an array has; an absent one has none. */
  itemCount(): number {
    return this.#items().length;
  }

  /** Reads the items of an array, at most `maximum` (unless given, the document's length bounds them). */
  map<T>(read: (item: JsonNode) => T, maximum: number = Number.MAX_SAFE_INTEGER): T[] {
    const items = this.#items();
    if (items.length > maximum) {
      throw oversizedDocument(
        this.where,
        this.path,
        `has ${items.length} items; at most ${maximum} are read`,
      );
    }
    return items.map((item, i) => read(new JsonNode(item, this.where, `${this.path}[${i}]`)));
  }

  texts(): string[] {
    return this.map((item) => item.text());
  }

  /** The names and values of an object, in the document's order; an absent one has none. */
  *entries(): Generator<[string, JsonNode]> {
    if (this.isAbsent) return;
    for (const [name, value] of Object.entries(this.#object())) {
      yield [name, new JsonNode(value, this.where, `${this.path}[${quoted(name)}]`)];
    }
  }

  /** An object of strings, without a prototype. */
  textMap(): Record<string, string> {
    const map: Record<string, string> = Object.create(null);
    for (const [name, value] of this.entries()) map[name] = value.text();
    return map;
  }

  #items(): readonly unknown[] {
    if (this.isAbsent) return [];
    if (!Array.isArray(this.#value)) throw this.#mistyped('an array');
    return this.#value;
  }

  #object(): Record<string, unknown> {
    if (typeof this.#value !== 'object' || this.#value === null || Array.isArray(this.#value)) {
      throw this.#mistyped('an object');
    }
    return this.#value as Record<string, unknown>;
  }

  #mistyped(expected: string): DbupError {
    return this.invalid(this.isAbsent ? `is missing; ${expected} is expected` : `is not ${expected}`);
  }
}

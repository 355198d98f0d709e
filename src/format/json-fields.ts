import { DbupError } from '../core/errors.js';
import { isNestedDeeper } from '../core/json-nesting.js';
import { LIMITS } from '../core/limits.js';

const UTF8 = new TextDecoder('utf-8', { fatal: true });

/** Names a place in a document; made into text only for an error, for there are many places. */
export type Where = string | (() => string);

function whereText(where: Where): string {
  return typeof where === 'string' ? where : where();
}

/** Typed access to the fields of a parsed JSON object; every miss is one error naming the field. */
export class JsonFields {
  readonly #object: Record<string, unknown>;
  readonly #where: Where;

  constructor(value: unknown, where: Where) {
    this.#where = where;
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw this.#wrong('is not an object');
    this.#object = value as Record<string, unknown>;
  }

  string(name: string, pattern?: RegExp): string {
    const value = this.#get(name);
    if (typeof value !== 'string' || (pattern && !pattern.test(value)))
      throw this.#wrong(`has a bad "${name}"`);
    return value;
  }

  optionalString(name: string, pattern?: RegExp): string | undefined {
    return this.#get(name) === undefined ? undefined : this.string(name, pattern);
  }

  /** A whole number from 0 to `maximum`. */
  count(name: string, maximum: number = Number.MAX_SAFE_INTEGER): number {
    const value = this.#get(name);
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0 || value > maximum) {
      throw this.#wrong(`has a bad "${name}"`);
    }
    return value;
  }

  optionalCount(name: string): number | undefined {
    return this.#get(name) === undefined ? undefined : this.count(name);
  }

  array<T>(name: string, maximum: number, item: (value: unknown, where: Where) => T): T[] {
    const value = this.#get(name);
    if (!Array.isArray(value) || value.length > maximum) throw this.#wrong(`has a bad "${name}"`);
    return value.map((entry, i) => item(entry, () => `${whereText(this.#where)}: ${name}[${i}]`));
  }

  optionalArray<T>(
    name: string,
    maximum: number,
    item: (value: unknown, where: Where) => T,
  ): T[] | undefined {
    return this.#get(name) === undefined ? undefined : this.array(name, maximum, item);
  }

  strings(name: string, maximum: number): string[] {
    return this.array(name, maximum, (value) => {
      if (typeof value !== 'string') throw this.#wrong(`has a bad "${name}"`);
      return value;
    });
  }

  /** Exactly what `Date.prototype.toISOString` gives for a time in the years 0 to 9999. */
  time(name: string): string {
    const text = this.string(name, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    const time = new Date(text);
    if (Number.isNaN(time.getTime()) || time.toISOString() !== text) throw this.#wrong(`has a bad "${name}"`);
    return text;
  }

  object(name: string): JsonFields {
    return new JsonFields(this.#get(name), () => `${whereText(this.#where)}: ${name}`);
  }

  optionalObject(name: string): JsonFields | undefined {
    return this.#get(name) === undefined ? undefined : this.object(name);
  }

  raw(name: string): unknown {
    return this.#get(name);
  }

  #get(name: string): unknown {
    return Object.hasOwn(this.#object, name) ? this.#object[name] : undefined;
  }

  #wrong(reason: string): DbupError {
    const where = whereText(this.#where);
    return new DbupError('POOL_DAMAGED', `${where} ${reason}`, {
      hint: 'Copy the pool again from where it is whole, or run `dbup repair --from OTHER_POOL`.',
      details: { where, reason },
    });
  }
}

/** Parses JSON bytes of a pool file. @throws DbupError POOL_DAMAGED, also beyond `LIMITS.poolJsonDepth` */
export function parsePoolJson(bytes: Uint8Array, where: string): JsonFields {
  if (isNestedDeeper(bytes, LIMITS.poolJsonDepth)) {
    throw damagedJson(where, `is nested deeper than ${LIMITS.poolJsonDepth} levels`);
  }
  let value: unknown;
  try {
    value = JSON.parse(UTF8.decode(bytes));
  } catch (cause) {
    throw damagedJson(where, 'is not valid JSON', cause);
  }
  return new JsonFields(value, where);
}

function damagedJson(where: string, reason: string, cause?: unknown): DbupError {
  return new DbupError('POOL_DAMAGED', `${where} ${reason}`, {
    hint: 'Copy the pool again from where it is whole, or run `dbup repair --from OTHER_POOL`.',
    details: { where },
    cause,
  });
}

/** Refuses a format number or a feature this version does not know. @throws DbupError POOL_FORMAT_UNSUPPORTED */
export function checkFormat(
  fields: JsonFields,
  supported: number,
  knownFeatures: readonly string[],
  where: string,
): void {
  const format = fields.count('format');
  // What another format makes of the other fields is not known.
  const features = format === supported ? fields.strings('features', LIMITS.poolFeatures) : [];
  const unknown = features.filter((feature) => !knownFeatures.includes(feature));
  if (format !== supported || unknown.length > 0) {
    const what = format !== supported ? `format ${format}` : `the feature "${unknown.join('", "')}"`;
    throw new DbupError(
      'POOL_FORMAT_UNSUPPORTED',
      `${where} has ${what}; this dbup reads format ${supported}`,
      {
        hint: 'Update dbup on this machine to the version that wrote the pool.',
        details: { where, format, features },
      },
    );
  }
}

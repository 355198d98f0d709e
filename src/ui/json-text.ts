/** The version of every JSON document dbup prints: raised when a field is removed or changes its meaning, not when one is added. */
export const JSON_SCHEMA_VERSION = 1;

/**
 * Keys as dbup prints them: `imageBytes` becomes `image_bytes`, at every depth. Keys that are not identifiers
 * of that shape (digests, references) stay as they are; so does everything inside a {@link Verbatim}.
 */
export function toSnakeCase(value: unknown): unknown {
  if (value instanceof Verbatim) return value.value;
  if (Array.isArray(value)) return value.map(toSnakeCase);
  if (value instanceof Map) return toSnakeCase(Object.fromEntries(value));
  if (value instanceof Set) return [...value].map(toSnakeCase);
  if (typeof value === 'bigint') return Number(value);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [snakeKey(key), toSnakeCase(inner)]));
}

/** A value whose keys are data, such as an image's labels. */
export class Verbatim {
  readonly value: unknown;

  constructor(value: unknown) {
    this.value = value;
  }
}

function snakeKey(key: string): string {
  if (!/^[a-z][a-zA-Z0-9]*$/.test(key)) return key;
  return key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

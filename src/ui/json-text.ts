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

/** What JSON.stringify leaves as it is and a terminal obeys: DEL, the controls of C1, line ends, and what turns the direction of text. */
const STEERING = /[\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** JSON that means the same and holds nothing that steers a terminal, whatever names a stranger chose. */
export function jsonText(value: unknown, indent?: number): string {
  return JSON.stringify(value, null, indent).replace(
    STEERING,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
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

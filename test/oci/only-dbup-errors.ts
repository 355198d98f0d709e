import fc from 'fast-check';
import { DbupError } from '../../src/core/errors.js';

/** fast-check prints the seed of a failure; DBUP_TEST_SEED replays it. */
export const SEED = Number(process.env.DBUP_TEST_SEED ?? 1_402_773);

/** Runs `action`; any error but a DbupError of `codes` escapes. Returns whether it succeeded. */
export function onlyDbupErrors(action: () => unknown, codes: readonly string[]): boolean {
  try {
    action();
    return true;
  } catch (error) {
    if (error instanceof DbupError && codes.includes(error.code)) return false;
    throw error;
  }
}

/** `json` with one value, anywhere in it, replaced by any other, or a few of its bytes changed. */
export function mutated(json: string): fc.Arbitrary<Uint8Array> {
  const paths = pathsOf(JSON.parse(json), []);
  const values = fc
    .tuple(fc.constantFrom(...paths), fc.jsonValue({ maxDepth: 3 }))
    .map(([path, value]) =>
      new TextEncoder().encode(JSON.stringify(replaced(JSON.parse(json), path, value))),
    );
  const bytes = fc
    .array(fc.tuple(fc.nat(json.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 })
    .map((changes) => {
      const copy = new TextEncoder().encode(json);
      for (const [offset, value] of changes) copy[offset] = value;
      return copy;
    });
  return fc.oneof(values, bytes);
}

function pathsOf(value: unknown, path: string[]): string[][] {
  if (typeof value !== 'object' || value === null) return [path];
  return [path, ...Object.entries(value).flatMap(([name, item]) => pathsOf(item, [...path, name]))];
}

function replaced(value: unknown, path: readonly string[], by: unknown): unknown {
  const [first, ...rest] = path;
  if (first === undefined) return by;
  const object = value as Record<string, unknown>;
  object[first] = replaced(object[first], rest, by);
  return object;
}

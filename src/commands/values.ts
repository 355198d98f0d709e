import { DbupError } from '../core/errors.js';
import { MAX_LEVEL } from '../pool/block-target.js';

/** Turns the text of an option or an argument into its value. `what` names it in errors. @throws DbupError USAGE */
export type ParseValue<T> = (text: string, what: string) => T;

/** A whole number from `minimum` to `maximum`. */
export function wholeNumber(minimum: number, maximum: number): ParseValue<number> {
  return (text, what) => {
    const value = /^[0-9]{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= minimum && value <= maximum) return value;
    throw invalidValue(what, text, `a whole number from ${minimum} to ${maximum}`);
  };
}

/** A zstd level: a whole number from `minimum` to `maximum`, or `max` for the highest there is. */
export function zstdLevel(minimum: number, maximum: number): ParseValue<number> {
  return (text, what) => {
    if (text === 'max') return MAX_LEVEL;
    const value = /^[0-9]{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= minimum && value <= maximum) return value;
    throw invalidValue(what, text, `a whole number from ${minimum} to ${maximum}, or max`);
  };
}

/** A share in percent, `10%` or `10`, from 1 to 100. */
export const parityShare: ParseValue<number> = (text, what) => {
  const value = /^[0-9]{1,3}%?$/.test(text) ? Number.parseInt(text, 10) : Number.NaN;
  if (value >= 1 && value <= 100) return value;
  throw invalidValue(what, text, 'a whole number of percent from 1 to 100, such as 10%');
};

const BYTE_UNITS = { '': 1, K: 1e3, M: 1e6, G: 1e9, T: 1e12 } as const;

/** A number of bytes, with K, M, G or T for thousands, as `500M`. */
export const byteSize: ParseValue<number> = (text, what) => {
  const parts = /^([0-9]{1,6})([KMGT]?)B?$/i.exec(text);
  if (!parts) throw invalidValue(what, text, 'a size such as 500M or 10G');
  return Number(parts[1]) * BYTE_UNITS[parts[2]!.toUpperCase() as keyof typeof BYTE_UNITS];
};

const UNIT_MS: Readonly<Record<string, number>> = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1000 };

/** A length of time as `10m`, `1h30m` or `90` (seconds), as milliseconds. */
export const durationMs: ParseValue<number> = (text, what) => {
  const match = /^(?=.)(?:([0-9]{1,5})d)?(?:([0-9]{1,5})h)?(?:([0-9]{1,5})m)?(?:([0-9]{1,9})s?)?$/.exec(text);
  const value = ['d', 'h', 'm', 's'].reduce(
    (sum, unit, i) => sum + UNIT_MS[unit]! * Number(match?.[i + 1] ?? 0),
    0,
  );
  if (match && value > 0) return value;
  throw invalidValue(what, text, 'a length of time such as 10m, 1h30m or 90s');
};

/** A number of seconds, decimals allowed, as milliseconds. */
export function secondsToMs(maximumSeconds: number): ParseValue<number> {
  return (text, what) => {
    const value = /^[0-9]{1,9}(\.[0-9]{1,6})?$/.test(text) ? Number(text) : Number.NaN;
    if (value <= maximumSeconds) return Math.round(value * 1000);
    throw invalidValue(what, text, `a number of seconds up to ${maximumSeconds}`);
  };
}

/** One of a few words. */
export function oneOf<T extends string>(words: readonly T[]): ParseValue<T> {
  return (text, what) => {
    const word = words.find((known) => known === text);
    if (word !== undefined) return word;
    throw invalidValue(what, text, `one of ${words.join(', ')}`);
  };
}

/** `true`, `1`, `yes` or the contrary, as environment variables and config files say it. */
export const yesOrNo: ParseValue<boolean> = (text, what) => {
  const word = text.toLowerCase();
  if (['1', 'true', 'yes', 'on'].includes(word)) return true;
  if (['0', 'false', 'no', 'off'].includes(word)) return false;
  throw invalidValue(what, text, 'true or false');
};

/** Any text but none. */
export const someText: ParseValue<string> = (text, what) => {
  if (text === '') throw invalidValue(what, text, 'not empty');
  return text;
};

/** The error for a value that is not what was asked for. */
export function invalidValue(what: string, text: string, wanted: string): DbupError {
  return new DbupError('USAGE', `${what} is ${JSON.stringify(text.slice(0, 100))}, but must be ${wanted}`, {
    details: { value: text.slice(0, 1000) },
  });
}

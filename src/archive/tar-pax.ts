import { LIMITS } from '../core/limits.js';
import { decodeTarName } from './tar-header.js';

/** What a PAX extended header says about the member that follows it. Null: it says nothing about that. */
export interface PaxRecords {
  sizeBytes: number | null;
  path: string | null;
  linkPath: string | null;
}

const NEWLINE = 0x0a;
const SPACE = 0x20;
const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;
const EQUALS = 0x3d;

/**
 * Reads the records `<length> <key>=<value>\n` (POSIX.1-2001 pax) in `bytes[start, end)`.
 *
 * `length` is decimal, without sign, and counts the whole record. The first record that is malformed (no
 * digits, no space after them, longer than what is left, no newline at its end, no `=`) ends the reading; those before it
 * count. Of equal keys the last one counts, and an empty value takes back what earlier ones said. A `size`
 * that is not all decimal digits or above 2^53-1 is passed over. `GNU.sparse.name` goes before `path`.
 * Names are cut to `LIMITS.tarNameBytes`. Never throws; keeps nothing of `bytes`.
 */
export function parsePaxRecords(bytes: Uint8Array, start: number, end: number): PaxRecords {
  const records: PaxRecords = { sizeBytes: null, path: null, linkPath: null };
  let sparseName: string | null = null;
  for (let at = start; at < end; ) {
    const keyStart = skipLength(bytes, at, end);
    if (keyStart === -1) break;
    const recordEnd = at + decimal(bytes, at, keyStart - 1);
    const valueEnd = recordEnd - 1;
    if (recordEnd > end || bytes[valueEnd] !== NEWLINE) break;
    const keyEnd = bytes.indexOf(EQUALS, keyStart);
    if (keyEnd === -1 || keyEnd >= valueEnd) break;
    const valueStart = keyEnd + 1;
    if (isKey(bytes, keyStart, keyEnd, 'size')) {
      records.sizeBytes = sizeValue(bytes, valueStart, valueEnd, records.sizeBytes);
    } else if (isKey(bytes, keyStart, keyEnd, 'path')) {
      records.path = nameValue(bytes, valueStart, valueEnd);
    } else if (isKey(bytes, keyStart, keyEnd, 'linkpath')) {
      records.linkPath = nameValue(bytes, valueStart, valueEnd);
    } else if (isKey(bytes, keyStart, keyEnd, 'GNU.sparse.name')) {
      sparseName = nameValue(bytes, valueStart, valueEnd);
    }
    at = recordEnd;
  }
  records.path = sparseName ?? records.path;
  return records;
}

/** A name in an extension body: up to its first NUL, cut to `LIMITS.tarNameBytes`; null when empty. */
export function nameValue(bytes: Uint8Array, start: number, end: number): string | null {
  const name = decodeTarName(bytes, start, Math.min(end, start + LIMITS.tarNameBytes));
  return name === '' ? null : name;
}

/** Where the key of the record at `at` starts, or -1 when no `<digits><space>` stands there. */
function skipLength(bytes: Uint8Array, at: number, end: number): number {
  let position = at;
  while (position < end && isDigit(bytes[position]!)) position++;
  return position > at && position < end && bytes[position] === SPACE ? position + 1 : -1;
}

function sizeValue(bytes: Uint8Array, start: number, end: number, before: number | null): number | null {
  if (start === end) return null;
  for (let at = start; at < end; at++) if (!isDigit(bytes[at]!)) return before;
  const value = decimal(bytes, start, end);
  return value <= Number.MAX_SAFE_INTEGER ? value : before;
}

/** The decimal digits of `bytes[start, end)` as a number: exact up to 2^53-1, infinite above. */
function decimal(bytes: Uint8Array, start: number, end: number): number {
  let value = 0;
  for (let at = start; at < end; at++) {
    value = value * 10 + (bytes[at]! - DIGIT_0);
    if (value > Number.MAX_SAFE_INTEGER) return Number.POSITIVE_INFINITY;
  }
  return value;
}

function isDigit(byte: number): boolean {
  return byte >= DIGIT_0 && byte <= DIGIT_9;
}

function isKey(bytes: Uint8Array, start: number, end: number, key: string): boolean {
  if (end - start !== key.length) return false;
  for (let index = 0; index < key.length; index++) {
    if (bytes[start + index] !== key.charCodeAt(index)) return false;
  }
  return true;
}

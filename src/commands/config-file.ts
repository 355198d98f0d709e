import { readFileSync } from 'node:fs';
import { DbupError, isSystemError, toDbupError } from '../core/errors.js';

const CONFIG_BYTES = 64 * 1024;

/**
 * Reads the optional config file: a JSON object of strings, numbers and booleans with no other keys than
 * `knownKeys`. A file that is not there has no settings.
 * @throws DbupError USAGE when the file is not such an object, PERMISSION_DENIED, IO_ERROR
 */
export function readConfigFile(path: string, knownKeys: readonly string[]): Map<string, string> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (isSystemError(error, 'ENOENT') || isSystemError(error, 'ENOTDIR')) return new Map();
    throw toDbupError(error, `reading ${path}`);
  }
  if (text.length > CONFIG_BYTES) throw invalidConfig(path, `it is longer than ${CONFIG_BYTES} bytes`);
  const settings = new Map<string, string>();
  for (const [key, value] of Object.entries(parseObject(path, text))) {
    if (!knownKeys.includes(key)) {
      throw invalidConfig(path, `it has no setting ${JSON.stringify(key.slice(0, 100))}`, knownKeys);
    }
    if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') {
      throw invalidConfig(path, `${key} must be a string, a number, true or false`);
    }
    settings.set(key, String(value));
  }
  return settings;
}

function parseObject(path: string, text: string): object {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw invalidConfig(path, `it is not JSON: ${(error as Error).message}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalidConfig(path, 'it is not a JSON object');
  }
  return value;
}

function invalidConfig(path: string, problem: string, knownKeys?: readonly string[]): DbupError {
  return new DbupError('USAGE', `the config file ${path} cannot be used: ${problem}`, {
    hint: knownKeys
      ? `The settings are ${knownKeys.join(', ')}.`
      : '`dbup help environment` shows what it may hold. Correct it or take it away.',
    details: { path },
  });
}

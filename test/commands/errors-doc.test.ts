import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { ERROR_CODES, EXIT_CODES } from '../../src/core/errors.js';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Rows of docs/errors.md: code, when, what to do, exit code. */
function documented(): string[][] {
  const lines = readFileSync(`${root}docs/errors.md`, 'utf8').split('\n');
  return lines
    .filter((line) => line.startsWith('| `'))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

test('docs/errors.md lists every code with its exit code, in the order of the table', () => {
  const rows = documented().map(([code, , , exit]) => [code!.replaceAll('`', ''), Number(exit)]);
  expect(rows).toEqual(Object.entries(ERROR_CODES).map(([code, kind]) => [code, EXIT_CODES[kind].code]));
  for (const [code, when, advice] of documented()) {
    expect(when!.length, code).toBeGreaterThan(15);
    expect(advice!.length, code).toBeGreaterThan(10);
  }
});

test('every code is raised somewhere', () => {
  const sources = readdirSync(`${root}src`, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .map((path) => readFileSync(`${root}src/${path}`, 'utf8'))
    .join('\n')
    // The table itself and mere comparisons raise nothing.
    .replace(/export const ERROR_CODES[^}]*}/, '')
    .replace(/[!=]== '[A-Z_]+'/g, '');
  const unused = Object.keys(ERROR_CODES).filter((code) => !sources.includes(`'${code}'`));
  expect(unused).toEqual([]);
});

import { expect, test } from 'vitest';
import { toSnakeCase, Verbatim } from '../../src/ui/json-text.js';
import { styleFor } from '../../src/ui/style.js';
import { renderFields, renderTable } from '../../src/ui/table.js';

test('columns are as wide as their widest cell, numbers to the right, no blanks at the end', () => {
  const lines = renderTable(
    [{ title: 'NAME' }, { title: 'SIZE', align: 'right' }, { title: 'NOTE' }],
    [
      ['a', '1 B', ''],
      ['größer:1.0', '1.00 kB', 'x'],
    ],
  );
  expect(lines).toEqual(['NAME            SIZE   NOTE', 'a                1 B', 'größer:1.0   1.00 kB   x']);
});

test('foreign text cannot steer the terminal', () => {
  expect(renderTable([{ title: 'A' }], [['x\u001b[31my\nz']])).toEqual(['A', 'x [31my z']);
  expect(renderFields([['Key', 'a\u0007b']])).toEqual(['Key: a b']);
});

test('fields stand under one another', () => {
  expect(
    renderFields([
      ['A', '1'],
      ['Longer', ''],
    ]),
  ).toEqual(['A:      1', 'Longer:']);
});

test('colour goes to terminals alone', () => {
  expect(styleFor({ isTTY: true }, {}).red('x')).toBe('\u001b[31mx\u001b[39m');
  for (const [stream, env] of [
    [{ isTTY: false }, {}],
    [{}, {}],
    [{ isTTY: true }, { NO_COLOR: '1' }],
    [{ isTTY: true }, { TERM: 'dumb' }],
  ] as const) {
    expect(styleFor(stream, env).red('x')).toBe('x');
  }
});

test('JSON keys are respelled at every depth, data keys are not', () => {
  const value = {
    imageBytes: 1,
    list: [{ aB: null }],
    'sha256:aB': 1,
    labels: new Verbatim({ someKey: 1 }),
    none: undefined,
  };
  expect(toSnakeCase(value)).toEqual({
    image_bytes: 1,
    list: [{ a_b: null }],
    'sha256:aB': 1,
    labels: { someKey: 1 },
  });
});

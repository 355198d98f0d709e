import { printable } from '../image/engine/printable.js';

export interface TableColumn {
  title: string;
  /** Numbers stand to the right. */
  align?: 'left' | 'right';
}

const GAP = '   ';

/**
 * Lines of a table, a heading and the rows, every column as wide as its widest cell. Cells may hold foreign
 * text: control characters do not reach the terminal.
 */
export function renderTable(columns: readonly TableColumn[], rows: readonly (readonly string[])[]): string[] {
  const lines = [columns.map(({ title }) => title), ...rows.map((row) => row.map(printable))];
  const widths = columns.map((_, at) => Math.max(...lines.map((line) => displayWidth(line[at] ?? ''))));
  return lines.map((line) =>
    columns
      .map(({ align }, at) => pad(line[at] ?? '', widths[at] ?? 0, align ?? 'left'))
      .join(GAP)
      .trimEnd(),
  );
}

/** Lines of `Label: value`, the values under one another. */
export function renderFields(fields: readonly (readonly [label: string, value: string])[]): string[] {
  const width = Math.max(0, ...fields.map(([label]) => label.length));
  return fields.map(([label, value]) => `${`${label}:`.padEnd(width + 2)}${printable(value)}`.trimEnd());
}

/** Characters, not code units. */
function displayWidth(text: string): number {
  return [...text].length;
}

function pad(text: string, width: number, align: 'left' | 'right'): string {
  const space = ' '.repeat(Math.max(0, width - displayWidth(text)));
  return align === 'right' ? space + text : text + space;
}
